//! Waiting until an entry changes, for callers whose value is loaded by another process.

use std::sync::Arc;
use std::time::Duration;

use futures_timer::Delay;
use ttl_core::options::{GetOptions, Returning};
use ttl_core::{Key, Result, Version};

use crate::core::Core;
use crate::runtime::runtime;
use crate::watches::Watch;

/// The wait before the first look, and before the last ones.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(100);

impl<V: Send + Sync + 'static> Core<V> {
    /// Waits until the entry no longer has this version, or until the store fails. Can return early.
    pub(crate) async fn changed(self: &Arc<Self>, key: &Key, version: Version) -> Result<()> {
        let runtime = runtime()?;
        let (mut change, watch) = self.watches.join(key, version);
        if let Some(watch) = watch {
            let core = Arc::clone(self);
            runtime.spawn(async move { core.look_for_change(&watch).await });
        }
        // The sender exists until it has sent.
        let _ = change.changed().await;
        Ok(())
    }

    async fn look_for_change(&self, watch: &Watch) {
        let (key, version) = &watch.entry;
        let mut wait = FIRST_WAIT;
        loop {
            Delay::new(wait).await;
            if watch.is_deserted() {
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
