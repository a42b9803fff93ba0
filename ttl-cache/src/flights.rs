//! Flights: the loads of this process that are under way, and how other callers join them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;
use ttl_core::{Deadline, Key};

use crate::envelope::{Nonce, Tagged};
use crate::error::CacheError;

/// The result of a load, shared by all callers that wait for it.
pub(crate) struct Arrival<V> {
    /// `None` if the loader found nothing.
    pub(crate) value: Option<Arc<V>>,
    /// Whether callers that did not begin the load may use the value. They may not if the value has tags that
    /// were unknown to them.
    pub(crate) shareable: bool,
    /// How the value is stored, if it is.
    pub(crate) stored: Option<StoredAs>,
}

/// What a near copy needs to know of a stored value.
#[derive(Clone, Debug)]
pub(crate) struct StoredAs {
    pub(crate) fresh_until: Deadline,
    pub(crate) deadline: Deadline,
    pub(crate) generations: Arc<[Tagged]>,
    pub(crate) bytes: usize,
}

/// The end of a flight.
pub(crate) enum Landing<V> {
    /// The value arrived.
    Arrived(Arc<Arrival<V>>),
    /// The load or the store failed.
    Failed(CacheError),
    /// Another process loads, or the entry has changed. The loader was not called.
    Elsewhere,
}

pub(crate) enum Phase<V> {
    /// The claim is not written yet. The load begins later than now.
    Claiming,
    Loading,
    Landed(Landing<V>),
}

impl<V> Clone for Landing<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Arrived(arrival) => Self::Arrived(Arc::clone(arrival)),
            Self::Failed(error) => Self::Failed(error.clone()),
            Self::Elsewhere => Self::Elsewhere,
        }
    }
}

/// One load.
pub(crate) struct Flight<V> {
    /// The nonce of the claim, or of the stale value that is refreshed.
    id: Nonce,
    /// The flight's place in the order of all callers and loads of this process.
    pub(crate) sequence: u64,
    phase: watch::Sender<Phase<V>>,
}

impl<V> Flight<V> {
    pub(crate) fn id(&self) -> Nonce {
        self.id
    }

    pub(crate) fn begin_loading(&self) {
        self.phase.send_replace(Phase::Loading);
    }

    pub(crate) fn land(&self, landing: Landing<V>) {
        self.phase.send_replace(Phase::Landed(landing));
    }

    fn is_claiming(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Claiming)
    }

    fn has_landed(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Landed(_))
    }

    /// Waits for the end of the flight.
    pub(crate) async fn landing(&self) -> Landing<V> {
        let mut phases = self.phase.subscribe();
        let landed = phases.wait_for(|phase| matches!(phase, Phase::Landed(_))).await;
        match landed.as_deref() {
            Ok(Phase::Landed(landing)) => landing.clone(),
            // The sender is part of the flight, so it exists.
            _ => Landing::Failed(CacheError::Abandoned),
        }
    }
}

/// The flights of a cache, at most one for each key.
pub(crate) struct Flights<V> {
    by_key: Mutex<HashMap<Key, Arc<Flight<V>>>>,
    sequence: AtomicU64,
}

impl<V> Flights<V> {
    pub(crate) fn new() -> Self {
        Self { by_key: Mutex::new(HashMap::new()), sequence: AtomicU64::new(0) }
    }

    /// Returns the next number in the order of callers and loads.
    pub(crate) fn next(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::SeqCst)
    }

    /// Returns the flight of this claim, or of the refresh of this value.
    pub(crate) fn find(&self, key: &Key, id: Nonce) -> Option<Arc<Flight<V>>> {
        self.by_key.lock().get(key).filter(|flight| flight.id == id).cloned()
    }

    /// Joins a flight whose load begins later than now, or creates one. Returns the handle of a new flight,
    /// which removes it when it is dropped.
    pub(crate) fn join_or_begin(self: &Arc<Self>, key: &Key, id: Nonce) -> Joined<V> {
        self.join_or(key, id, Flight::is_claiming)
    }

    /// Joins the refresh of this value, or creates a flight for it.
    pub(crate) fn join_refresh_or_begin(self: &Arc<Self>, key: &Key, id: Nonce) -> Joined<V> {
        self.join_or(key, id, |flight| flight.id == id)
    }

    /// Joins the flight of this key if it began after `caller`, or if it is still under way, to wait for it.
    /// Otherwise creates one.
    pub(crate) fn join_running_or_begin(self: &Arc<Self>, key: &Key) -> Joined<V> {
        self.join_or(key, crate::envelope::nonce(), |flight| !flight.has_landed())
    }

    fn join_or(
        self: &Arc<Self>,
        key: &Key,
        id: Nonce,
        joinable: impl FnOnce(&Flight<V>) -> bool,
    ) -> Joined<V> {
        let mut by_key = self.by_key.lock();
        if let Some(flight) = by_key.get(key).filter(|flight| joinable(flight)) {
            return Joined::Other(Arc::clone(flight));
        }
        let flight =
            Arc::new(Flight { id, sequence: self.next(), phase: watch::Sender::new(Phase::Claiming) });
        by_key.insert(key.clone(), Arc::clone(&flight));
        Joined::New(OwnFlight { flights: Arc::clone(self), key: key.clone(), flight })
    }
}

impl<V> fmt::Debug for Flights<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("count", &self.by_key.lock().len()).finish()
    }
}

pub(crate) enum Joined<V> {
    New(OwnFlight<V>),
    Other(Arc<Flight<V>>),
}

/// The handle of the task that flies. Dropping it ends the flight, also if the runtime drops the task.
pub(crate) struct OwnFlight<V> {
    flights: Arc<Flights<V>>,
    key: Key,
    flight: Arc<Flight<V>>,
}

impl<V> OwnFlight<V> {
    pub(crate) fn flight(&self) -> &Arc<Flight<V>> {
        &self.flight
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }
}

impl<V> Drop for OwnFlight<V> {
    fn drop(&mut self) {
        if !self.flight.has_landed() {
            self.flight.land(Landing::Failed(CacheError::Abandoned));
        }
        let mut by_key = self.flights.by_key.lock();
        if by_key.get(&self.key).is_some_and(|present| Arc::ptr_eq(present, &self.flight)) {
            by_key.remove(&self.key);
        }
    }
}
