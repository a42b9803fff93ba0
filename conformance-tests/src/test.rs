//! The argument of a case: its own store, control of the time, and common operations.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, Guard, PutOptions, Returning,
};
use ttl_core::results::{ExpireResult, PutResult};
use ttl_core::{Capabilities, Clock, Deadline, Entry, Key, Outcome, Record, Ttl, TtlStore, Value, Version};

use crate::calls::Calls;
use crate::retrying::{Again, RetryingStore};
use crate::state::show;
use crate::{Beneath, Check, Failure, FaultProxy, Fixture, Harness, Need, Retried, State, Time};

/// A TTL longer than any case, for deadlines that are only compared.
pub const LONG: Ttl = Ttl::hours(1);

/// A short TTL, for entries whose expiry a case waits for.
pub const SHORT: Ttl = Ttl::millis(60);

/// A case's store and its surroundings.
#[derive(Debug)]
pub struct Test {
    /// The store.
    pub store: Arc<dyn TtlStore>,
    /// Another handle on the same entries.
    pub second: Arc<dyn TtlStore>,
    pub(crate) time: Time,
    beneath: Option<Arc<dyn Beneath>>,
    harness: Arc<dyn Harness>,
    /// The backends of the other stores that the case created, for the clean-up after it.
    others: Arc<Mutex<Vec<Arc<dyn Beneath>>>>,
    /// The handles as the driver created them.
    handles: [Arc<dyn TtlStore>; 2],
    calls: Arc<Calls>,
    /// The proxy between the store and its server, in cases that need `network`.
    proxy: Option<FaultProxy>,
}

impl Test {
    pub(crate) fn new(
        harness: &Arc<dyn Harness>,
        fixture: &Fixture,
        others: &Arc<Mutex<Vec<Arc<dyn Beneath>>>>,
        calls: &Arc<Calls>,
    ) -> Self {
        Self {
            store: Arc::new(RetryingStore::new(&fixture.store, calls, Again::Alone)),
            second: Arc::new(RetryingStore::new(&fixture.second, calls, Again::Alone)),
            handles: [Arc::clone(&fixture.store), Arc::clone(&fixture.second)],
            calls: Arc::clone(calls),
            time: fixture.time.clone(),
            beneath: fixture.beneath.clone(),
            harness: Arc::clone(harness),
            others: Arc::clone(others),
            proxy: None,
        }
    }

    pub(crate) fn behind(mut self, proxy: Option<FaultProxy>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Returns the proxy between the store and its server; the case needs `network`.
    pub fn proxy(&self) -> Check<&FaultProxy> {
        self.proxy.as_ref().ok_or_else(|| Failure::missing(Need::network))
    }

    /// Returns the store without retries: the case sees every error, and the outcome of a write may be
    /// unknown.
    #[must_use]
    pub(crate) fn bare(&self) -> Arc<dyn TtlStore> {
        Arc::new(RetryingStore::new(&self.handles[0], &self.calls, Again::Never))
    }

    /// Creates a separate store on the same backend, with its own namespace, table or keyspace.
    pub async fn another_store(&self) -> Check<Arc<dyn TtlStore>> {
        let fixture = self.harness.fresh().await?;
        self.others.lock().extend(fixture.beneath);
        Ok(Arc::new(RetryingStore::new(&fixture.store, &self.calls, Again::Alone)))
    }

    /// Returns how many calls the case has made and repeated.
    pub(crate) fn retried(&self) -> Retried {
        self.calls.retried()
    }

    /// Returns one of the two handles, in turn, for a task that writes concurrently with others. It also
    /// repeats calls that return `Contention`.
    pub(crate) fn racing(&self, task: usize) -> Arc<dyn TtlStore> {
        Arc::new(RetryingStore::new(&self.handles[task % 2], &self.calls, Again::Racing))
    }

    /// Returns the time limit of the wait for a report of a change.
    pub(crate) fn report_limit(&self) -> Duration {
        self.harness.report_limit()
    }

    /// Returns the declared capabilities of the store.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    /// Returns whether the clock is manual. If so, no entry expires between two lines of a case.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        matches!(self.time, Time::Manual(_))
    }

