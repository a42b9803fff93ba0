//! The contestants in memory, all behind one trait.
//!
//! Each keeps `Bytes` under the text of the same keys, with the same TTL where it has one. None evicts: those with a
//! capacity have room for twice the entries. A write takes what a program has after it has read a request: a key and
//! the bytes, of which it makes the owned key and value that the contestant needs.

mod dash;
mod foyer;
mod mini;
mod moka_future;
mod moka_sync;
mod ours;
mod quick;

use std::time::Duration;

use bytes::Bytes;
use ttl_core::Key;

pub use self::ours::{Ours, Sweeping};

/// The lifetime of entries that do not expire during a run.
pub const LIFETIME: Duration = Duration::from_secs(6 * 3600);

/// The operation on each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Returns the value.
    Get,
    /// Returns the value, and extends the lifetime of the entry.
    GetRefresh,
    /// Stores a value with a TTL.
    Put,
    /// Removes the entry.
    Delete,
    /// Stores the number 0 with a TTL.
    StartCount,
    /// Adds 1 to a number.
    Increment,
}

/// The operations of a contestant on one key. Those that it lacks are never called.
trait Store: Send + Sync {
    fn name(&self) -> &'static str;

    /// Returns whether there was a value.
    fn get(&self, key: &Key) -> bool;

    fn put(&self, key: &Key, value: Bytes);

    fn delete(&self, key: &Key);

    fn start_count(&self, _key: &Key) {
        unreachable!("{} counts in another contestant", self.name());
    }

    /// Returns whether there was a number.
    fn increment(&self, _key: &Key) -> bool {
        unreachable!("{} counts in another contestant", self.name());
    }

    /// Returns whether there was a value. Contestants that were built to refresh do it in a plain get.
    fn get_refresh(&self, key: &Key) -> bool {
        self.get(key)
    }

    /// Finishes work that the contestant has put off.
    fn settle(&self) {}
}

/// A contestant.
pub trait Peer: Send + Sync {
    /// Returns the name of the contestant.
    fn name(&self) -> &'static str;

    /// Does the operation for each key, and returns how many of them had an entry. Writes count as such.
    fn run(&self, operation: Operation, keys: &[Key], value: &[u8]) -> usize;

    /// Finishes work that the contestant has put off, such as the bookkeeping of a cache.
    fn settle(&self);
}

impl<S: Store> Peer for S {
    fn name(&self) -> &'static str {
        Store::name(self)
    }

    fn run(&self, operation: Operation, keys: &[Key], value: &[u8]) -> usize {
        let count = |done: fn(&S, &Key) -> bool| keys.iter().filter(|key| done(self, key)).count();
        match operation {
            Operation::Get => count(S::get),
            Operation::GetRefresh => count(S::get_refresh),
            Operation::Increment => count(S::increment),
            Operation::Put => {
                keys.iter().for_each(|key| self.put(key, Bytes::copy_from_slice(value)));
                keys.len()
            }
            Operation::Delete => {
                keys.iter().for_each(|key| self.delete(key));
                keys.len()
            }
            Operation::StartCount => {
                keys.iter().for_each(|key| self.start_count(key));
                keys.len()
            }
        }
    }

    fn settle(&self) {
        Store::settle(self);
    }
}

/// Returns the contestants for plain operations, ours first.
#[must_use]
pub fn plain(entries: usize) -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(Ours::new(Sweeping::Background)),
        Box::new(Ours::with_futures()),
        Box::new(moka_future::Cached::new("moka::future")),
        Box::new(moka_sync::Cached::new("moka::sync")),
        Box::new(quick::Cached::new(2 * entries)),
        Box::new(dash::Map::new()),
        Box::new(dash::Map::with_foldhash()),
        Box::new(mini::Cached::new()),
        Box::new(foyer::Cached::new(2 * entries)),
    ]
}

/// Returns the contestants whose reads extend lifetimes, ours first.
#[must_use]
pub fn refreshing() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(Ours::new(Sweeping::Background)),
        Box::new(moka_future::Cached::sliding("moka::future")),
        Box::new(moka_sync::Cached::sliding("moka::sync")),
        Box::new(dash::Map::new()),
        Box::new(dash::Map::with_foldhash()),
        Box::new(mini::Cached::sliding()),
    ]
}

/// Returns the contestants that count, ours first.
#[must_use]
pub fn counting() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(Ours::new(Sweeping::Background)),
        Box::new(moka_future::Counts::new()),
        Box::new(moka_sync::Counts::new()),
        Box::new(dash::Counts::new()),
    ]
}
