//! The hashing of keys, and the use of the bits.

use std::hash::{BuildHasher, Hasher};

// `foldhash::fast` spreads similar keys unevenly for one seed in ten. That wastes capacity if shards share a
// limit.
use foldhash::quality::RandomState;

/// The hash function of a store, with a random seed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hashing(RandomState);

/// The hash of a key. The upper half selects the shard. The lower half is the hash within the shard, which is
/// short enough to be kept in the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash(u64);

impl Hashing {
    pub(crate) fn hash(&self, key: &[u8]) -> Hash {
        let mut hasher = self.0.build_hasher();
        hasher.write(key);
        Hash(hasher.finish())
    }

    /// Returns a second hash of the key, independent of the first.
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

    /// Returns the index of the shard. `shards` is a power of two.
    pub(crate) fn shard(self, shards: usize) -> usize {
        (self.0 >> 32) as usize & (shards - 1)
    }

    pub(crate) fn short(self) -> u32 {
        self.0 as u32
    }

    /// Returns the hash for the table.
    pub(crate) fn table(self) -> u64 {
        spread(self.short())
    }
}

/// Spreads a short hash over 64 bits. The table takes the bucket from the lowest bits and a tag from the
/// highest.
pub(crate) fn spread(short: u32) -> u64 {
    u64::from(short).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: u32 = 1 << 16;
    const SHARDS: usize = 64;

    /// Returns Pearson's statistic of the distribution, divided by its degrees of freedom: 1 on average if
    /// keys are spread at random.
    fn unevenness(counts: &[u32]) -> f64 {
        let expected = f64::from(KEYS) / counts.len() as f64;
        let sum: f64 = counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        sum / (counts.len() - 1) as f64
    }

    #[test]
    fn similar_keys_spread_evenly_whatever_the_seed() {
        for _ in 0..100 {
            let hashing = Hashing::default();
            let (mut shards, mut places) = ([0; SHARDS], [0; 1024]);
            for n in 0..KEYS {
                let hash = hashing.hash(format!("key:{n}").as_bytes());
                shards[hash.shard(SHARDS)] += 1;
                places[hash.short() as usize % places.len()] += 1;
            }
            // At random, one run in a billion exceeds these.
            assert!(unevenness(&shards) < 3.0, "{shards:?}");
            assert!(unevenness(&places) < 1.5, "{}", unevenness(&places));
        }
    }
}
