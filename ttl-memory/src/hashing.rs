//! How keys are hashed, and which bits serve what.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

/// A store's own hash function, seeded at random.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hashing(RandomState);

/// A key's hash. The upper half chooses the shard. The lower half is the key's hash within its shard, short enough to
/// be kept in the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash(u64);

impl Hashing {
    pub(crate) fn hash(&self, key: &[u8]) -> Hash {
        let mut hasher = self.0.build_hasher();
        hasher.write(key);
        Hash(hasher.finish())
    }

    /// A second hash of the key, which does not follow from the first.
    pub(crate) fn second(&self, key: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u64(u64::MAX);
        hasher.write(key);
        hasher.finish()
    }
}

impl Hash {
    pub(crate) fn whole(self) -> u64 {
        self.0
    }

    /// The shard, of `shards` (a power of two).
    pub(crate) fn shard(self, shards: usize) -> usize {
        (self.0 >> 32) as usize & (shards - 1)
    }

    pub(crate) fn short(self) -> u32 {
        self.0 as u32
    }

    /// The hash that the table sees.
    pub(crate) fn table(self) -> u64 {
        spread(self.short())
    }
}

/// Spreads a short hash over 64 bits: the table takes the place from the lowest and a tag from the highest.
pub(crate) fn spread(short: u32) -> u64 {
    u64::from(short).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
