//! Timestamps of plain writes, in microseconds. Of two writes of a cell, the one with the later timestamp
//! wins.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The advance of a refresh over the refreshed entry: so small that any newer write wins.
pub(crate) const REFRESH: i64 = 1;
/// The advance of an expire: more than several successive refreshes that run during the expire.
pub(crate) const EXPIRE: i64 = 10;
/// The minimum advance of a put or a delete: more than any refresh and expire of an overwritten entry from a
/// clock that is ahead.
const WRITE: i64 = 1_000;

/// The timestamps of a store's puts and deletes.
#[derive(Debug, Default)]
pub(crate) struct Timestamps {
    last: AtomicI64,
}

impl Timestamps {
    /// Returns a timestamp later than all that the store has used, and later than that of the overwritten
    /// row, `seen`. A put after a delete then remains, even if a clock is ahead. A row whose clock is ahead
    /// by more than `skew` is also overwritten, but not remembered: otherwise one such entry would advance
    /// all others.
    pub(crate) fn next(&self, seen: Option<i64>, skew: Duration) -> i64 {
        let now = now();
        let least = now.max(seen.map_or(now, |seen| seen.saturating_add(WRITE)));
        let skew = i64::try_from(skew.as_micros()).unwrap_or(i64::MAX);
        if least > now.saturating_add(skew).saturating_add(WRITE) {
            // Two writers over the same entry use different timestamps.
            return least.saturating_add(now % WRITE);
        }
        later(&self.last, least)
    }
}

/// Returns the time of the system clock, independent of the store's clock, because other programs use it too.
/// No two stores of a process get the same value.
fn now() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    later(&LAST, i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Returns at least this value, and more than ever before.
fn later(last: &AtomicI64, least: i64) -> i64 {
    let next = |last: i64| least.max(last.saturating_add(1));
    // Relaxed ordering is sufficient: only this number is shared, and its own history is ordered.
    let before = last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    next(before.unwrap_or_else(|before| before))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEW: Duration = Duration::from_secs(60);

    #[test]
    fn timestamps_rise_whatever_was_seen() {
        let (timestamps, mut last) = (Timestamps::default(), 0);
        let ahead = now() + 30_000_000;
        for seen in [None, Some(1), Some(ahead), None, Some(ahead), None] {
            let next = timestamps.next(seen, SKEW);
            assert!(next > last && seen.is_none_or(|seen| next > seen + EXPIRE), "{next} after {last}");
            last = next;
        }
        assert!(last > ahead && last < ahead + 10 * WRITE);
    }

    #[test]
    fn what_is_too_far_ahead_is_gone_over_and_forgotten() {
        let timestamps = Timestamps::default();
        for far in [now() + 61_000_000, i64::MAX / 2, i64::MAX - 10] {
            assert!(timestamps.next(Some(far), SKEW) > far);
            let next = timestamps.next(None, SKEW);
            assert!(next <= now(), "{far}: {next}");
        }
        assert_eq!(timestamps.next(Some(i64::MAX), SKEW), i64::MAX);
    }

    #[test]
    fn two_stores_use_different_ones() {
        let stores = [Timestamps::default(), Timestamps::default()];
        let mut all: Vec<i64> = (0..1_000).map(|number| stores[number % 2].next(None, SKEW)).collect();
        all.dedup();
        assert_eq!((all.len(), all.is_sorted()), (1_000, true));
    }
}
