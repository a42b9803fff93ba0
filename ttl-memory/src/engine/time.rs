//! The time of the store's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ttl_core::driver::{Now, SharedClock};

/// The minimum distance of a deadline for a coarse reading to decide. A coarse reading is never ahead of the
/// clock. It is behind the clock by at most a tick of the kernel's timer, ten milliseconds.
const CLEAR_MILLIS: u64 = 1_000;

/// The clock of a store.
pub(crate) enum Time {
    /// As `ttl_core::MonotonicClock`: the system time at the creation of the store, advanced by the monotonic
    /// clock. An operation reads it once and compares often, so the time is a plain number.
    Monotonic { offset_nanos: u64 },
    /// A clock from the configuration.
    Other(SharedClock),
}

impl Time {
    pub(crate) fn new(clock: Option<SharedClock>) -> Self {
        if let Some(clock) = clock {
            return Self::Other(clock);
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::Monotonic { offset_nanos: nanos(since).saturating_sub(monotonic::precise()) }
    }

    #[inline]
    pub(crate) fn now(&self) -> Now {
        match self {
            Self::Monotonic { offset_nanos } => Now::from_epoch_nanos(offset_nanos + monotonic::precise()),
            Self::Other(clock) => clock.now().into(),
        }
    }

    /// Returns an instant at which an entry with this deadline has expired if and only if it has expired now.
    /// This is a coarse reading if the deadline is far from both, else the precise time.
    ///
    /// A precise reading waits for all instructions in flight, which is most of the cost of a get.
    #[inline]
    pub(crate) fn now_for(&self, deadline: u64) -> Now {
        if let Self::Monotonic { offset_nanos } = self {
            let coarse = Now::from_epoch_nanos(offset_nanos + monotonic::coarse());
            if deadline > coarse.as_epoch_millis() + CLEAR_MILLIS {
                return coarse;
            }
        }
        self.now()
    }

    pub(crate) fn system_time(&self) -> SystemTime {
        match self {
            Self::Monotonic { offset_nanos } => {
                UNIX_EPOCH + Duration::from_nanos(offset_nanos + monotonic::precise())
            }
            Self::Other(clock) => clock.now(),
        }
    }
}

/// Converts to nanoseconds, which fit until the year 2554.
fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

/// The monotonic clock in nanoseconds since some instant.
#[cfg(target_os = "linux")]
mod monotonic {
    use rustix::time::{ClockId, clock_gettime};

    #[inline]
    pub(super) fn precise() -> u64 {
        nanos(ClockId::Monotonic)
    }

    #[inline]
    pub(super) fn coarse() -> u64 {
        nanos(ClockId::MonotonicCoarse)
    }

    #[inline]
    fn nanos(clock: ClockId) -> u64 {
        let time = clock_gettime(clock);
        // Both are positive: the clock starts with the machine.
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

#[cfg(not(target_os = "linux"))]
mod monotonic {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(super) fn precise() -> u64 {
        super::nanos(START.elapsed())
    }

    pub(super) fn coarse() -> u64 {
        precise()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_reading_is_never_ahead_and_decides_far_deadlines_only() {
        let time = Time::new(None);
        for _ in 0..1000 {
            let before = time.now();
            let coarse = time.now_for(u64::MAX);
            assert!(coarse <= time.now());
            // A near deadline is judged precisely, never by a reading from before the call.
            assert!(time.now_for(before.as_epoch_millis() + 1) >= before);
        }
    }

    #[test]
    fn the_clock_starts_at_the_systems_time() {
        let before = SystemTime::now();
        let told = Time::new(None).system_time();
        let apart = told.duration_since(before).unwrap_or_else(|error| error.duration());
        assert!(apart < Duration::from_secs(60), "{apart:?}");
    }
}
