//! `Watches`: the entries whose changes calls wait for.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use ttl_core::{Key, Version};

/// The watched entries. All callers of this process that wait for the same entry share one task.
pub(crate) struct Watches(Mutex<HashMap<(Key, Version), watch::Sender<()>>>);

impl Watches {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Joins the callers that wait for a change of this entry. Returns a watch for a new task if there is none.
    pub(crate) fn join(
        self: &Arc<Self>,
        key: &Key,
        version: Version,
    ) -> (watch::Receiver<()>, Option<Watch>) {
        let entry = (key.clone(), version);
        let mut watched = self.0.lock();
        if let Some(waiting) = watched.get(&entry) {
            return (waiting.subscribe(), None);
        }
        let (waiting, change) = watch::channel(());
        watched.insert(entry.clone(), waiting.clone());
        (change, Some(Watch { watches: Arc::clone(self), entry, waiting }))
    }

    /// Wakes the callers that wait for a change of this entry.
    pub(crate) fn wake(&self, key: &Key) {
        for (_, waiting) in self.0.lock().iter().filter(|((watched, _), _)| watched == key) {
            waiting.send_replace(());
        }
    }

    /// Wakes all callers, because any entry may have changed.
    pub(crate) fn wake_all(&self) {
        for waiting in self.0.lock().values() {
            waiting.send_replace(());
        }
    }
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watches").field("count", &self.0.lock().len()).finish()
    }
}

/// A watch that a task serves. Dropping it wakes the callers, also if the runtime drops the task.
pub(crate) struct Watch {
    watches: Arc<Watches>,
    pub(crate) entry: (Key, Version),
    waiting: watch::Sender<()>,
}

impl Watch {
    /// Ends the watch if no caller waits any longer.
    pub(crate) fn is_deserted(&self) -> bool {
        // Under the lock, so that no caller joins in between.
        let mut watched = self.watches.0.lock();
        let deserted = self.waiting.receiver_count() == 0;
        if deserted {
            watched.remove(&self.entry);
        }
        deserted
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.watches.0.lock();
        // A watch that was deserted may have been replaced by a new one.
        if watched.get(&self.entry).is_some_and(|present| present.same_channel(&self.waiting)) {
            watched.remove(&self.entry);
        }
        self.waiting.send_replace(());
    }
}