    /// Returns the time of this process: that of the manual clock, else the system time.
    #[must_use]
    pub fn local_now(&self) -> SystemTime {
        match &self.time {
            Time::Manual(clock) => clock.now(),
            Time::Real => SystemTime::now(),
        }
    }

    /// Advances the manual clock by this duration, or waits for it.
    pub async fn pass(&self, duration: Duration) {
        match &self.time {
            Time::Manual(clock) => clock.advance(duration),
            Time::Real => tokio::time::sleep(duration).await,
        }
    }

    /// Lets time pass until an entry that was just written with this TTL has expired, including the declared
    /// resolution.
    pub async fn outlive(&self, ttl: Ttl) {
        let late = self.capabilities().resolution + self.clock_error();
        self.pass(ttl.as_duration() + late).await;
    }

    /// Reads the metadata of a live entry without a refresh; `None` is a miss.
    pub async fn peek(&self, key: &Key) -> Check<Option<Entry>> {
        let peek = GetOptions::nothing().with_returning(Returning::DEADLINE | Returning::VERSION);
        Ok(self.store.get(key, peek).await?)
    }

    /// Reads the deadline of an entry that must be live.
    pub async fn deadline(&self, key: &Key) -> Check<Deadline> {
        let entry = self.peek(key).await?.ok_or_else(|| Failure::new("a live entry", "a miss"))?;
        entry.deadline.ok_or_else(|| Failure::new("the requested deadline", "none reported"))
    }

    /// Reads the version of an entry that must be live.
    pub async fn version(&self, key: &Key) -> Check<Version> {
        let entry = self.peek(key).await?.ok_or_else(|| Failure::new("a live entry", "a miss"))?;
        entry.version.ok_or_else(|| Failure::new("the requested version", "none reported"))
    }

    /// Reads the value, the deadline and the version of an entry that must be live, in one call and without a
    /// refresh.
    pub async fn state(&self, key: &Key) -> Check<State> {
        let whole = GetOptions::new().with_returning(Returning::DEADLINE | Returning::VERSION);
        match self.store.get(key, whole).await? {
            Some(Entry { value: Some(value), deadline: Some(deadline), version: Some(version), .. }) => {
                Ok(State { value, deadline, version })
            }
            Some(entry) => {
                Err(Failure::new("the requested value, deadline and version", format!("{entry:?}")))
            }
            None => Err(Failure::new("a live entry", "a miss")),
        }
    }

    /// Reads the value without a refresh; `None` is a miss.
    pub async fn value(&self, key: &Key) -> Check<Option<Value>> {
        match self.store.get(key, GetOptions::new()).await? {
            None => Ok(None),
            Some(Entry { value: Some(value), .. }) => Ok(Some(value)),
            Some(_) => Err(Failure::new("the selected value", "an entry without one")),
        }
    }

    /// Fails unless the key has a live entry with this value.
    pub async fn expect_value(&self, key: &Key, expected: impl Into<Value>, about: &str) -> Check {
        let (expected, seen) = (expected.into(), self.value(key).await?);
        if seen.as_ref() == Some(&expected) {
            return Ok(());
        }
        let seen = seen.as_ref().map_or("a miss".to_owned(), show);
        Err(Failure::new(format!("{about}: {}", show(&expected)), seen))
    }

    /// Fails if the key has a live entry.
    pub async fn expect_miss(&self, key: &Key, about: &str) -> Check {
        match self.value(key).await? {
            None => Ok(()),
            Some(seen) => Err(Failure::new(format!("{about}: a miss"), show(&seen))),
        }
    }

