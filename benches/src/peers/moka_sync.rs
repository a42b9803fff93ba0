//! `moka::sync::Cache` without a maximum capacity, and one that counts.

use std::hint::black_box;

use bytes::Bytes;
use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;
use ttl_core::Key;

use super::moka_future::Sliding;
use super::{LIFETIME, Store};

pub(super) struct Cached {
    name: &'static str,
    cache: Cache<String, Bytes>,
}

impl Cached {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, cache: Cache::builder().time_to_live(LIFETIME).build() }
    }

    pub(super) fn sliding(name: &'static str) -> Self {
        Self { name, cache: Cache::builder().expire_after(Sliding).build() }
    }
}

impl Store for Cached {
    fn name(&self) -> &'static str {
        self.name
    }

    fn get(&self, key: &Key) -> bool {
        black_box(self.cache.get(key.as_str())).is_some()
    }

    fn put(&self, key: &Key, value: Bytes) {
        self.cache.insert(key.as_str().to_owned(), value);
    }

    fn delete(&self, key: &Key) {
        self.cache.invalidate(key.as_str());
    }

    fn settle(&self) {
        self.cache.run_pending_tasks();
    }
}

/// Numbers, which `and_compute_with` changes atomically.
pub(super) struct Counts(Cache<String, u64>);

impl Counts {
    pub(super) fn new() -> Self {
        Self(Cache::builder().time_to_live(LIFETIME).build())
    }
}

impl Store for Counts {
    fn name(&self) -> &'static str {
        "moka::sync"
    }

    fn get(&self, key: &Key) -> bool {
        self.0.get(key.as_str()).is_some()
    }

    fn put(&self, _: &Key, _: Bytes) {
        unreachable!("it holds numbers");
    }

    fn delete(&self, key: &Key) {
        self.0.invalidate(key.as_str());
    }

    fn start_count(&self, key: &Key) {
        self.0.insert(key.as_str().to_owned(), 0);
    }

    fn increment(&self, key: &Key) -> bool {
        let add = |entry: Option<moka::Entry<String, u64>>| {
            entry.map_or(Op::Nop, |entry| Op::Put(entry.into_value() + 1))
        };
        let result = self.0.entry_by_ref(key.as_str()).and_compute_with(add);
        matches!(result, CompResult::ReplacedWith(_))
    }

    fn settle(&self) {
        self.0.run_pending_tasks();
    }
}
