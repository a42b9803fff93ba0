//! `Follower`: the handle of the task that follows the changes of a store.

use std::fmt;

use parking_lot::Mutex;
use tokio::task::AbortHandle;

/// The task that follows the changes. Dropping this value ends it.
#[derive(Default)]
pub(crate) struct Follower(Mutex<Option<AbortHandle>>);

impl Follower {
    pub(crate) fn replace(&self, task: Option<AbortHandle>) {
        if let Some(earlier) = std::mem::replace(&mut *self.0.lock(), task) {
            earlier.abort();
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.replace(None);
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("follows", &self.0.lock().is_some()).finish()
    }
}