    /// Puts a value; the put must be applied.
    pub async fn put(&self, key: &Key, value: impl Into<Value>, options: PutOptions) -> Check {
        self.put_meta(key, value, options).await.map(|_| ())
    }

    /// Puts a value like [`Test::put`], and returns the result of the put.
    pub async fn put_meta(
        &self,
        key: &Key,
        value: impl Into<Value>,
        options: PutOptions,
    ) -> Check<PutResult> {
        applied(self.store.put(key, value.into(), options).await?)
    }

    /// Puts a value, and returns its version.
    pub async fn put_version(
        &self,
        key: &Key,
        value: impl Into<Value>,
        options: PutOptions,
    ) -> Check<Version> {
        let meta = self.put_meta(key, value, options.with_returning(Returning::VERSION)).await?;
        meta.version.ok_or_else(|| Failure::new("the requested version", "none reported"))
    }

    /// Changes the deadline of an entry that must be live.
    pub async fn expire(&self, key: &Key, change: ExpiryChange, guard: Guard) -> Check<ExpireResult> {
        applied(self.store.expire(key, change, ExpireOptions::new().with_guard(guard)).await?)
    }

    /// Deletes an entry that must be live.
    pub async fn delete(&self, key: &Key) -> Check {
        applied(self.store.delete(key, DeleteOptions::new()).await?).map(|_| ())
    }

    /// Creates a ghost with this value under the key: an expired entry that is still stored. If the harness
    /// can plant a ghost in the backend, it does, so no clean-up of the backend hides a missing check.
    /// Otherwise this method puts an entry and waits until it has expired.
    pub async fn ghost(&self, key: &Key, value: impl Into<Value>) -> Check {
        let value = value.into();
        if let Some(beneath) = &self.beneath
            && beneath.plant_ghost(key, &value, self.dead_for()).await?
        {
            return Ok(());
        }
        self.put(key, value, PutOptions::new(SHORT)).await?;
        self.outlive(SHORT).await;
        Ok(())
    }

    /// Plants a ghost like [`Test::ghost`], but only directly in the backend; the case needs `ghosts`.
    pub async fn planted_ghost(&self, key: &Key, value: impl Into<Value>) -> Check {
        if let Some(beneath) = &self.beneath
            && beneath.plant_ghost(key, &value.into(), self.dead_for()).await?
        {
            return Ok(());
        }
        Err(Failure::missing(Need::ghosts))
    }

    /// Returns how long ago a planted ghost expired: longer than the store may still show it.
    fn dead_for(&self) -> Duration {
        Duration::from_millis(4) + self.capabilities().resolution
    }

    /// Returns the number of entries in the backend, expired ones included; the case needs `reclaims`.
    pub async fn count_stored(&self) -> Check<usize> {
        let counted = match &self.beneath {
            Some(beneath) => beneath.count_stored().await?,
            None => None,
        };
        counted.ok_or_else(|| Failure::missing(Need::reclaims))
    }

    /// Damages the entry directly in the backend; the case needs `corruption`.
    pub async fn corrupt(&self, key: &Key) -> Check {
        if let Some(beneath) = &self.beneath
            && beneath.corrupt(key).await?
        {
            return Ok(());
        }
        Err(Failure::missing(Need::corruption))
    }
}

/// Returns the result of a write that must have been applied.
pub fn applied<T: std::fmt::Debug>(outcome: Outcome<T>) -> Check<T> {
    match outcome {
        Outcome::Applied(done) => Ok(done),
        other => Err(Failure::new("Applied", format!("{other:?}"))),
    }
}

/// Creates a key that is known to be valid.
///
/// # Panics
/// If the text is not a valid key.
#[must_use]
pub fn key(text: &str) -> Key {
    match Key::new(text) {
        Ok(key) => key,
        Err(error) => panic!("{error}"),
    }
}

/// Creates a record of one field, for cases in which the value does not matter.
#[must_use]
pub fn record() -> Record {
    Record::new().with("n", 1)
}
