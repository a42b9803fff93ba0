//! The in-memory cache of `foyer`. It has no TTL, so its entries carry no deadline and nothing is checked.

use std::hint::black_box;

use bytes::Bytes;
use foyer_memory::{Cache, CacheBuilder};
use ttl_core::Key;

use super::Store;

pub(super) struct Cached(Cache<String, Bytes>);

impl Cached {
    pub(super) fn new(capacity: usize) -> Self {
        Self(CacheBuilder::new(capacity).build())
    }
}

impl Store for Cached {
    fn name(&self) -> &'static str {
        "foyer"
    }

    fn get(&self, key: &Key) -> bool {
        black_box(self.0.get(key.as_str()).map(|entry| entry.value().clone())).is_some()
    }

    fn put(&self, key: &Key, value: Bytes) {
        drop(self.0.insert(key.as_str().to_owned(), value));
    }

    fn delete(&self, key: &Key) {
        drop(self.0.remove(key.as_str()));
    }
}
