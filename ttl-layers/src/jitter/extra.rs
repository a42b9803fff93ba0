//! The extra time of a key, and the requests with it.

use std::time::{Duration, SystemTime};

use ttl_core::options::{ExistingDeadline, PatchOptions, PutOptions, Refresh};
use ttl_core::{Deadline, Expiry, Key, Ttl};

use super::config::{InstantExpiries, Jitter, Spread};

/// Returns a number that the key and the seed select, equally distributed over all keys. It must never
/// change, because processes with the same seed expect the same numbers.
fn share(key: &str, seed: u64) -> u64 {
    // FNV-1a, and the finalizer of SplitMix64, which spreads small differences over all bits.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Jitter {
    /// Returns the extra milliseconds of a key for a TTL.
    fn extra(&self, key: &Key, ttl_millis: u64) -> u64 {
        let most = match self.spread {
            Spread::Fraction(fraction) => (ttl_millis as f64 * fraction) as u64,
            Spread::Duration(spread) => u64::try_from(spread.as_millis()).unwrap_or(u64::MAX),
        };
        let share = u128::from(share(key.as_str(), self.seed));
        // Below `most + 1`, which fits into 64 bits again.
        ((share * (u128::from(most) + 1)) >> 64) as u64
    }

    fn ttl(&self, key: &Key, ttl: Ttl) -> Ttl {
        let millis = ttl.as_millis().saturating_add(self.extra(key, ttl.as_millis()));
        Ttl::millis(millis.min(Ttl::MAX.as_millis()))
    }

    /// Adds the extra to an expiry. `now` is only called for an instant that is spread.
    pub(super) fn expiry(&self, key: &Key, expiry: Expiry, now: impl FnOnce() -> SystemTime) -> Expiry {
        match (expiry, self.instants) {
            (Expiry::After(ttl), _) => Expiry::After(self.ttl(key, ttl)),
            (Expiry::At(instant), InstantExpiries::Spread) => self.instant(key, instant, now()),
            (Expiry::At(_), InstantExpiries::Exact) | (Expiry::Never, _) => expiry,
        }
    }

    fn instant(&self, key: &Key, instant: SystemTime, now: SystemTime) -> Expiry {
        let (asked, farthest) = (Deadline::at(instant), Deadline::after(now, Ttl::MAX));
        let Ok(left) = instant.duration_since(now) else { return Expiry::At(instant) };
        // The inner store ends the entry, or refuses the instant.
        if left.is_zero() || asked > farthest {
            return Expiry::At(instant);
        }
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let spread = instant.checked_add(Duration::from_millis(self.extra(key, millis)));
        spread.map_or(Expiry::At(instant), |spread| Deadline::at(spread).min(farthest).into())
    }

    pub(super) fn refresh(&self, key: &Key, mut refresh: Refresh) -> Refresh {
        refresh.ttl = self.ttl(key, refresh.ttl);
        refresh
    }

    pub(super) fn put(
        &self,
        key: &Key,
        mut options: PutOptions,
        now: impl FnOnce() -> SystemTime,
    ) -> PutOptions {
        options.lifespan.expiry = self.expiry(key, options.lifespan.expiry, now);
        if let ExistingDeadline::Refresh(refresh) = options.existing_deadline {
            options.existing_deadline = ExistingDeadline::Refresh(self.refresh(key, refresh));
        }
        options
    }

    pub(super) fn patch(
        &self,
        key: &Key,
        mut options: PatchOptions,
        now: impl FnOnce() -> SystemTime,
    ) -> PatchOptions {
        if let Some(create) = &mut options.create {
            create.lifespan.expiry = self.expiry(key, create.lifespan.expiry, now);
        }
        options.refresh = options.refresh.map(|refresh| self.refresh(key, refresh));
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Key {
        Key::new(format!("user:{number}")).unwrap()
    }

    #[test]
    fn the_share_of_a_key_never_changes() {
        let shares = [("", 0), ("a", 0), ("a", 1), ("user:1", 42)].map(|(key, seed)| share(key, seed));
        let expected =
            [0xf52a_15e9_a9b5_e89b, 0x02c0_bdbf_4814_20f8, 0x270a_eb36_a957_26cf, 0x272c_3fb4_a88b_74b7];
        assert_eq!(shares, expected, "{shares:#x?}");
    }

    #[test]
    fn extras_fill_the_spread_evenly() {
        let jitter = Jitter::by_duration(Duration::from_millis(9)).with_seed(7);
        let mut counts = [0; 10];
        for number in 0..10_000 {
            counts[usize::try_from(jitter.extra(&key(number), 1)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_fraction_is_that_of_the_ttl() {
        let jitter = Jitter::by_fraction(0.25).with_seed(7);
        let longest = |ttl| (0..1_000).map(|number| jitter.extra(&key(number), ttl)).max();
        assert_eq!((longest(3), longest(4), longest(40)), (Some(0), Some(1), Some(10)));
        let whole = Jitter::by_fraction(1.0);
        assert!((0..1_000).all(|number| whole.ttl(&key(number), Ttl::MAX) == Ttl::MAX));
        assert_eq!(Jitter::by_fraction(0.0).extra(&key(1), Ttl::MAX.as_millis()), 0);
    }

    #[test]
    fn seeds_select_different_shares() {
        let extras = |seed| {
            let jitter = Jitter::by_duration(Duration::from_secs(1_000)).with_seed(seed);
            (0..10).map(|number| jitter.extra(&key(number), 1)).collect::<Vec<_>>()
        };
        assert_eq!(extras(1), extras(1));
        assert!(extras(1).iter().zip(extras(2)).all(|(one, other)| *one != other));
    }
}
