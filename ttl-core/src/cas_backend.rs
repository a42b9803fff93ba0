//! `CasBackend`: three methods that are enough for a complete store.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::rules::Header;
use crate::{Capabilities, CursorSecret, Deadline, Error, ErrorKind, Key, Result, Returning, Value, Version};

/// An entry as a [`CasBackend`] stores it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stored {
    /// The value.
    pub value: Value,
    /// The deadline; [`Deadline::NEVER`] if the entry is persistent.
    pub deadline: Deadline,
    /// The cap, which the deadline may never pass; [`Deadline::NEVER`] without a cap.
    pub cap: Deadline,
    /// The value's version. A swap that keeps the version changes only the deadline.
    pub version: Version,
    /// The creation time: the millisecond in which the value was put, or its record created (V7). `None` if
    /// the backend does not store it, which its capabilities must declare, or if it cannot be read.
    pub created_at: Option<SystemTime>,
}

impl Stored {
    /// Creates an entry from its parts, for a backend that decodes it.
    #[must_use]
    pub const fn new(value: Value, deadline: Deadline, cap: Deadline, version: Version) -> Self {
        Self { value, deadline, cap, version, created_at: None }
    }

    /// Sets the creation time, if the backend stores it.
    #[must_use]
    pub fn with_created_at(mut self, created_at: impl Into<Option<SystemTime>>) -> Self {
        self.created_at = created_at.into();
        self
    }

    /// Returns the creation time if `returning` requests it.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if it is requested and cannot be read.
    pub fn created_at(&self, returning: Returning) -> Result<Option<SystemTime>> {
        if !returning.contains(Returning::CREATED_AT) {
            return Ok(None);
        }
        let unreadable = || {
            Error::new(
                ErrorKind::Corrupt,
                "the creation time of the entry is missing or unreadable; put the entry again",
            )
        };
        self.created_at.ok_or_else(unreadable).map(Some)
    }

    pub(crate) fn header(&self) -> Header {
        Header { kind: self.value.kind(), deadline: self.deadline, cap: self.cap, version: self.version }
    }
}

/// The longest wait after a conflict.
const LONGEST_WAIT: Duration = Duration::from_millis(64);

/// Returns a random wait, so that conflicting writers do not conflict again. Its upper limit grows with the
/// number of attempts.
fn back_off_time(attempt: usize) -> Duration {
    let most = Duration::from_millis(1 << attempt.min(6)).min(LONGEST_WAIT);
    most.mul_f64(rand::random())
}

/// The smallest driver: load, compare-and-swap and list. It has no concept of expiry.
///
/// [`CasStore`](crate::CasStore) turns it into a complete [`TtlStore`](crate::TtlStore) with the help of
/// [`rules`](crate::rules). The [crate documentation](crate) contains a complete example.
#[async_trait]
pub trait CasBackend: Debug + Send + Sync + 'static {
    /// The state of a key that [`CasBackend::swap`] compares. It must change with every swap that changes
    /// value, deadline or cap. It may recur when all three recur. Version and deadline together are
    /// sufficient, because a new cap always comes with a new version.
    type Stamp: Send + Sync;

    /// Returns the capabilities of the store. Conditions, patches and caps are always available, because they
    /// only need the swap. A backend that does not store [`Stored::created_at`] declares this with
    /// [`Capabilities::with_created_at`]. Every deadline that the backend receives is a multiple of the
    /// declared resolution since the Unix epoch, rounded up.
    fn capabilities(&self) -> Capabilities;

    /// Returns the time of the clock that decides about visibility; see [`Clock`](crate::Clock). Provided:
    /// the system clock, which never runs backwards within this process.
    fn now(&self) -> SystemTime {
        crate::clock::system_now()
    }

    /// Returns a name, such as a namespace, that distinguishes this store's scan cursors from those of other
    /// stores on the same backend.
    fn identity(&self) -> &str {
        ""
    }

    /// Returns the secret that encrypts scan cursors. Defaults to one that is random in each process.
    fn cursor_secret(&self) -> CursorSecret {
        CursorSecret::of_process()
    }

    /// Loads the stored entry, ghosts included, with its stamp.
    ///
    /// # Errors
    /// * [`ErrorKind::Corrupt`] if the entry cannot be decoded
    /// * errors of the backend
    async fn load(&self, key: &Key) -> Result<Option<(Stored, Self::Stamp)>>;

    /// Replaces the stored entry by `next` if its stamp is still `seen`, atomically. If `seen` is `None`, the
    /// key must hold nothing; if `next` is `None`, the entry is removed. Returns whether the swap was made;
    /// after `false` the store loads again.
    ///
    /// A ghost counts as a stored entry. A backend that evaluates expiry itself may also return `false` if
    /// the entry has expired since it was loaded, so that a slow swap never revives an entry.
    ///
    /// # Errors
    /// The errors of the backend; [`ErrorKind::OutcomeUnknown`] if the write may have been applied.
    async fn swap(&self, key: &Key, seen: Option<&Self::Stamp>, next: Option<&Stored>) -> Result<bool>;

    /// Lists at most `limit` entries whose keys begin with `prefix`, ghosts included. The list starts after
    /// the key `after`, which may have been deleted meanwhile. The order is up to the backend, but must not
    /// change. Fewer than `limit` entries mean that there are no more. An entry that cannot be decoded is
    /// listed with [`ErrorKind::Corrupt`], so that the scan continues past it.
    ///
    /// # Errors
    /// The errors of the backend.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Result<Stored>)>>;

    /// Removes an entry that [`CasBackend::load`] cannot decode. Returns whether an entry was removed.
    ///
    /// The store calls it for unconditional deletes (V6). Provided: returns [`ErrorKind::Corrupt`], which
    /// suffices for a backend whose entries cannot be damaged.
    ///
    /// # Errors
    /// The errors of the backend; [`ErrorKind::OutcomeUnknown`] if the write may have been applied.
    async fn discard(&self, key: &Key) -> Result<bool> {
        let _ = key;
        Err(Error::new(
            ErrorKind::Corrupt,
            "the entry cannot be read; delete it with the backend's own tools",
        ))
    }

    /// Waits before the next attempt after a conflict; `attempt` counts from 0. Provided: a random time of at
    /// most 1 ms after the first attempt. The limit doubles with each further attempt, up to 64 ms. No async
    /// runtime is needed.
    ///
    /// Without a wait, conflicting writers conflict again. In a test with 64 tasks that incremented one
    /// counter on a backend one millisecond away, every third increment failed with
    /// [`ErrorKind::Contention`].
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
