//! `quick_cache::sync::Cache`. It has no TTL, so its entries carry no deadline and nothing is checked.

use std::hint::black_box;

use bytes::Bytes;
use quick_cache::sync::Cache;
use ttl_core::Key;

use super::Store;

pub(super) struct Cached(Cache<String, Bytes>);

impl Cached {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }
}

impl Store for Cached {
    fn name(&self) -> &'static str {
        "quick_cache"
    }

    fn get(&self, key: &Key) -> bool {
        black_box(self.0.get(key.as_str())).is_some()
    }

    fn put(&self, key: &Key, value: Bytes) {
        self.0.insert(key.as_str().to_owned(), value);
    }

    fn delete(&self, key: &Key) {
        black_box(self.0.remove(key.as_str()));
    }
}
