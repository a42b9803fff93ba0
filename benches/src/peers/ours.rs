//! The memory driver, called as programs call it: through `Arc<dyn TtlStore>`.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
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
    /// There is no thread, so that only the measured thread works.
    Manual,
}

/// The memory driver.
pub struct Ours(Arc<dyn TtlStore>);

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ours")
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
        Self(Arc::new(MemoryStore::new(&MemoryConfig::new().with_reclaim(reclaim))))
    }
}

fn is_hit(answer: ttl_core::Result<Option<ttl_core::Entry>>) -> bool {
    black_box(answer).expect("the memory driver reads").is_some()
}

impl Store for Ours {
    fn name(&self) -> &'static str {
        "ttl-store"
    }

    fn get(&self, key: &Key) -> bool {
        is_hit(wait(self.0.get(key, GetOptions::new())))
    }

    fn get_refresh(&self, key: &Key) -> bool {
        let options = GetOptions::new().with_refresh(Refresh::extend_only(TTL));
        is_hit(wait(self.0.get(key, options)))
    }

    fn put(&self, key: &Key, value: Bytes) {
        let put = wait(self.0.put(key, Value::Blob(value), PutOptions::new(TTL)));
        assert!(put.expect("the memory driver writes").is_applied());
    }

    fn delete(&self, key: &Key) {
        let deleted = wait(self.0.delete(key, DeleteOptions::new()));
        let _ = black_box(deleted.expect("the memory driver writes"));
    }

    /// A number is a field of a record.
    fn start_count(&self, key: &Key) {
        let record = Record::new().with("count", 0);
        let put = wait(self.0.put(key, record.into(), PutOptions::new(TTL)));
        assert!(put.expect("the memory driver writes").is_applied());
    }

    fn increment(&self, key: &Key) -> bool {
        let patch = Patch::new().increment("count", 1);
        wait(self.0.patch(key, &patch, PatchOptions::new())).expect("the memory driver patches").is_applied()
    }
}
