//! `mini_moka::sync::Cache` without a maximum capacity. Its reads extend lifetimes by `time_to_idle`.
//!
//! Its keys are `Key`s: it cannot look a `String` up by a `str`.

use std::hint::black_box;

use bytes::Bytes;
use mini_moka::sync::{Cache, ConcurrentCacheExt as _};
use ttl_core::Key;

use super::{LIFETIME, Store};

pub(super) struct Cached(Cache<Key, Bytes>);

impl Cached {
    pub(super) fn new() -> Self {
        Self(Cache::builder().time_to_live(LIFETIME).build())
    }

    pub(super) fn sliding() -> Self {
        Self(Cache::builder().time_to_idle(LIFETIME).build())
    }
}

impl Store for Cached {
    fn name(&self) -> &'static str {
        "mini-moka"
    }

    fn get(&self, key: &Key) -> bool {
        black_box(self.0.get(key)).is_some()
    }

    fn put(&self, key: &Key, value: Bytes) {
        self.0.insert(key.clone(), value);
    }

    fn delete(&self, key: &Key) {
        self.0.invalidate(key);
    }

    fn settle(&self) {
        self.0.sync();
    }
}
