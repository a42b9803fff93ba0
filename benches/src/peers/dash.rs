//! The obvious map that a program would write: a `DashMap` of values with their deadlines, checked at each read. It
//! never removes expired entries. Once with the default hash function, and once with the one that our driver has.

use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use dashmap::DashMap;
use ttl_core::Key;

use super::{LIFETIME, Store};

pub(super) struct Map<S> {
    name: &'static str,
    entries: DashMap<String, (Bytes, Instant), S>,
}

impl Map<RandomState> {
    pub(super) fn new() -> Self {
        Self { name: "dashmap", entries: DashMap::new() }
    }
}

impl Map<foldhash::fast::RandomState> {
    pub(super) fn with_foldhash() -> Self {
        Self { name: "dashmap (foldhash)", entries: DashMap::default() }
    }
}

impl<S: BuildHasher + Clone + Send + Sync> Store for Map<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn get(&self, key: &Key) -> bool {
        let value = self.entries.get(key.as_str()).filter(|entry| entry.1 > Instant::now());
        black_box(value.map(|entry| entry.0.clone())).is_some()
    }

    fn get_refresh(&self, key: &Key) -> bool {
        let now = Instant::now();
        let value = self.entries.get_mut(key.as_str()).filter(|entry| entry.1 > now).map(|mut entry| {
            entry.1 = entry.1.max(now + LIFETIME);
            entry.0.clone()
        });
        black_box(value).is_some()
    }

    fn put(&self, key: &Key, value: Bytes) {
        self.entries.insert(key.as_str().to_owned(), (value, Instant::now() + LIFETIME));
    }

    fn delete(&self, key: &Key) {
        black_box(self.entries.remove(key.as_str()));
    }
}

/// Numbers.
pub(super) struct Counts(DashMap<String, (u64, Instant)>);

impl Counts {
    pub(super) fn new() -> Self {
        Self(DashMap::new())
    }
}

impl Store for Counts {
    fn name(&self) -> &'static str {
        "dashmap"
    }

    fn get(&self, key: &Key) -> bool {
        self.0.get(key.as_str()).is_some_and(|entry| entry.1 > Instant::now())
    }

    fn put(&self, _: &Key, _: Bytes) {
        unreachable!("it holds numbers");
    }

    fn delete(&self, key: &Key) {
        self.0.remove(key.as_str());
    }

    fn start_count(&self, key: &Key) {
        self.0.insert(key.as_str().to_owned(), (0, Instant::now() + LIFETIME));
    }

    fn increment(&self, key: &Key) -> bool {
        let entry = self.0.get_mut(key.as_str()).filter(|entry| entry.1 > Instant::now());
        entry.is_some_and(|mut entry| {
            entry.0 += 1;
            true
        })
    }
}
