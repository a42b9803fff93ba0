//! Clocks: the system's, a monotonic one, and one that tests move by hand.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of the current time, for drivers in which the client decides about expiry.
///
/// An implementation must never run backwards, because an entry that was already seen as expired would become
/// visible again.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> SystemTime;
}

/// The system's wall clock, corrected so that it never runs backwards within this process.
///
/// If the wall clock is set back, this clock continues at half speed until the wall clock has caught up, and
/// then follows it again. Stopping the clock would be worse: a one-second entry would live until the wall
/// clock caught up. After a step back by `s`, this clock is ahead of the wall clock by at most `s`, for at
/// most `2 * s`. During that time an entry lives at most twice as long as it should. A step back of 100 ms or
/// more is logged as a warning.
///
/// If the wall clock is set forward, this clock follows at once.
///
/// All instances share one state, so all stores of a process see the same time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    /// Creates a handle to the system clock of the process.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        system_now()
    }
}

/// Returns the system time of the process, which never decreases. Stores without a custom clock use it.
pub(crate) fn system_now() -> SystemTime {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    static FOLLOWER: Mutex<Follower> = Mutex::new(Follower::new());
    let mut follower = FOLLOWER.lock().unwrap_or_else(PoisonError::into_inner);
    // Read under the lock, so that no reading is older than the state that it is compared with.
    let monotonic = u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let wall = nanos_since_epoch(SystemTime::now());
    let (now, stepped_back) = follower.follow(wall, monotonic);
    drop(follower);
    if let Some(step) = stepped_back {
        tracing::warn!(
            "the system clock was set back by {step:?}; the clock of ttl-store runs at half speed for the \
             next {:?}, and entries live up to twice as long",
            step * 2
        );
    }
    from_nanos(now)
}

/// The smallest step back of the wall clock that is logged. Synchronization in small steps is normal.
const WARNED_STEP: Duration = Duration::from_millis(100);

/// Follows the wall clock without ever running backwards, with the help of the monotonic clock. All in
/// nanoseconds.
#[derive(Debug)]
struct Follower {
    /// The last returned time.
    told: u64,
    /// The monotonic clock at that time.
    monotonic: u64,
    /// Whether the last returned time was ahead of the wall clock.
    ahead: bool,
}

impl Follower {
    const fn new() -> Self {
        Self { told: 0, monotonic: 0, ahead: false }
    }

    /// Returns the current time, and the size of a step back of the wall clock since the last call, if it is
    /// worth a warning.
    fn follow(&mut self, wall: u64, monotonic: u64) -> (u64, Option<Duration>) {
        let elapsed = monotonic.saturating_sub(self.monotonic);
        let slow = self.told.saturating_add(elapsed / 2);
        let ahead = wall < slow && self.told != 0;
        // A further step back while this clock is still ahead is not detected.
        let step = self.told.saturating_add(elapsed).saturating_sub(wall);
        let stepped = !self.ahead && ahead && Duration::from_nanos(step) >= WARNED_STEP;
        if ahead {
            // Half of an odd number of nanoseconds is not a whole number; the odd one is kept for the next
            // call.
            if slow > self.told {
                self.told = slow;
                self.monotonic = monotonic - elapsed % 2;
            }
        } else {
            self.told = self.told.max(wall);
            self.monotonic = monotonic;
        }
        self.ahead = ahead;
        (self.told, stepped.then(|| Duration::from_nanos(step)))
    }
}

/// A clock that starts at the system time and advances with the monotonic clock. Steps of the wall clock, forward
/// or backward, do not affect it. If the system's monotonic clock stops while the machine sleeps (Linux, macOS),
/// so does this clock.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock {
    start: Instant,
    epoch: SystemTime,
}

impl MonotonicClock {
    /// Creates a clock that starts at the current system time.
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

/// A clock for tests, which does not advance until it is moved.
///
/// Share it in an `Arc`, with one handle for the store and one for the test.
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
    /// Creates a clock at a fixed instant of the year 2026, on a whole millisecond.
    #[must_use]
    pub const fn new() -> Self {
        Self { nanos: AtomicU64::new(1_767_225_600_000_000_000) }
    }

    /// Creates a clock at this instant (between 1970 and 2554).
    #[must_use]
    pub fn starting_at(instant: SystemTime) -> Self {
        Self { nanos: AtomicU64::new(nanos_since_epoch(instant)) }
    }

    /// Moves the clock forward. It cannot be moved back; see [`Clock`].
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let add = |now: u64| Some(now.saturating_add(by));
        // SeqCst: a thread that sees the step also sees everything that the test did before it.
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

    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3_600 * SECOND;

    #[test]
    fn the_clock_follows_a_wall_clock_that_runs_and_jumps_ahead() {
        let mut follower = Follower::new();
        assert_eq!(follower.follow(10 * HOUR, 5), (10 * HOUR, None));
        assert_eq!(follower.follow(10 * HOUR + 7, 12), (10 * HOUR + 7, None));
        assert_eq!(follower.follow(11 * HOUR, 13), (11 * HOUR, None));
    }

    #[test]
    fn after_a_step_back_the_clock_runs_at_half_speed_until_the_wall_clock_has_caught_up() {
        let mut follower = Follower::new();
        follower.follow(11 * HOUR, 0);
        // Put right by an hour, a second later.
        let (now, step) = follower.follow(10 * HOUR + SECOND, SECOND);
        assert_eq!((now, step), (11 * HOUR + SECOND / 2, Some(Duration::from_secs(3_600))));
        for at in [2, 3, 1_000, 3_599, 7_000, 7_199] {
            let (now, step) = follower.follow(10 * HOUR + at * SECOND, at * SECOND);
            assert_eq!((now, step), (11 * HOUR + at * SECOND / 2, None), "{at} s after the step");
        }
        for at in [7_200, 7_201, 9_000] {
            assert_eq!(
                follower.follow(10 * HOUR + at * SECOND, at * SECOND),
                (10 * HOUR + at * SECOND, None)
            );
        }
    }

    #[test]
    fn many_readings_do_not_slow_the_clock_down() {
        let mut follower = Follower::new();
        follower.follow(11 * HOUR, 0);
        for monotonic in 0..10_001 {
            follower.follow(10 * HOUR + monotonic, monotonic);
        }
        assert_eq!(follower.told, 11 * HOUR + 5_000);
    }

    #[test]
    fn each_step_back_is_told_once_and_small_ones_never() {
        let mut follower = Follower::new();
        follower.follow(HOUR, 0);
        assert_eq!(follower.follow(HOUR - 99_000_000, 1).1, None);
        assert_eq!(follower.follow(HOUR + SECOND, SECOND), (HOUR + SECOND, None));
        assert!(follower.follow(HOUR, SECOND + 1).1.is_some());
        assert!(follower.follow(HOUR, SECOND + 2).1.is_none());
    }

    #[test]
    fn the_system_clock_never_decreases() {
        let mut before = SystemClock::new().now();
        for _ in 0..1_000 {
            let now = SystemClock.now();
            assert!(now >= before);
            before = now;
        }
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
