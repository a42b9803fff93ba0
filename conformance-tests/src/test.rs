//! What a case is handed: a store of its own, time that it can let pass, and the everyday moves.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use ttl_core::{
    Capabilities, Clock, Deadline, DeleteOptions, Entry, ExpireOptions, ExpireResult, ExpiryChange,
    GetOptions, Guard, Key, Outcome, PutOptions, PutResult, Record, Returning, Ttl, TtlStore, Value, Version,
};

use crate::calls::Calls;
use crate::retrying::{Again, RetryingStore};
use crate::state::show;
use crate::{Beneath, Check, Failure, FaultProxy, Fixture, Harness, Need, Retried, State, Time};

/// A TTL that no case outlives: deadlines made of it can be compared at leisure.
pub const LONG: Ttl = Ttl::hours(1);

/// A TTL that is waited for.
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
    /// What lies beneath the other stores that the case made: to be cleaned up after it.
    others: Arc<Mutex<Vec<Arc<dyn Beneath>>>>,
    /// The handles as the driver made them.
    handles: [Arc<dyn TtlStore>; 2],
    calls: Arc<Calls>,
    /// Between the store and its server, in cases that need `network`.
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

    /// The proxy between the store and its server; the case needs `network`.
    pub fn proxy(&self) -> Check<&FaultProxy> {
        self.proxy.as_ref().ok_or_else(|| Failure::missing(Need::network))
    }

    /// The store as its users have it: calls that fail are not made again, and writes may be of unknown fate.
    #[must_use]
    pub(crate) fn bare(&self) -> Arc<dyn TtlStore> {
        Arc::new(RetryingStore::new(&self.handles[0], &self.calls, Again::Never))
    }

    /// A store of its own on the same backend, as another namespace, table or keyspace would be.
    pub async fn another_store(&self) -> Check<Arc<dyn TtlStore>> {
        let fixture = self.harness.fresh().await?;
        self.others.lock().extend(fixture.beneath);
        Ok(Arc::new(RetryingStore::new(&fixture.store, &self.calls, Again::Alone)))
    }

    /// Returns how many calls the case has made, and made again.
    pub(crate) fn retried(&self) -> Retried {
        self.calls.retried()
    }

    /// Returns one of the two handles, in turn, for a task that writes while others do: `Contention` is made again.
    pub(crate) fn racing(&self, task: usize) -> Arc<dyn TtlStore> {
        Arc::new(RetryingStore::new(&self.handles[task % 2], &self.calls, Again::Racing))
    }

    /// What the store promises.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    /// Whether time is moved by hand: then nothing expires between two lines of a case.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        matches!(self.time, Time::Manual(_))
    }

    /// The time as this process sees it: the manual clock's, else the system's.
    #[must_use]
    pub fn local_now(&self) -> SystemTime {
        match &self.time {
            Time::Manual(clock) => clock.now(),
            Time::Real => SystemTime::now(),
        }
    }

    /// Lets so much time pass.
    pub async fn pass(&self, duration: Duration) {
        match &self.time {
            Time::Manual(clock) => clock.advance(duration),
            Time::Real => tokio::time::sleep(duration).await,
        }
    }

    /// Lets time pass until what was written just now with this TTL is over, the declared lateness included.
    pub async fn outlive(&self, ttl: Ttl) {
        let late = self.capabilities().resolution + self.clock_error();
        self.pass(ttl.as_duration() + late).await;
    }

    /// The metadata of a live entry, read without refreshing it; `None` is a miss.
    pub async fn peek(&self, key: &Key) -> Check<Option<Entry>> {
        let peek = GetOptions::nothing().with_returning(Returning::DEADLINE | Returning::VERSION);
        Ok(self.store.get(key, peek).await?)
    }

    /// The deadline of an entry that must be live.
    pub async fn deadline(&self, key: &Key) -> Check<Deadline> {
        let entry = self.peek(key).await?.ok_or_else(|| Failure::new("a live entry", "a miss"))?;
        entry.deadline.ok_or_else(|| Failure::new("the deadline that was wanted", "none reported"))
    }

    /// The version of an entry that must be live.
    pub async fn version(&self, key: &Key) -> Check<Version> {
        let entry = self.peek(key).await?.ok_or_else(|| Failure::new("a live entry", "a miss"))?;
        entry.version.ok_or_else(|| Failure::new("the version that was wanted", "none reported"))
    }

    /// The value, the deadline and the version of an entry that must be live, read at once and without refreshing
    /// it.
    pub async fn state(&self, key: &Key) -> Check<State> {
        let whole = GetOptions::new().with_returning(Returning::DEADLINE | Returning::VERSION);
        match self.store.get(key, whole).await? {
            Some(Entry { value: Some(value), deadline: Some(deadline), version: Some(version), .. }) => {
                Ok(State { value, deadline, version })
            }
            Some(entry) => Err(Failure::new("value, deadline and version, as wanted", format!("{entry:?}"))),
            None => Err(Failure::new("a live entry", "a miss")),
        }
    }

    /// The value, read without refreshing it; `None` is a miss.
    pub async fn value(&self, key: &Key) -> Check<Option<Value>> {
        match self.store.get(key, GetOptions::new()).await? {
            None => Ok(None),
            Some(Entry { value: Some(value), .. }) => Ok(Some(value)),
            Some(_) => Err(Failure::new("the value that was selected", "an entry without one")),
        }
    }

    /// Fails unless this value is live under the key.
    pub async fn expect_value(&self, key: &Key, expected: impl Into<Value>, about: &str) -> Check {
        let (expected, seen) = (expected.into(), self.value(key).await?);
        if seen.as_ref() == Some(&expected) {
            return Ok(());
        }
        let seen = seen.as_ref().map_or("a miss".to_owned(), show);
        Err(Failure::new(format!("{about}: {}", show(&expected)), seen))
    }

    /// Fails unless nothing is live under the key.
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

    /// As [`Test::put`]; what the put reports as wanted.
    pub async fn put_meta(
        &self,
        key: &Key,
        value: impl Into<Value>,
        options: PutOptions,
    ) -> Check<PutResult> {
        applied(self.store.put(key, value.into(), options).await?)
    }

    /// Puts a value; the version that the put reports.
    pub async fn put_version(
        &self,
        key: &Key,
        value: impl Into<Value>,
        options: PutOptions,
    ) -> Check<Version> {
        let meta = self.put_meta(key, value, options.with_returning(Returning::VERSION)).await?;
        meta.version.ok_or_else(|| Failure::new("the version that was wanted", "none reported"))
    }

    /// Changes the deadline of an entry that must be live.
    pub async fn expire(&self, key: &Key, change: ExpiryChange, guard: Guard) -> Check<ExpireResult> {
        applied(self.store.expire(key, change, ExpireOptions::new().with_guard(guard)).await?)
    }

    /// Deletes an entry that must be live.
    pub async fn delete(&self, key: &Key) -> Check {
        applied(self.store.delete(key, DeleteOptions::new()).await?).map(|_| ())
    }

    /// Leaves a ghost of this value under the key: an entry that lived and is over. Where the harness can plant
    /// one beneath the store it does, so that no clean-up of the backend hides a missing check; else one is put
    /// and outlived.
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

    /// As [`Test::ghost`], but only where it can be planted beneath the store; the case needs `ghosts`.
    pub async fn planted_ghost(&self, key: &Key, value: impl Into<Value>) -> Check {
        if let Some(beneath) = &self.beneath
            && beneath.plant_ghost(key, &value.into(), self.dead_for()).await?
        {
            return Ok(());
        }
        Err(Failure::missing(Need::ghosts))
    }

    /// How long a planted ghost has been dead: by more than the time that the store may show it for.
    fn dead_for(&self) -> Duration {
        Duration::from_millis(4) + self.capabilities().resolution
    }

    /// Returns how many entries the backend holds, expired ones included; the case needs `reclaims`.
    pub async fn count_stored(&self) -> Check<usize> {
        let counted = match &self.beneath {
            Some(beneath) => beneath.count_stored().await?,
            None => None,
        };
        counted.ok_or_else(|| Failure::missing(Need::reclaims))
    }

    /// Damages the entry beneath the store; the case needs `corruption`.
    pub async fn corrupt(&self, key: &Key) -> Check {
        if let Some(beneath) = &self.beneath
            && beneath.corrupt(key).await?
        {
            return Ok(());
        }
        Err(Failure::missing(Need::corruption))
    }
}

/// What a write did that must have been applied.
pub fn applied<T: std::fmt::Debug>(outcome: Outcome<T>) -> Check<T> {
    match outcome {
        Outcome::Applied(done) => Ok(done),
        other => Err(Failure::new("Applied", format!("{other:?}"))),
    }
}

/// A key that is known to be right.
///
/// # Panics
/// If it is not.
#[must_use]
pub fn key(text: &str) -> Key {
    match Key::new(text) {
        Ok(key) => key,
        Err(error) => panic!("{error}"),
    }
}

/// A record of one field, for cases to whom the value does not matter.
#[must_use]
pub fn record() -> Record {
    Record::new().with("n", 1)
}
