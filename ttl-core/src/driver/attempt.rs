//! Attempts of a write: their number, the wait between them, and the possible outcomes of a failed one.

use std::time::Duration;

use crate::{Error, ErrorKind};

/// The maximum number of attempts of a write that conflicts with other writers.
pub const MAX_ATTEMPTS: usize = 64;

/// The longest wait after a conflict.
const LONGEST_WAIT: Duration = Duration::from_millis(64);

/// Returns a random wait before the next attempt after a conflict, so that conflicting writers do not
/// conflict again; `attempt` counts from 0. The wait is at most 1 ms after the first attempt. The limit
/// doubles with each further attempt, up to 64 ms.
#[must_use]
pub fn back_off(attempt: usize) -> Duration {
    let most = Duration::from_millis(1 << attempt.min(6)).min(LONGEST_WAIT);
    most.mul_f64(rand::random())
}

/// Creates the [`ErrorKind::Contention`] error of a write whose attempts have all had a conflict.
#[must_use]
pub fn contention() -> Error {
    Error::new(
        ErrorKind::Contention,
        "other writers changed the entry before every attempt; nothing was applied, retry later",
    )
}

/// The possible outcome of a write whose request failed (H3).
#[derive(Debug)]
pub enum WriteFailure {
    /// The write was not applied and will not be.
    NotApplied(Error),
    /// The write may have been applied, or may be applied later.
    Unknown(Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_bounded() {
        for attempt in [0, 1, 5, 6, 7, 63, usize::MAX] {
            let most = Duration::from_millis(1 << attempt.min(6));
            let times: Vec<Duration> = (0..100).map(|_| back_off(attempt)).collect();
            assert!(times.iter().all(|time| *time <= most), "{attempt}: {times:?}");
            assert!(times.iter().any(|time| *time > most / 4), "{attempt}: {times:?}");
            assert!(times.iter().any(|time| *time < most * 3 / 4), "{attempt}: {times:?}");
        }
    }
}
