//! Answers: what a call returns for one key, and whom it waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_timer::Delay;
use parking_lot::Mutex;
use tracing::Instrument;
use ttl_core::driver::within;
use ttl_core::{Deadline, Key, Result};

use crate::core::Core;
use crate::error::CacheError;
use crate::flights::{Arrival, Joined, Landing, StoredAs, Ticket, hold};
use crate::load::{Basis, LoaderSlot, Why};
use crate::read::{Found, Occupant, Seen, State};
use crate::runtime::runtime;

/// The wait before a claim is looked at again that should have ended.
const AGAIN: Duration = Duration::from_millis(5);

/// How much longer than a load timeout a call waits for the load of another call.
const GRACE: Duration = Duration::from_secs(1);

/// A call for one key.
pub(crate) struct Call<V> {
    pub(crate) tags: Vec<String>,
    pub(crate) soft_timeout: Duration,
    /// Whether the call accepts the absence of a value as an answer.
    pub(crate) accepts_absent: bool,
    /// The call's place in the order of all callers and loads of this process.
    pub(crate) sequence: u64,
    /// Whether the store has answered the call.
    pub(crate) answered: AtomicBool,
    /// The stale value that the call has found, and its deadline.
    pub(crate) stale: Mutex<Option<(Option<Arc<V>>, Deadline)>>,
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

impl<V> Call<V> {
    pub(crate) fn accepts<T>(&self, value: Option<&T>) -> bool {
        self.accepts_absent || value.is_some()
    }

