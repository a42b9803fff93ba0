//! The memory driver, called as programs call it: through `Arc<dyn TtlStore>`.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use ttl_core::driver::SyncStore;
use ttl_core::options::{DeleteOptions, GetOptions, PatchOptions, PutOptions, Refresh};
use ttl_core::{Key, Patch, Record, Ttl, TtlStore, Value};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

use super::{LIFETIME, Store};
use crate::wait::wait;

const TTL: Ttl = Ttl::seconds(LIFETIME.as_secs());

/// Whether the driver's thread reclaims expired entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweeping {
    /// It does, as by default.
    Background,
    /// No thread does, so only the measured thread works.
    Manual,
}

/// The memory driver.
pub struct Ours {
    store: Arc<dyn TtlStore>,
    calls: Calls,
}

/// The form of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Calls {
    /// Through `TtlStore::as_sync`, as `Store` and the collections of the facade do.
    Sync,
    /// Through the async methods of the trait, whose futures are boxed.
    Futures,
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ours").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Ours {
    /// Creates an empty store.
    #[must_use]
    pub fn new(sweeping: Sweeping) -> Self {
        let reclaim = match sweeping {
            Sweeping::Background => Reclaim::Background,
            Sweeping::Manual => Reclaim::Manual,
        };
        let store = Arc::new(MemoryStore::new(&MemoryConfig::new().with_reclaim(reclaim)));
        Self { store, calls: Calls::Sync }
    }

    /// Creates an empty store whose async methods are called.
    pub(super) fn with_futures() -> Self {
        Self { calls: Calls::Futures, ..Self::new(Sweeping::Background) }
    }

    fn sync(&self) -> Option<&dyn SyncStore> {
        match self.calls {
            Calls::Sync => Some(self.store.as_sync().expect("the memory driver never waits")),
            Calls::Futures => None,
        }
    }

    fn is_hit(&self, key: &Key, options: GetOptions) -> bool {
        let answer = match self.sync() {
            Some(store) => store.get(key, &options),
            None => wait(self.store.get(key, options)),
        };
        black_box(answer).expect("the memory driver reads").is_some()
    }

    fn store(&self, key: &Key, value: Value) {
        let options = PutOptions::new(TTL);
        let put = match self.sync() {
            Some(store) => store.put(key, value, &options),
            None => wait(self.store.put(key, value, options)),
        };
        assert!(put.expect("the memory driver writes").is_applied());
    }
}

impl Store for Ours {
    fn name(&self) -> &'static str {
        match self.calls {
            Calls::Sync => "ttl-store",
            Calls::Futures => "ttl-store, futures",
        }
    }

    fn get(&self, key: &Key) -> bool {
        self.is_hit(key, GetOptions::new())
    }

    fn get_refresh(&self, key: &Key) -> bool {
        self.is_hit(key, GetOptions::new().with_refresh(Refresh::extend_only(TTL)))
    }

    fn put(&self, key: &Key, value: Bytes) {
        self.store(key, Value::Blob(value));
    }

    fn delete(&self, key: &Key) {
        let options = DeleteOptions::new();
        let deleted = match self.sync() {
            Some(store) => store.delete(key, &options),
            None => wait(self.store.delete(key, options)),
        };
        let _ = black_box(deleted.expect("the memory driver writes"));
    }

    /// A number is a field of a record.
    fn start_count(&self, key: &Key) {
        self.store(key, Record::new().with("count", 0).into());
    }

    fn increment(&self, key: &Key) -> bool {
        let (patch, options) = (Patch::new().increment("count", 1), PatchOptions::new());
        let patched = match self.sync() {
            Some(store) => store.patch(key, &patch, &options),
            None => wait(self.store.patch(key, &patch, options)),
        };
        patched.expect("the memory driver patches").is_applied()
    }
}
