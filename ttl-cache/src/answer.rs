//! Answers: what a call returns for one key, and whom it waits for.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::driver::within;
use ttl_core::{Deadline, Key, Result};

use crate::core::{Core, runtime};
use crate::error::CacheError;
use crate::flights::{Arrival, Flight, Joined, Landing, StoredAs};
use crate::load::{Basis, LoaderSlot};
use crate::read::{Found, Occupant, Seen, State};

/// A call for one key.
pub(crate) struct Call {
    pub(crate) tags: Vec<String>,
    pub(crate) soft_timeout: Duration,
    /// Whether the answer that there is no value is one.
    pub(crate) accepts_absent: bool,
    /// The call's place in the order of all callers and loads of this process.
    pub(crate) sequence: u64,
}

/// The value that a call returns.
pub(crate) struct Answer<V> {
    pub(crate) value: Option<Arc<V>>,
    /// How the entry is stored, for a near copy.
    pub(crate) stored: Option<StoredAs>,
}

impl<V> From<&Found<V>> for Answer<V> {
    fn from(found: &Found<V>) -> Self {
        let stored = StoredAs {
            fresh_until: found.head.fresh_until,
            deadline: found.deadline,
            generations: found.head.generations.clone().into(),
            bytes: found.body.len(),
        };
        Self { value: found.value.clone(), stored: Some(stored) }
    }
}

impl<V> From<&Arrival<V>> for Answer<V> {
    fn from(arrival: &Arrival<V>) -> Self {
        Self { value: arrival.value.clone(), stored: arrival.stored.clone() }
    }
}

impl Call {
    fn accepts<T>(&self, value: Option<&T>) -> bool {
        self.accepts_absent || value.is_some()
    }
}

