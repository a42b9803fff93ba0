//! `CasBackend`: three methods that are enough for a complete store.

use std::fmt::Debug;
use std::time::SystemTime;

use async_trait::async_trait;

use super::{back_off, unsupported_changes};
use crate::rules::Stored;
use crate::{Capabilities, ChangeStream, CursorSecret, Error, ErrorKind, Key, Result};

/// The smallest driver: load, compare-and-swap and list. It has no concept of expiry.
///
/// [`CasStore`](super::CasStore) turns it into a complete [`TtlStore`](crate::TtlStore) with the help of
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
        futures_timer::Delay::new(back_off(attempt)).await;
    }

    /// Subscribes to the changes of entries by any process, as
    /// [`TtlStore::changes`](crate::TtlStore::changes) describes. A backend that overrides it declares
    /// [`Capabilities::changes`]. Provided: returns [`ErrorKind::Unsupported`].
    ///
    /// # Errors
    /// The errors of the backend.
    async fn changes(&self) -> Result<ChangeStream> {
        Err(unsupported_changes(&self.capabilities()))
    }
}
