//! `CasBackend`: the three methods that a whole store can be made of.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::rules::Header;
use crate::{Capabilities, CursorSecret, Deadline, Error, ErrorKind, Key, Result, Returning, Value, Version};

/// An entry as a [`CasBackend`] keeps it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stored {
    /// The value.
    pub value: Value,
    /// When it ends; [`Deadline::NEVER`] if it is persistent.
    pub deadline: Deadline,
    /// What its deadline may never pass; [`Deadline::NEVER`] without a cap.
    pub cap: Deadline,
    /// The value's version. A swap that leaves it as it was changes the deadline and nothing else.
    pub version: Version,
    /// The whole millisecond in which the value was put, or its record created (V7). `None` of a cell that keeps none,
    /// whose capabilities then deny it, and of an entry of which it cannot be read.
    pub created_at: Option<SystemTime>,
}

impl Stored {
    /// An entry of these parts, for a cell that decodes what it stored.
    #[must_use]
    pub const fn new(value: Value, deadline: Deadline, cap: Deadline, version: Version) -> Self {
        Self { value, deadline, cap, version, created_at: None }
    }

    /// With this creation, if the cell keeps it.
    #[must_use]
    pub fn with_created_at(mut self, created_at: impl Into<Option<SystemTime>>) -> Self {
        self.created_at = created_at.into();
        self
    }

    /// Returns the creation if it is wanted.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if it is wanted and cannot be read.
    pub fn created_at(&self, returning: Returning) -> Result<Option<SystemTime>> {
        if !returning.contains(Returning::CREATED_AT) {
            return Ok(None);
        }
        let unreadable = || {
            Error::new(
                ErrorKind::Corrupt,
                "the entry's time of creation is missing or cannot be read; put it again",
            )
        };
        self.created_at.ok_or_else(unreadable).map(Some)
    }

    pub(crate) fn header(&self) -> Header {
        Header { kind: self.value.kind(), deadline: self.deadline, cap: self.cap, version: self.version }
    }
}

/// The longest wait after a lost race.
const LONGEST_WAIT: Duration = Duration::from_millis(64);

/// A random time, so that writers that met do not meet again, from a range that grows with the number of attempts.
fn back_off_time(attempt: usize) -> Duration {
    let most = Duration::from_millis(1 << attempt.min(6)).min(LONGEST_WAIT);
    most.mul_f64(rand::random())
}

/// The smallest driver: load, compare-and-swap and list, with no idea of expiry.
///
/// [`CasStore`](crate::CasStore) makes a whole [`TtlStore`](crate::TtlStore) of it by [`rules`](crate::rules). The
/// [crate's documentation](crate) holds a complete example.
#[async_trait]
pub trait CasBackend: Debug + Send + Sync + 'static {
    /// What tells one state of a key from the next: whatever [`CasBackend::swap`] compares. It must change with every
    /// swap that changes value, deadline or cap; it may recur when all three recur. Version and deadline together
    /// will do, because a new cap comes with a new version only.
    type Stamp: Send + Sync;

    /// What the store promises. It has conditions, patches and caps in any case: swap gives them. A cell that does not
    /// keep [`Stored::created_at`] denies it ([`Capabilities::with_created_at`]). Every deadline that the cell is handed is a
    /// whole multiple of the declared resolution since the Unix epoch, rounded up.
    fn capabilities(&self) -> Capabilities;

    /// The time by the clock that decides about visibility; see [`Clock`](crate::Clock). Provided: the system's,
    /// which within this process never runs backwards.
    fn now(&self) -> SystemTime {
        crate::clock::system_now()
    }

    /// Tells this store's scan cursors from those of another one with the same backend, such as a namespace.
    fn identity(&self) -> &str {
        ""
    }

    /// Returns the secret that scan cursors are encrypted with. Defaults to one that is random in each process.
    fn cursor_secret(&self) -> CursorSecret {
        CursorSecret::of_process()
    }

    /// What is stored under the key, ghosts included, and its stamp.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] for what cannot be decoded, and the backend's failures.
    async fn load(&self, key: &Key) -> Result<Option<(Stored, Self::Stamp)>>;

    /// Replaces what is stored, if its stamp still is `seen` (`None`: if nothing is stored), by `next` (`None`: by
    /// nothing), atomically. Answers whether it did; after a `false` the store loads again.
    ///
    /// Ghosts count as stored. A cell that decides about life in the backend can answer `false` as well when what
    /// is stored has expired since it was loaded, so that a slow swap revives nothing.
    ///
    /// # Errors
    /// The backend's failures; [`ErrorKind::OutcomeUnknown`] if it may have been done.
    async fn swap(&self, key: &Key, seen: Option<&Self::Stamp>, next: Option<&Stored>) -> Result<bool>;

    /// At most `limit` entries whose keys begin with `prefix`, ghosts included, in an order of the cell's own that
    /// does not change, from the first after the key `after`, which may be gone. Fewer than `limit` mean that there
    /// are no more. An entry that cannot be decoded is listed with [`ErrorKind::Corrupt`], so that a scan goes past it.
    ///
    /// # Errors
    /// The backend's failures.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Result<Stored>)>>;

    /// Removes an entry that [`CasBackend::load`] cannot decode, whatever it is. Answers whether something was removed.
    ///
    /// The store calls it for deletes that look at nothing (V6). Provided: [`ErrorKind::Corrupt`], which is enough for a
    /// backend whose entries cannot be damaged.
    ///
    /// # Errors
    /// The backend's failures; [`ErrorKind::OutcomeUnknown`] if it may have been done.
    async fn discard(&self, key: &Key) -> Result<bool> {
        let _ = key;
        Err(Error::new(
            ErrorKind::Corrupt,
            "the entry cannot be read; delete it with the backend's own tools",
        ))
    }

    /// Waits before the next attempt after another writer was faster; `attempt` counts from 0. Provided: a random time
    /// of at most 1 ms after the first attempt, which doubles with each further one up to 64 ms. It needs no runtime.
    ///
    /// Without a wait, writers that meet once meet again: of 64 tasks that increment one counter on a backend one
    /// millisecond away, every third increment failed with [`ErrorKind::Contention`].
    async fn back_off(&self, attempt: usize) {
        futures_timer::Delay::new(back_off_time(attempt)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        for attempt in [0, 1, 5, 6, 7, 63, usize::MAX] {
            let most = Duration::from_millis(1 << attempt.min(6));
            let times: Vec<Duration> = (0..100).map(|_| back_off_time(attempt)).collect();
            assert!(times.iter().all(|time| *time <= most), "{attempt}: {times:?}");
            assert!(times.iter().any(|time| *time > most / 4), "{attempt}: {times:?}");
            assert!(times.iter().any(|time| *time < most * 3 / 4), "{attempt}: {times:?}");
        }
    }
}
