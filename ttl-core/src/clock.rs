//! Clocks: the one that decides about visibility, and one that tests move by hand.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Says what time it is, for drivers in which the client decides what has expired.
///
/// An implementation must not run backwards: an entry that has been seen dead would live again.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current instant.
    fn now(&self) -> SystemTime;
}

/// The system's wall clock, held still while it steps backwards: within a process `now` never decreases, so that
/// a correction of the clock revives nothing.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest_nanos: AtomicU64,
}

impl SystemClock {
    /// The system's clock.
    #[must_use]
    pub const fn new() -> Self {
        Self { latest_nanos: AtomicU64::new(0) }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        let now = nanos_since_epoch(SystemTime::now());
        // Relaxed: only this one number is shared, and fetch_max orders its own history.
        from_nanos(self.latest_nanos.fetch_max(now, Ordering::Relaxed).max(now))
    }
}

/// The time of one system clock for the whole process: what a store without a clock of its own goes by.
pub(crate) fn system_now() -> SystemTime {
    static SHARED: SystemClock = SystemClock::new();
    SHARED.now()
}

/// The system's time when it was made, moved on by the monotonic clock: steps of the wall clock, forwards or
/// backwards, do not touch it. On systems whose monotonic clock stands still while the machine sleeps (Linux,
/// macOS), so does this one.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock {
    start: Instant,
    epoch: SystemTime,
}

impl MonotonicClock {
    /// A clock that starts at the system's current time.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), epoch: SystemTime::now() }
    }
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    #[inline]
    fn now(&self) -> SystemTime {
        self.epoch + self.start.elapsed()
    }
}

/// A clock that stands still until it is moved, for tests.
///
/// Share it by `Arc`: one handle for the store, one for the test.
///
/// ```
/// use std::time::Duration;
/// use ttl_core::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), before + Duration::from_secs(60));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    nanos: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at a fixed instant of the year 2026, on a whole millisecond.
    #[must_use]
    pub const fn new() -> Self {
        Self { nanos: AtomicU64::new(1_767_225_600_000_000_000) }
    }

    /// A clock that stands at this instant (between 1970 and 2554).
    #[must_use]
    pub fn starting_at(instant: SystemTime) -> Self {
        Self { nanos: AtomicU64::new(nanos_since_epoch(instant)) }
    }

    /// Moves the clock forwards. It cannot be moved back, see [`Clock`].
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let add = |now: u64| Some(now.saturating_add(by));
        // SeqCst: what a test does before a step is seen by whoever sees the step.
        let _ = self.nanos.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        from_nanos(self.nanos.load(Ordering::SeqCst))
    }
}

fn nanos_since_epoch(instant: SystemTime) -> u64 {
    instant.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

fn from_nanos(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_does_not_step_back() {
        let clock = SystemClock::new();
        let ahead = SystemTime::now() + Duration::from_secs(3_600);
        clock.latest_nanos.store(nanos_since_epoch(ahead), Ordering::Relaxed);
        assert_eq!(clock.now(), from_nanos(nanos_since_epoch(ahead)));
    }

    #[test]
    fn a_manual_clock_saturates() {
        let clock = ManualClock::starting_at(UNIX_EPOCH);
        assert_eq!(clock.now(), UNIX_EPOCH);
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert!(clock.now() > UNIX_EPOCH);
    }
}