    /// Returns whether the call can use the value of another call's load.
    fn can_share(&self, arrival: &Arrival<V>) -> bool {
        // A value without a tag of the call may have been loaded before an invalidation of that tag.
        let has_tags = arrival.tags.is_empty() || self.tags.iter().all(|tag| arrival.tags.contains(tag));
        arrival.shareable && has_tags && self.accepts(arrival.value.as_ref())
    }
}

/// Returns the answer of a landing. `None` if the state must be read again.
fn answer_of<V>(landing: Landing<V>) -> Result<Option<Answer<V>>, CacheError> {
    match landing {
        Landing::Arrived(arrival) => Ok(Some(Answer::from(&*arrival))),
        Landing::Elsewhere | Landing::Paused => Ok(None),
        Landing::Failed(error) => Err(error),
    }
}

impl<V: Send + Sync + 'static> Core<V> {
    /// Returns the value of a key: the stored one, or that of a load.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        key: &Key,
        call: &Call<V>,
        slot: &LoaderSlot<V>,
    ) -> Result<Answer<V>, CacheError> {
        let mut missed = false;
        let mut may_wait = true;
        let mut last_claim = None;
        loop {
            let mark = self.epochs.mark(key);
            let Seen { state, tags, kept_tags, known } = self.read(key, &call.tags).await?;
            call.answered.store(true, Ordering::SeqCst);
            let mut own_tags = self.tags_with(&call.tags);
            own_tags.extend(kept_tags);
            let basis = Basis { own_tags, tags, known, mark };
            let occupant = match state {
                State::Value(found) if call.accepts(found.value.as_ref()) => {
                    match self.answer_found(key, call, slot, basis, &found, may_wait).await? {
                        Some(answer) => {
                            self.count_found(&answer, missed);
                            return Ok(answer);
                        }
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
                    if last_claim.replace(nonce) == Some(nonce) {
                        // Its flight has ended and its claim not, or no task can watch it.
                        Delay::new(AGAIN).await;
                    }
                    match self.flights.find(key, nonce) {
                        Some(ticket) => {
                            if let Some(answer) = self.land(ticket, call).await? {
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
                Occupant::Foreign => self.load_unclaimed(key, call, slot, Why::Foreign, basis).await?,
                _ if !self.settings.coordinates_processes() => {
                    self.load_unclaimed(key, call, slot, Why::ThisProcess, basis).await?
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

    /// Counts a stored or refreshed value that a call returns, unless the call was a miss before.
    pub(crate) fn count_found(&self, answer: &Answer<V>, missed: bool) {
        let is_stale = answer.stored.as_ref().is_some_and(|stored| stored.fresh_until.is_expired(self.now()));
        match (missed, is_stale) {
            (true, _) => {}
            (false, true) => self.counters.stale(1),
            (false, false) => self.counters.hits(1),
        }
    }

    /// Joins a load that has not begun, or begins one. Returns `None` if the state must be read again.
    async fn load_claimed(
        self: &Arc<Self>,
        key: &Key,
        call: &Call<V>,
        slot: &LoaderSlot<V>,
        basis: Basis,
        occupant: Occupant,
    ) -> Result<Option<Answer<V>>, CacheError> {
        let runtime = runtime()?;
        match self.flights.join_or_begin(key) {
            Joined::Other(ticket) => {
                self.counters.waits(1);
                self.land(ticket, call).await
            }
            Joined::Own(own, mut ticket) => {
                let (core, slot) = (Arc::clone(self), Arc::clone(slot));
                let flight = async move { core.fly_claimed(own, slot, basis, occupant).await };
                runtime.spawn(flight.in_current_span());
                answer_of(ticket.landing().await)
            }
        }
    }

    /// Loads without a claim, or waits for such a load. A call shares a load that began after the call.
    /// Returns `None` if the state must be read again, which a load that is not stored never needs.
    pub(crate) async fn load_unclaimed(
        self: &Arc<Self>,
        key: &Key,
        call: &Call<V>,
        slot: &LoaderSlot<V>,
        why: Why,
        basis: Basis,
    ) -> Result<Option<Answer<V>>, CacheError> {
        let runtime = runtime()?;
        loop {
            match self.flights.join_unclaimed_or_begin(key) {
                Joined::Other(mut ticket) => {
                    self.counters.waits(1);
                    if ticket.sequence > call.sequence {
                        if let Some(answer) = self.land(ticket, call).await? {
                            return Ok(Some(answer));
                        }
                    } else {
                        ticket.landing().await;
                    }
                    if why.stores() {
                        // The value that the other load stored may do.
                        return Ok(None);
                    }
                }
                Joined::Own(own, mut ticket) => {
                    let (core, slot) = (Arc::clone(self), Arc::clone(slot));
                    let flight = async move { core.fly_unclaimed(own, slot, why, basis).await };
                    runtime.spawn(flight.in_current_span());
                    return answer_of(ticket.landing().await);
                }
            }
        }
    }

    /// Waits for the load of another call. Returns `None` if this call must read again.
    async fn land(&self, mut ticket: Ticket<V>, call: &Call<V>) -> Result<Option<Answer<V>>, CacheError> {
        // A runtime that stands still must not hold calls on others for longer than a load can take.
        let limit = self.settings.load_timeout.as_duration() + GRACE;
        match within(limit, ticket.landing()).await {
            Some(Landing::Arrived(arrival)) if !call.can_share(&arrival) => Ok(None),
            // The panic of one call's loader is not the failure of another.
            Some(Landing::Failed(CacheError::Panicked | CacheError::Abandoned)) | None => Ok(None),
            Some(landing) => answer_of(landing),
        }
    }

    /// Returns a stored value, and refreshes it if it is stale or soon will be. Returns `None` if the state
    /// must be read again.
    async fn answer_found(
        self: &Arc<Self>,
        key: &Key,
        call: &Call<V>,
        slot: &LoaderSlot<V>,
        basis: Basis,
        found: &Found<V>,
        may_wait: bool,
    ) -> Result<Option<Answer<V>>, CacheError> {
        if !found.head.fresh_until.is_expired(self.now()) {
            if self.is_refreshed_early(found) {
                let _ = self.begin_refresh(key, slot, basis, found);
            }
            return Ok(Some(Answer::from(found)));
        }
        *call.stale.lock() = Some((found.value.clone(), found.deadline));
        let known = basis.known.clone();
        let refresh = self.begin_refresh(key, slot, basis, found);
        if !may_wait || call.soft_timeout.is_zero() {
            return Ok(Some(Answer::from(found)));
        }
        let (mut ticket, is_own) = refresh?;
        let since = Instant::now();
        let landed = match within(call.soft_timeout, ticket.landing()).await {
            // A value that is returned after its deadline would be worse than a longer wait.
            None if found.deadline.is_expired(self.now()) => ticket.landing().await,
            None => return Ok(Some(Answer::from(found))),
            Some(landing) => landing,
        };
        let is_expired = found.deadline.is_expired(self.now());
        match landed {
            Landing::Arrived(arrival) => {
                // Another call's refresh may have a tag that this call did not check.
                let checked = |stored: &StoredAs| known.confirm(&stored.generations);
                let can_share = call.can_share(&arrival) && arrival.stored.as_ref().is_some_and(checked);
                Ok((is_own || can_share).then(|| Answer::from(&*arrival)))
            }
            Landing::Elsewhere => {
                // Another process refreshes the value.
                let left = call.soft_timeout.saturating_sub(since.elapsed());
                within(left, self.changed(key, found.version)).await.transpose()?;
                Ok(None)
            }
            Landing::Failed(error) if is_expired && is_own => Err(error),
            Landing::Failed(_) | Landing::Paused if is_expired => Ok(None),
            Landing::Failed(_) | Landing::Paused => Ok(Some(Answer::from(found))),
        }
    }

    /// Joins or begins the refresh of a value. Returns the place of the call in it, and whether it is its own.
    fn begin_refresh(
        self: &Arc<Self>,
        key: &Key,
        slot: &LoaderSlot<V>,
        basis: Basis,
        found: &Found<V>,
    ) -> Result<(Ticket<V>, bool), CacheError> {
        let runtime = runtime()?;
        match self.flights.join_refresh_or_begin(key, found.nonce) {
            Joined::Other(ticket) => Ok((ticket, false)),
            Joined::Own(own, ticket) => {
                let (core, slot, found) = (Arc::clone(self), Arc::clone(slot), found.clone());
                let basis = basis.with_tags_of(&found);
                let flight = async move {
                    let pause = core.fly_refresh(&own, &slot, basis, &found).await;
                    // The cache may end during the pause.
                    drop((core, slot, found));
                    hold(vec![own], pause);
                };
                runtime.spawn(flight.in_current_span());
                Ok((ticket, true))
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
