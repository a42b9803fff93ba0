//! The wait before the next attempt to connect.

use std::time::Duration;

use rand::RngExt;

/// The wait after the first failed attempt. It doubles with each further one.
const FIRST: Duration = Duration::from_millis(20);

/// Returns the wait after `failures` consecutive failed attempts: zero after none, and at most `longest`. The
/// wait is a random half to whole of the doubled value, so that not all clients of a server that comes back
/// connect at once.
pub(crate) fn back_off(failures: u32, longest: Duration) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let whole = FIRST.saturating_mul(1 << doublings.min(20)).min(longest);
    whole.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest_one() {
        let longest = Duration::from_millis(500);
        assert_eq!(back_off(0, longest), Duration::ZERO);
        for (failures, whole) in [(1, 20), (2, 40), (3, 80), (6, 500), (1000, 500)] {
            let wait = back_off(failures, longest);
            let whole = Duration::from_millis(whole);
            assert!(whole / 2 <= wait && wait <= whole, "{failures}: {wait:?}");
        }
    }
}
