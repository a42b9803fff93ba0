//! Remembers entries whose deadline a read moved before it found them unreadable. The next read of such an
//! entry reads before it writes.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ttl_core::Key;

/// The number of remembered entries; the newest ones are kept. Without damage there are none.
const MOST: usize = 256;

/// The hashes of the keys. A collision only costs a request.
#[derive(Debug, Default)]
pub(crate) struct Unreadable {
    hasher: RandomState,
    hashes: Mutex<VecDeque<u64>>,
    /// The number of keys, which avoids the lock while it is zero.
    count: AtomicUsize,
}

impl Unreadable {
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.count.load(Ordering::Relaxed) > 0 && self.hashes().contains(&self.hasher.hash_one(key))
    }

    pub(crate) fn note(&self, key: &Key) {
        let (hash, mut hashes) = (self.hasher.hash_one(key), self.hashes());
        if !hashes.contains(&hash) {
            hashes.truncate(MOST - 1);
            hashes.push_front(hash);
        }
        self.count.store(hashes.len(), Ordering::Relaxed);
    }

    /// Removes a key whose entry can be read.
    pub(crate) fn forget(&self, key: &Key) {
        if self.count.load(Ordering::Relaxed) > 0 {
            let (hash, mut hashes) = (self.hasher.hash_one(key), self.hashes());
            hashes.retain(|other| *other != hash);
            self.count.store(hashes.len(), Ordering::Relaxed);
        }
    }

    fn hashes(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered_until_they_can_be_read() {
        let keys: Vec<Key> = (0..=MOST).map(|number| Key::new(number.to_string()).unwrap()).collect();
        let unreadable = Unreadable::default();
        assert!(!unreadable.has(&keys[0]));
        keys.iter().chain(&keys).for_each(|key| unreadable.note(key));
        assert_eq!(unreadable.hashes().len(), MOST);
        assert!(unreadable.has(&keys[MOST]));
        unreadable.forget(&keys[MOST]);
        assert!(!unreadable.has(&keys[MOST]));
        keys.iter().for_each(|key| unreadable.forget(key));
        assert_eq!(unreadable.count.load(Ordering::Relaxed), 0);
    }
}
