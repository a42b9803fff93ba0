//! Locks for the patches of one process. Waiting here costs less than conflicts on the servers.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use ttl_core::Key;

/// The number of locks: patches of different keys rarely wait for each other.
const LOCKS: usize = 1024;

pub(crate) struct PatchLocks {
    hasher: RandomState,
    locks: Vec<Mutex<()>>,
}

impl PatchLocks {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            locks: std::iter::repeat_with(Mutex::default).take(LOCKS).collect(),
        }
    }

    /// Waits for the lock of a key, but not longer than `limit`, so that a hanging server does not delay each
    /// patch. Returns `None` after that.
    pub(crate) async fn lock(&self, key: &Key, limit: Duration) -> Option<MutexGuard<'_, ()>> {
        let at = self.hasher.hash_one(key) % LOCKS as u64;
        tokio::time::timeout(limit, self.locks[at as usize].lock()).await.ok()
    }
}
