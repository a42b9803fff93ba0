//! Native TTLs: how long the servers keep cells, and until when a row is complete.

use std::time::{Duration, SystemTime};

use scylla::SerializeRow;

use super::columns::{NEVER, now_column};

/// The longest native TTL: 20 years of 365 days.
const MAX_TTL_SECONDS: i64 = 630_720_000;

/// The last second at which servers can expire a cell (2038-01-19T03:14:06Z, less a day for their clocks).
/// Some accept later times, but none reports so.
const LAST_EXPIRY_SECOND: i64 = 2_147_483_646 - 86_400;

/// The native TTL of cells that must exist until an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SerializeRow)]
pub(crate) struct CellLifetime {
    /// The instant until which the cells exist, at least; [`NEVER`] without a native TTL.
    pub(crate) covers: i64,
    /// The operand of `USING TTL`. Zero, which means "no TTL" to the servers, is used only for that.
    pub(crate) ttl: i32,
}

impl CellLifetime {
    /// Returns the lifetime of cells that the servers never delete.
    const FOREVER: Self = Self { covers: NEVER, ttl: 0 };

    /// Returns the lifetime of cells that exist until `millis`, and no longer than the clock skew requires,
    /// where the servers support such a TTL.
    pub(crate) fn until(millis: i64, now: SystemTime, skew: Duration) -> Self {
        match native_ttl(millis, now_column(now), skew, wall_clock_second()) {
            Some(ttl) => Self { covers: millis, ttl },
            None => Self::FOREVER,
        }
    }

    /// Returns a lifetime twice as long as `millis` requires, but not beyond the cap. The following refreshes
    /// then write only the deadline.
    fn doubled(millis: i64, cap: i64, now: SystemTime, skew: Duration) -> Self {
        let ahead = millis.saturating_sub(now_column(now)).max(0);
        let far = millis.saturating_add(ahead).min(cap).max(millis);
        let reach = Self::until(far, now, skew);
        if reach == Self::FOREVER { Self::until(millis, now, skew) } else { reach }
    }

    /// Returns the lifetime of cells that are written again because the deadline moves from `from` to `to`.
    pub(crate) fn for_move(from: Option<i64>, to: i64, cap: i64, now: SystemTime, skew: Duration) -> Self {
        if from < Some(to) { Self::doubled(to, cap, now, skew) } else { Self::until(to, now, skew) }
    }

    /// Returns the native TTL of a deadline cell next to cells that exist until `covers`. `None` if either
    /// could exist without the other.
    pub(crate) fn of_deadline(covers: i64, millis: i64, now: SystemTime, skew: Duration) -> Option<i32> {
        let alone = Self::until(millis, now, skew);
        (covers >= millis && (covers == NEVER) == (alone.covers == NEVER)).then_some(alone.ttl)
    }
}

/// Returns whole seconds, rounded up and at least one; `None` if the servers do not support such a TTL.
fn native_ttl(millis: i64, now_millis: i64, skew: Duration, wall_second: i64) -> Option<i32> {
    if millis == NEVER {
        return None;
    }
    let end = millis.div_euclid(1000) + i64::from(millis.rem_euclid(1000) != 0);
    let skew = i64::try_from(skew.as_millis().div_ceil(1000)).ok()?;
    let ttl = (end - now_millis.div_euclid(1000)).saturating_add(skew).max(1);
    if ttl > MAX_TTL_SECONDS || ttl > LAST_EXPIRY_SECOND.saturating_sub(wall_second) {
        return None;
    }
    i32::try_from(ttl).ok()
}

/// The servers count from their own clocks, independent of the store's clock.
fn wall_clock_second() -> i64 {
    now_column(SystemTime::now()).div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEW: Duration = Duration::from_secs(60);
    const NO_SKEW: Duration = Duration::ZERO;

    #[test]
    fn native_ttls_are_never_early_never_zero_and_at_most_two_seconds_late() {
        for now in [0_i64, 1, 999, 1_000, 1_500, 1_767_225_600_123] {
            for ahead in [-5_000_i64, 0, 1, 999, 1_000, 1_001, 1_900, 60_000, 86_400_001] {
                let ttl = i64::from(native_ttl(now + ahead, now, NO_SKEW, 0).unwrap());
                assert!(ttl >= 1);
                // The server starts at the beginning of the second in which it writes.
                let ends = now.div_euclid(1000) + ttl;
                assert!(ends * 1000 >= now + ahead, "{now} {ahead}: early");
                assert!(ends * 1000 < (now + ahead).max(now) + 2_000, "{now} {ahead}: late");
                let patient = i64::from(native_ttl(now + ahead, now, SKEW, 0).unwrap());
                assert!(patient >= ttl && patient <= ttl + 60);
            }
        }
    }

    #[test]
    fn beyond_the_servers_limits_there_is_no_native_ttl() {
        let max = MAX_TTL_SECONDS * 1000;
        assert_eq!(native_ttl(max, 0, NO_SKEW, 0).map(i64::from), Some(MAX_TTL_SECONDS));
        assert_eq!(native_ttl(max + 1, 0, NO_SKEW, 0), None);
        assert_eq!(native_ttl(max, 0, SKEW, 0), None);
        assert_eq!(native_ttl(NEVER, 0, NO_SKEW, 0), None);
        assert_eq!(native_ttl(NEVER - 1, 0, NO_SKEW, 0), None);
        let day = 86_400;
        assert_eq!(native_ttl(day * 1000, 0, NO_SKEW, LAST_EXPIRY_SECOND - day).map(i64::from), Some(day));
        assert_eq!(native_ttl(day * 1000, 0, NO_SKEW, LAST_EXPIRY_SECOND - day + 1), None);
        assert_eq!(native_ttl(1_000, 0, NO_SKEW, i64::MAX), None);
    }

    #[test]
    fn a_deadline_moves_alone_only_among_cells_that_die_with_it() {
        let (now, at) = (SystemTime::now(), now_column(SystemTime::now()));
        let hour = at + 3_600_000;
        assert!(CellLifetime::of_deadline(hour, hour, now, SKEW).is_some_and(|ttl| ttl > 3_600));
        assert!(CellLifetime::of_deadline(hour + 1, hour, now, SKEW).is_some());
        assert_eq!(CellLifetime::of_deadline(hour - 1, hour, now, SKEW), None);
        // A value that is there for ever under a deadline that is not would be left behind.
        assert_eq!(CellLifetime::of_deadline(NEVER, hour, now, SKEW), None);
        assert_eq!(CellLifetime::of_deadline(hour, NEVER, now, SKEW), None);
        assert_eq!(CellLifetime::of_deadline(NEVER, NEVER, now, SKEW), Some(0));
    }

    #[test]
    fn a_refresh_reaches_twice_as_far_within_the_cap() {
        let now = SystemTime::now();
        let at = now_column(now);
        let covers = |ahead, cap| CellLifetime::doubled(at + ahead, cap, now, SKEW).covers - at;
        assert_eq!(covers(60_000, NEVER), 120_000);
        assert_eq!(covers(60_000, at + 90_000), 90_000);
        assert_eq!(covers(60_000, at + 60_000), 60_000);
        assert_eq!(CellLifetime::doubled(NEVER, NEVER, now, SKEW), CellLifetime::FOREVER);
    }
}