impl<V: Send + Sync + 'static> Core<V> {
    /// Returns the value of a key: the stored one, or that of a load.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        key: &Key,
        call: &Call,
        slot: &LoaderSlot<V>,
    ) -> Result<Answer<V>, CacheError> {
        let mut missed = false;
        let mut may_wait = true;
        loop {
            let mark = self.epochs.mark(key);
            let Seen { state, tags, known } = self.read(key, &call.tags).await?;
            let basis = Basis { own_tags: self.tags_with(&call.tags), tags, known, mark };
            let occupant = match state {
                State::Value(found) if call.accepts(found.value.as_ref()) => {
                    match self.answer_found(key, call, slot, basis, &found, may_wait).await? {
                        Some(answer) => return Ok(answer),
                        None => {
                            may_wait = false;
                            continue;
                        }
                    }
                }
                State::Value(found) => Occupant::Replaceable { version: found.version, unreadable: false },
                State::Miss(occupant) => occupant,
                State::Claimed { nonce, version } => {
                    self.note_miss(&mut missed);
                    self.counters.waits(1);
                    match self.flights.find(key, nonce) {
                        Some(flight) => {
                            if let Some(answer) = self.land(&flight, call).await? {
                                return Ok(answer);
                            }
                        }
                        None => self.changed(key, version).await?,
                    }
                    continue;
                }
            };
            self.note_miss(&mut missed);
            let answer = match occupant {
                Occupant::Foreign => self.load_unclaimed(key, call, slot, None).await?,
                _ if !self.settings.coordinates_processes() => {
                    self.load_unclaimed(key, call, slot, Some(basis)).await?
                }
                occupant => self.load_claimed(key, call, slot, basis, occupant).await?,
            };
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
    }

    fn note_miss(&self, missed: &mut bool) {
        if !*missed {
            self.counters.misses(1);
        }
        *missed = true;
    }

    /// Joins a load that has not begun, or begins one. Returns `None` if the state must be read again.
    async fn load_claimed(
        self: &Arc<Self>,
        key: &Key,
        call: &Call,
        slot: &LoaderSlot<V>,
        basis: Basis,
        occupant: Occupant,
    ) -> Result<Option<Answer<V>>, CacheError> {
        let own = match self.flights.join_or_begin(key, crate::envelope::nonce()) {
            Joined::Other(flight) => {
                self.counters.waits(1);
                return self.land(&flight, call).await;
            }
            Joined::New(own) => own,
        };
        let flight = Arc::clone(own.flight());
        let (core, task_slot) = (Arc::clone(self), Arc::clone(slot));
        runtime()?.spawn(async move { core.fly_claimed(own, task_slot, basis, occupant).await });
        self.land_own(&flight, call).await
    }

    /// Loads without a claim, or waits for such a load. A call shares a load that began after the call.
    /// Returns `None` if the state must be read again.
    pub(crate) async fn load_unclaimed(
        self: &Arc<Self>,
        key: &Key,
        call: &Call,
        slot: &LoaderSlot<V>,
        mut basis: Option<Basis>,
    ) -> Result<Option<Answer<V>>, CacheError> {
        loop {
            let own = match self.unclaimed.join_running_or_begin(key) {
                Joined::Other(flight) => {
                    self.counters.waits(1);
                    let answer = self.land(&flight, call).await;
                    if flight.sequence > call.sequence {
                        return answer;
                    }
                    if basis.is_some() {
                        // The value that the other load stored may do.
                        return Ok(None);
                    }
                    continue;
                }
                Joined::New(own) => own,
            };
            let flight = Arc::clone(own.flight());
            let (core, task_slot, basis) = (Arc::clone(self), Arc::clone(slot), basis.take());
            runtime()?.spawn(async move { core.fly_unclaimed(own, task_slot, basis).await });
            return self.land_own(&flight, call).await;
        }
    }

    /// Waits for the load of another call. Returns `None` if this call must read again.
    async fn land(&self, flight: &Flight<V>, call: &Call) -> Result<Option<Answer<V>>, CacheError> {
        match flight.landing().await {
            Landing::Arrived(arrival) if arrival.shareable && call.accepts(arrival.value.as_ref()) => {
                Ok(Some(Answer::from(&*arrival)))
            }
            Landing::Arrived(_) | Landing::Elsewhere => Ok(None),
            // The panic of one call's loader is not the failure of another.
            Landing::Failed(CacheError::Panicked | CacheError::Abandoned) => Ok(None),
            Landing::Failed(error) => Err(error),
        }
    }

    /// Waits for the load of this call.
    async fn land_own(&self, flight: &Flight<V>, call: &Call) -> Result<Option<Answer<V>>, CacheError> {
        match flight.landing().await {
            Landing::Arrived(arrival) if call.accepts(arrival.value.as_ref()) => {
                Ok(Some(Answer::from(&*arrival)))
            }
            Landing::Arrived(_) | Landing::Elsewhere => Ok(None),
            Landing::Failed(error) => Err(error),
        }
    }

    /// Returns a stored value, and refreshes it if it is stale or soon will be. Returns `None` if the state
    /// must be read again.
    async fn answer_found(
        self: &Arc<Self>,
        key: &Key,
        call: &Call,
        slot: &LoaderSlot<V>,
        basis: Basis,
        found: &Found<V>,
        may_wait: bool,
    ) -> Result<Option<Answer<V>>, CacheError> {
        let answer = Answer::from(found);
        if !found.head.fresh_until.is_expired(self.now()) {
            if self.is_refreshed_early(found) {
                let _ = self.begin_refresh(key, slot, basis, found);
            }
            self.counters.hits(1);
            return Ok(Some(answer));
        }
        let refresh = self.begin_refresh(key, slot, basis, found);
        if may_wait && !call.soft_timeout.is_zero() {
            let (flight, is_own) = refresh?;
            let refreshed = async {
                let landed =
                    if is_own { self.land_own(&flight, call).await } else { self.land(&flight, call).await };
                if matches!(landed, Ok(None)) {
                    self.changed(key, found.version).await?;
                }
                landed
            };
            match within(call.soft_timeout, refreshed).await {
                Some(Ok(Some(fresh))) => return Ok(Some(fresh)),
                Some(Ok(None)) => return Ok(None),
                // The refresh failed, or takes longer.
                Some(Err(_)) | None => {}
            }
        }
        self.counters.stale(1);
        Ok(Some(answer))
    }

    /// Joins or begins the refresh of a value. Returns its flight, and whether it is the caller's own.
    fn begin_refresh(
        self: &Arc<Self>,
        key: &Key,
        slot: &LoaderSlot<V>,
        basis: Basis,
        found: &Found<V>,
    ) -> Result<(Arc<Flight<V>>, bool), CacheError> {
        let runtime = runtime()?;
        match self.flights.join_refresh_or_begin(key, found.nonce) {
            Joined::Other(flight) => Ok((flight, false)),
            Joined::New(own) => {
                let flight = Arc::clone(own.flight());
                let (core, task_slot, found) = (Arc::clone(self), Arc::clone(slot), found.clone());
                runtime.spawn(async move { core.fly_refresh(own, task_slot, basis, found).await });
                Ok((flight, true))
            }
        }
    }

    /// Returns whether this call refreshes a value that is still fresh (`XFetch`).
    fn is_refreshed_early(&self, found: &Found<V>) -> bool {
        let factor = self.settings.early_refresh;
        let end = found.head.fresh_until.min(found.deadline);
        let Some(left) =
            Some(end).filter(|_| factor > 0.0).and_then(|end: Deadline| end.remaining(self.now()))
        else {
            return false;
        };
        // In (0, 1], so that the logarithm is finite.
        let random = 1.0 - rand::random::<f64>();
        let lead = f64::from(found.head.load_millis.max(1)) / 1_000.0 * factor * -random.ln();
        left.as_secs_f64() <= lead
    }
}
