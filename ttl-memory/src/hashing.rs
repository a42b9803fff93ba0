//! How keys are hashed, and which bits serve what.

use std::hash::{BuildHasher, Hasher};

// `foldhash::fast` spreads similar keys unevenly for one seed in ten, which wastes room where shards share a limit.
use foldhash::quality::RandomState;

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

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: u32 = 1 << 16;
    const SHARDS: usize = 64;

    /// Pearson's statistic of how keys are spread, by its degrees of freedom: 1 on average where they are by chance.
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
            // By chance, one run in a billion would pass these.
            assert!(unevenness(&shards) < 3.0, "{shards:?}");
            assert!(unevenness(&places) < 1.5, "{}", unevenness(&places));
        }
    }
}
