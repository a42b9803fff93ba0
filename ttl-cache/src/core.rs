//! The foundation of a cache: the store, the keys, the settings and the flights.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::{MutexGuard, Semaphore};
use ttl_core::codec::Codec;
use ttl_core::{Error, Key, TtlStore};

use crate::epochs::Epochs;
use crate::flights::Flights;
use crate::follower::Follower;
use crate::key::Keys;
use crate::settings::Settings;
use crate::stats::Counters;
use crate::watches::Watches;

/// The number of locks for the writes of a cache that coordinates this process only.
const WRITE_LOCKS: usize = 64;

pub(crate) struct Core<V> {
    pub(crate) store: Arc<dyn TtlStore>,
    pub(crate) keys: Keys,
    pub(crate) codec: Arc<dyn Codec<V>>,
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    pub(crate) flights: Arc<Flights<V>>,
    pub(crate) watches: Arc<Watches>,
    pub(crate) follower: Follower,
    /// The changes that this process made or heard of.
    pub(crate) epochs: Epochs,
    pub(crate) outage_loads: Semaphore,
    /// Each orders the writes of some keys, in a cache that coordinates this process only.
    write_locks: Box<[tokio::sync::Mutex<()>]>,
    /// The instants of the last warnings, so that an outage does not fill the log.
    last_warning: Mutex<Option<SystemTime>>,
}

impl<V> Core<V> {
    pub(crate) fn new(
        store: Arc<dyn TtlStore>,
        keys: Keys,
        codec: Arc<dyn Codec<V>>,
        settings: Settings,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            keys,
            codec,
            counters: Counters::new(&settings.name),
            flights: Arc::new(Flights::new()),
            watches: Arc::new(Watches::new()),
            follower: Follower::default(),
            epochs: Epochs::new(match settings.near {
                // Every change of a key also concerns the loads of others that share its epoch.
                _ if !settings.coordinates_processes() => usize::MAX,
                Some(near) => near.max_entries,
                None => 0,
            }),
            outage_loads: Semaphore::new(settings.outage_loads),
            write_locks: std::iter::repeat_with(|| tokio::sync::Mutex::new(())).take(WRITE_LOCKS).collect(),
            last_warning: Mutex::new(None),
            settings,
        })
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.store.now()
    }

    /// Orders the writes of this key while the result exists, if no conditions do.
    pub(crate) async fn order(&self, key: &Key) -> Option<MutexGuard<'_, ()>> {
        if self.settings.coordinates_processes() {
            return None;
        }
        let sum = key
            .as_bytes()
            .iter()
            .fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        Some(self.write_locks[sum % self.write_locks.len()].lock().await)
    }

    /// Logs a write that failed although its value was returned, at most once a second.
    pub(crate) fn note_lost_write(&self, error: &Error) {
        self.counters.store_errors(1);
        let now = self.now();
        let mut last = self.last_warning.lock();
        let recent = last.is_some_and(|last| now.duration_since(last).is_ok_and(|since| since.as_secs() < 1));
        if !recent {
            *last = Some(now);
            tracing::warn!(cache = %self.settings.name, %error, "the cache returned a value that it could not store");
        }
    }
}

impl<V> fmt::Debug for Core<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("store", &self.store)
            .field("settings", &self.settings)
            .field("flights", &self.flights)
            .finish_non_exhaustive()
    }
}
