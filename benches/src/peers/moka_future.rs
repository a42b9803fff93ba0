//! `moka::future::Cache` without a maximum capacity, and one that counts.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use moka::Expiry;
use moka::future::Cache;
use moka::ops::compute::Op;
use ttl_core::Key;

use super::{LIFETIME, Store};
use crate::wait::wait;

/// Every read extends the lifetime of the entry.
pub(super) struct Sliding;

impl<V> Expiry<String, V> for Sliding {
    fn expire_after_create(&self, _: &String, _: &V, _: Instant) -> Option<std::time::Duration> {
        Some(LIFETIME)
    }

    fn expire_after_read(
        &self,
        _: &String,
        _: &V,
        _: Instant,
        _: Option<std::time::Duration>,
        _: Instant,
    ) -> Option<std::time::Duration> {
        Some(LIFETIME)
    }
}

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
        black_box(wait(self.cache.get(key.as_str()))).is_some()
    }

    fn put(&self, key: &Key, value: Bytes) {
        wait(self.cache.insert(key.as_str().to_owned(), value));
    }

    fn delete(&self, key: &Key) {
        wait(self.cache.invalidate(key.as_str()));
    }

    fn settle(&self) {
        wait(self.cache.run_pending_tasks());
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
        "moka::future"
    }

    fn get(&self, key: &Key) -> bool {
        wait(self.0.get(key.as_str())).is_some()
    }

    fn put(&self, _: &Key, _: Bytes) {
        unreachable!("it holds numbers");
    }

    fn delete(&self, key: &Key) {
        wait(self.0.invalidate(key.as_str()));
    }

    fn start_count(&self, key: &Key) {
        wait(self.0.insert(key.as_str().to_owned(), 0));
    }

    fn increment(&self, key: &Key) -> bool {
        let add = |entry: Option<moka::Entry<String, u64>>| {
            std::future::ready(entry.map_or(Op::Nop, |entry| Op::Put(entry.into_value() + 1)))
        };
        let result = wait(self.0.entry_by_ref(key.as_str()).and_compute_with(add));
        matches!(result, moka::ops::compute::CompResult::ReplacedWith(_))
    }

    fn settle(&self) {
        wait(self.0.run_pending_tasks());
    }
}
