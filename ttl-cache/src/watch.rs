//! Watches: waiting until an entry changes, for callers whose value is loaded by another process.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_timer::Delay;
use parking_lot::Mutex;
use tokio::sync::watch;
use ttl_core::options::{GetOptions, Returning};
use ttl_core::{Key, Result, Version};

use crate::core::Core;
use crate::runtime::runtime;

/// The wait before the first look, and before the last ones.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// The watched entries. All callers of this process that wait for the same entry share one task.
pub(crate) struct Watches(Mutex<HashMap<(Key, Version), watch::Sender<()>>>);

impl Watches {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
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
struct Watch {
    watches: Arc<Watches>,
    entry: (Key, Version),
    waiting: watch::Sender<()>,
}

impl Watch {
    /// Ends the watch if no caller waits any longer.
    fn is_abandoned(&self) -> bool {
        // Under the lock, so that no caller joins in between.
        let mut watched = self.watches.0.lock();
        let abandoned = self.waiting.receiver_count() == 0;
        if abandoned {
            watched.remove(&self.entry);
        }
        abandoned
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.watches.0.lock();
        // A watch that was abandoned may have been replaced by a new one.
        if watched.get(&self.entry).is_some_and(|present| present.same_channel(&self.waiting)) {
            watched.remove(&self.entry);
        }
        self.waiting.send_replace(());
    }
}

impl<V: Send + Sync + 'static> Core<V> {
    /// Waits until the entry no longer has this version, or until the store fails.
    pub(crate) async fn changed(self: &Arc<Self>, key: &Key, version: Version) -> Result<()> {
        let mut change = self.watch(key, version)?;
        // The sender exists until it has sent.
        let _ = change.changed().await;
        Ok(())
    }

    fn watch(self: &Arc<Self>, key: &Key, version: Version) -> Result<watch::Receiver<()>> {
        let runtime = runtime()?;
        let entry = (key.clone(), version);
        let mut watched = self.watches.0.lock();
        if let Some(waiting) = watched.get(&entry) {
            return Ok(waiting.subscribe());
        }
        let (waiting, change) = watch::channel(());
        watched.insert(entry.clone(), waiting.clone());
        drop(watched);
        let watch = Watch { watches: Arc::clone(&self.watches), entry, waiting };
        let core = Arc::clone(self);
        runtime.spawn(async move { core.look_for_change(&watch).await });
        Ok(change)
    }

    async fn look_for_change(&self, watch: &Watch) {
        let (key, version) = &watch.entry;
        let mut wait = FIRST_WAIT;
        loop {
            Delay::new(wait).await;
            if watch.is_abandoned() {
                return;
            }
            let options = GetOptions::nothing().with_returning(Returning::VERSION);
            match self.store.get(key, options).await {
                Ok(Some(entry)) if entry.version == Some(*version) => {}
                // After an error, the callers read by themselves and meet it too.
                Ok(_) | Err(_) => return,
            }
            wait = (wait * 3 / 2).min(LONGEST_WAIT);
        }
    }
}
