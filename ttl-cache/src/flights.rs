//! Flights: the loads of this process that are under way, and how other callers join them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_timer::Delay;
use parking_lot::Mutex;
use tokio::sync::watch;
use ttl_core::{Deadline, Key};

use crate::envelope::{Nonce, Tagged, nonce};
use crate::error::CacheError;
use crate::runtime::runtime;

/// The result of a load, shared by all callers that wait for it.
pub(crate) struct Arrival<V> {
    /// `None` if the loader found nothing.
    pub(crate) value: Option<Arc<V>>,
    /// Whether callers that did not begin the load may use the value. They may not if the value has tags that
    /// were unknown to them.
    pub(crate) shareable: bool,
    /// The tags under which the value was loaded. Empty if every call that joined began before the load.
    pub(crate) tags: Vec<String>,
    /// How the value is stored, if it is.
    pub(crate) stored: Option<StoredAs>,
}

impl<V> Arrival<V> {
    /// Creates the result of a load whose value is not stored. Every call that joins it began before it.
    pub(crate) const fn unstored(value: Option<Arc<V>>) -> Self {
        Self { value, shareable: true, tags: Vec::new(), stored: None }
    }
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
    /// A refresh failed a moment ago, in this or another process. The loader was not called.
    Paused,
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
            Self::Paused => Self::Paused,
        }
    }
}

/// One load.
pub(crate) struct Flight<V> {
    /// The nonce of the claim, or of the stale value that is refreshed.
    id: Nonce,
    kind: FlightKind,
    /// The flight's place in the order of all callers and loads of this process.
    sequence: u64,
    phase: watch::Sender<Phase<V>>,
}

/// What a flight loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlightKind {
    /// A value for a key that has none, under a claim.
    Claimed,
    /// A new value for a stale one.
    Refresh,
    /// A value without a claim.
    Unclaimed,
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

    /// Returns whether no call waits for the flight.
    pub(crate) fn is_deserted(&self) -> bool {
        self.phase.receiver_count() == 0
    }

    fn ticket(&self) -> Ticket<V> {
        Ticket { sequence: self.sequence, phases: self.phase.subscribe() }
    }
}

/// The place of a waiting call in a flight.
pub(crate) struct Ticket<V> {
    /// The flight's place in the order of all callers and loads of this process.
    pub(crate) sequence: u64,
    phases: watch::Receiver<Phase<V>>,
}

impl<V> Ticket<V> {
    /// Waits for the end of the flight.
    pub(crate) async fn landing(&mut self) -> Landing<V> {
        match self.phases.wait_for(|phase| matches!(phase, Phase::Landed(_))).await.as_deref() {
            Ok(Phase::Landed(landing)) => landing.clone(),
            // The flight lands before its sender is dropped.
            _ => Landing::Failed(CacheError::Abandoned),
        }
    }
}

/// The flights of a cache.
pub(crate) struct Flights<V> {
    /// Mostly one for each key. There are two while one goes on whose claim is gone.
    by_key: Mutex<HashMap<Key, Vec<Arc<Flight<V>>>>>,
    sequence: AtomicU64,
}

/// A flight that a call waits for.
pub(crate) enum Joined<V> {
    /// One of this call. The handle belongs to the task that flies.
    Own(OwnFlight<V>, Ticket<V>),
    Other(Ticket<V>),
}

impl<V> Flights<V> {
    pub(crate) fn new() -> Self {
        Self { by_key: Mutex::new(HashMap::new()), sequence: AtomicU64::new(0) }
    }

    /// Returns the next number in the order of callers and loads.
    pub(crate) fn next(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::SeqCst)
    }

    /// Joins the flight of this claim.
    pub(crate) fn find(&self, key: &Key, id: Nonce) -> Option<Ticket<V>> {
        let by_key = self.by_key.lock();
        by_key.get(key)?.iter().find(|flight| flight.id == id).map(|flight| flight.ticket())
    }

    /// Joins a flight whose load begins later than now, or creates one.
    pub(crate) fn join_or_begin(self: &Arc<Self>, key: &Key) -> Joined<V> {
        self.join_or(key, nonce(), FlightKind::Claimed, |flight| {
            // A refresh knows the value that it replaces, which may have been invalidated.
            flight.kind == FlightKind::Claimed && flight.is_claiming()
        })
    }

    /// Joins the refresh of the value with this nonce, or creates one.
    pub(crate) fn join_refresh_or_begin(self: &Arc<Self>, key: &Key, id: Nonce) -> Joined<V> {
        self.join_or(key, id, FlightKind::Refresh, |flight| flight.id == id)
    }

    /// Joins a flight without a claim that is under way, or creates one.
    pub(crate) fn join_unclaimed_or_begin(self: &Arc<Self>, key: &Key) -> Joined<V> {
        self.join_or(key, nonce(), FlightKind::Unclaimed, |flight| {
            flight.kind == FlightKind::Unclaimed && !flight.has_landed()
        })
    }

    fn join_or(
        self: &Arc<Self>,
        key: &Key,
        id: Nonce,
        kind: FlightKind,
        joinable: impl Fn(&Flight<V>) -> bool,
    ) -> Joined<V> {
        let mut by_key = self.by_key.lock();
        let flights = by_key.entry(key.clone()).or_default();
        if let Some(flight) = flights.iter().find(|flight| joinable(flight)) {
            return Joined::Other(flight.ticket());
        }
        let phase = watch::Sender::new(Phase::Claiming);
        let flight = Arc::new(Flight { id, kind, sequence: self.next(), phase });
        flights.push(Arc::clone(&flight));
        let ticket = flight.ticket();
        Joined::Own(OwnFlight { flights: Arc::clone(self), key: key.clone(), flight }, ticket)
    }
}

impl<V> fmt::Debug for Flights<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("keys", &self.by_key.lock().len()).finish()
    }
}

/// The handle of the task that flies. Dropping it ends the flight, also if the runtime drops the task.
pub(crate) struct OwnFlight<V> {
    flights: Arc<Flights<V>>,
    key: Key,
    flight: Arc<Flight<V>>,
}

impl<V> OwnFlight<V> {
    pub(crate) fn flight(&self) -> &Flight<V> {
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
        if let Some(flights) = by_key.get_mut(&self.key) {
            flights.retain(|flight| !Arc::ptr_eq(flight, &self.flight));
            if flights.is_empty() {
                by_key.remove(&self.key);
            }
        }
    }
}

/// Lets landed flights go on for a while, so that calls in between find them.
pub(crate) fn hold<V: Send + Sync + 'static>(flights: Vec<OwnFlight<V>>, time: Duration) {
    if let (false, Ok(runtime)) = (flights.is_empty() || time.is_zero(), runtime()) {
        runtime.spawn(async move {
            Delay::new(time).await;
            drop(flights);
        });
    }
}
