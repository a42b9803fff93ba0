//! Workloads: which keys are used, how often, and with which values.

use std::fmt;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::seq::{SliceRandom, index};
use rand::{RngExt, SeedableRng};
use rand_distr::Zipf;
use ttl_core::Key;

/// Scatters the ranks of a distribution over the keys. It is prime, so it maps different ranks to different keys.
const SCATTER: u64 = 2_654_435_761;

/// How the keys of reads are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Each key equally often.
    Uniform,
    /// Few keys often, with this exponent.
    Zipf(f64),
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf(exponent) => write!(f, "zipf {exponent:.1}"),
        }
    }
}

/// A number of entries, and the sizes of their keys and values.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The number of entries that are stored before measurements begin.
    pub entries: usize,
    /// The length of a key, 8 to 100.
    pub key_bytes: usize,
    /// The length of a value, 16 to 65536.
    pub value_bytes: usize,
}

impl Workload {
    /// Creates a workload with keys of 32 bytes and values of 100.
    #[must_use]
    pub const fn new(entries: usize) -> Self {
        Self { entries, key_bytes: 32, value_bytes: 100 }
    }

    /// Returns a key. Numbers from `entries` on are keys without an entry.
    ///
    /// # Panics
    /// If the number has more digits than a key has bytes.
    #[must_use]
    pub fn key(&self, n: usize) -> Key {
        let prefix = if self.key_bytes < 20 { "" } else { "session:" };
        let text = format!("{prefix}{n:0width$}", width = self.key_bytes - prefix.len());
        assert_eq!(text.len(), self.key_bytes, "the number fits into the key");
        Key::new(text).expect("the key is valid")
    }

    /// Returns the keys of all entries.
    pub fn all(&self) -> impl Iterator<Item = Key> {
        (0..self.entries).map(|n| self.key(n))
    }

    /// Returns the content of a value.
    #[must_use]
    pub fn value(&self) -> Bytes {
        (0..self.value_bytes).map(|n| (n * 31 % 251) as u8).collect()
    }

    /// Returns the numbers of stored keys, chosen by a distribution.
    #[must_use]
    pub fn choose(&self, distribution: Distribution, seed: u64, count: usize) -> Vec<usize> {
        let mut rng = StdRng::seed_from_u64(seed);
        match distribution {
            Distribution::Uniform => (0..count).map(|_| rng.random_range(0..self.entries)).collect(),
            Distribution::Zipf(exponent) => {
                let zipf = Zipf::new(self.entries as f64, exponent).expect("the exponent is valid");
                let scatter = |rank: f64| ((rank as u64 - 1) * SCATTER % self.entries as u64) as usize;
                (0..count).map(|_| scatter(rng.sample(zipf))).collect()
            }
        }
    }

    /// Returns stored keys, chosen by a distribution, in the order of their use. They are allocated in that order, so
    /// that reading the key itself costs no cache miss, as in a program that has just received it.
    #[must_use]
    pub fn stored(&self, distribution: Distribution, seed: u64, count: usize) -> Vec<Key> {
        self.choose(distribution, seed, count).into_iter().map(|n| self.key(n)).collect()
    }

    /// Returns keys that have no entry, in random order.
    #[must_use]
    pub fn absent(&self, seed: u64, count: usize) -> Vec<Key> {
        let mut numbers: Vec<usize> = (0..count).collect();
        numbers.shuffle(&mut StdRng::seed_from_u64(seed));
        numbers.into_iter().map(|n| self.key(self.entries + n)).collect()
    }

    /// Returns stored keys, each at most once, in random order.
    #[must_use]
    pub fn distinct(&self, seed: u64, count: usize) -> Vec<Key> {
        let numbers = index::sample(&mut StdRng::seed_from_u64(seed), self.entries, count);
        numbers.into_iter().map(|n| self.key(n)).collect()
    }
}

/// Returns a number as a power of ten, if it is one.
#[must_use]
pub fn power(number: usize) -> String {
    match number.checked_ilog10() {
        Some(exponent) if exponent > 3 && 10_usize.pow(exponent) == number => format!("10^{exponent}"),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_have_their_length() {
        for key_bytes in [8, 32, 100] {
            let workload = Workload { key_bytes, ..Workload::new(1_000) };
            assert_eq!(workload.key(1_999).as_str().len(), key_bytes);
        }
        assert_eq!(Workload::new(10).key(7).as_str(), "session:000000000000000000000007");
    }

    #[test]
    fn absent_keys_are_not_stored() {
        let workload = Workload::new(1_000);
        let stored: HashSet<Key> = workload.all().collect();
        assert!(workload.absent(1, 500).iter().all(|key| !stored.contains(key)));
        let distinct: HashSet<Key> = workload.distinct(1, 500).into_iter().collect();
        assert!(distinct.len() == 500 && distinct.is_subset(&stored));
    }

    #[test]
    fn zipf_prefers_few_keys() {
        let workload = Workload::new(10_000);
        let mut uses = vec![0; 10_000];
        for n in workload.choose(Distribution::Zipf(1.0), 1, 100_000) {
            uses[n] += 1;
        }
        uses.sort_unstable();
        let top: i32 = uses.iter().rev().take(100).sum();
        assert!((45_000..60_000).contains(&top), "the first hundred keys have {top} uses");
    }
}
