//! Two memory stores with one clock, and shorthands for calls.

use std::sync::Arc;

use ttl_core::options::{DeleteOptions, GetOptions, PutOptions, Returning};
use ttl_core::{Deadline, Entry, Key, Lifespan, ManualClock, Record, Ttl, TtlStore, Value};
use ttl_layers::{Layer, LayerExt, Migrate};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

pub(crate) const SHORT: Ttl = Ttl::seconds(100);
pub(crate) const LONG: Ttl = Ttl::hours(1);

/// An old store, a new one, and their clock.
#[derive(Clone, Debug)]
pub(crate) struct Stores {
    pub(crate) old: MemoryStore,
    pub(crate) new: MemoryStore,
    pub(crate) clock: Arc<ManualClock>,
}

impl Stores {
    pub(crate) fn create() -> Self {
        let clock = Arc::new(ManualClock::new());
        let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
        Self { old: MemoryStore::new(&config), new: MemoryStore::new(&config), clock }
    }

    /// Returns the store that moves entries.
    pub(crate) fn store(&self) -> Arc<dyn TtlStore> {
        self.layered(&Migrate::new(Arc::new(self.old.clone())))
    }

    pub(crate) fn layered(&self, layer: &dyn Layer) -> Arc<dyn TtlStore> {
        Arc::new(self.new.clone()).layer(layer).unwrap()
    }

    pub(crate) fn clock_now(&self) -> std::time::SystemTime {
        self.new.now()
    }

    pub(crate) fn advance(&self, ttl: Ttl) {
        self.clock.advance(ttl.as_duration());
    }

    /// Puts an entry into the old store.
    pub(crate) async fn put_old(&self, name: &str, value: impl Into<Value>, lifespan: impl Into<Lifespan>) {
        let put = self.old.put(&key(name), value.into(), PutOptions::new(lifespan)).await;
        assert!(put.unwrap().is_applied());
    }

    /// Removes the ghosts, and returns the numbers of entries in both stores.
    pub(crate) fn counts(&self) -> (usize, usize) {
        self.old.sweep();
        self.new.sweep();
        (self.old.len(), self.new.len())
    }
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

pub(crate) fn record() -> Record {
    Record::new().with("n", 1).with("name", "ada")
}

pub(crate) async fn value(store: &dyn TtlStore, name: &str) -> Option<Value> {
    store.get(&key(name), GetOptions::new()).await.unwrap().and_then(|entry| entry.value)
}

/// Reads an entry with its deadline and its cap.
pub(crate) async fn whole(store: &dyn TtlStore, name: &str) -> Option<Entry> {
    let read = GetOptions::new().with_returning(Returning::DEADLINE).with_cap();
    store.get(&key(name), read).await.unwrap()
}

/// Returns value, deadline and cap, without the version.
pub(crate) fn parts(entry: Option<Entry>) -> Option<(Option<Value>, Option<Deadline>, Option<Deadline>)> {
    entry.map(|entry| (entry.value, entry.deadline, entry.cap))
}

pub(crate) async fn delete(store: &dyn TtlStore, name: &str) -> bool {
    store.delete(&key(name), DeleteOptions::new()).await.unwrap().is_applied()
}
