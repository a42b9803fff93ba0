//! What a case is handed: a store of its own, time that it can let pass, and the everyday moves.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ttl_core::{
    Capabilities, Clock, Deadline, Entry, GetOptions, Key, PutOptions, Record, Ttl, TtlStore, Value, Version,
    Want,
};

use crate::{Beneath, Check, Failure, Fixture, Need, Time};

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
    time: Time,
    beneath: Option<Arc<dyn Beneath>>,
}

impl Test {
    pub(crate) fn new(fixture: &Fixture) -> Self {
        Self {
            store: Arc::clone(&fixture.store),
            second: Arc::clone(&fixture.second),
            time: fixture.time.clone(),
            beneath: fixture.beneath.clone(),
        }
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
        // 2 ms: the clocks of client and server tick apart.
        let late = self.capabilities().resolution + Duration::from_millis(2);
        self.pass(ttl.as_duration() + late).await;
    }

    /// The metadata of a live entry, read without refreshing it; `None` is a miss.
    pub async fn peek(&self, key: &Key) -> Check<Option<Entry>> {
        let peek = GetOptions::nothing().with_want(Want::DEADLINE | Want::VERSION);
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

    /// The value, read without refreshing it; `None` is a miss.
    pub async fn value(&self, key: &Key) -> Check<Option<Value>> {
        match self.store.get(key, GetOptions::new()).await? {
            None => Ok(None),
            Some(Entry { value: Some(value), .. }) => Ok(Some(value)),
            Some(_) => Err(Failure::new("the value that was selected", "an entry without one")),
        }
    }

    /// Puts a value that must be accepted, unconditionally, replacing whatever deadline is there.
    pub async fn put(&self, key: &Key, value: impl Into<Value>, options: PutOptions) -> Check {
        match self.store.put(key, value.into(), options).await? {
            ttl_core::Outcome::Applied(_) => Ok(()),
            other => Err(Failure::new("the put applied", format!("{other:?}"))),
        }
    }

    /// Leaves a ghost of this value under the key: an entry that lived and is over. Where the harness can plant
    /// one beneath the store it does, so that no clean-up of the backend hides a missing check; else one is put
    /// and outlived.
    pub async fn ghost(&self, key: &Key, value: impl Into<Value>) -> Check {
        let value = value.into();
        if let Some(beneath) = &self.beneath
            && beneath.plant_ghost(key, &value, Duration::from_millis(5)).await?
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
            && beneath.plant_ghost(key, &value.into(), Duration::from_millis(5)).await?
        {
            return Ok(());
        }
        Err(Failure::missing(Need::ghosts))
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
