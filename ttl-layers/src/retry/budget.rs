//! The budget of retries, and their counts. Both are shared by the stores of the same settings.

use std::sync::Mutex;
use std::sync::PoisonError;

/// The counts of a [`Retry`](crate::Retry) since its creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryCounts {
    /// The number of calls that were repeated, each repetition counted. A repeated batch counts once.
    pub retries: u64,
    /// The number of calls that failed with a retryable error after the last attempt.
    pub exhausted: u64,
    /// The number of calls that were not repeated because the budget was used up.
    pub over_budget: u64,
}

/// A bucket of tokens, and the counts.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of spent shares. A retry spends `calls_per_retry` of them, and a successful call returns
    /// one.
    spent: u64,
    counts: RetryCounts,
}

impl Budget {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes one retry from the budget, if one is left.
    pub(super) fn take(&self, capacity: u32, calls_per_retry: u32) -> bool {
        let price = u64::from(calls_per_retry);
        self.with(|state| {
            let taken = state.spent + price <= u64::from(capacity) * price;
            if taken {
                state.spent += price;
                state.counts.retries += 1;
            } else {
                state.counts.over_budget += 1;
            }
            taken
        })
    }

    /// Returns a share of a retry to the budget, after a call that succeeded at its first attempt.
    pub(super) fn give_back(&self) {
        self.with(|state| state.spent = state.spent.saturating_sub(1));
    }

    pub(super) fn count_exhausted(&self) {
        self.with(|state| state.counts.exhausted += 1);
    }

    pub(super) fn counts(&self) -> RetryCounts {
        self.with(|state| state.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successes_earn_retries_up_to_the_capacity() {
        let budget = Budget::default();
        for _ in 0..50 {
            budget.give_back();
        }
        assert!(budget.take(2, 10) && budget.take(2, 10), "the capacity is two");
        assert!(!budget.take(2, 10));
        for _ in 0..9 {
            budget.give_back();
            assert!(!budget.take(2, 10), "nine successes are not enough");
        }
        budget.give_back();
        assert!(budget.take(2, 10) && !budget.take(2, 10));
        assert_eq!((budget.counts().retries, budget.counts().over_budget), (3, 11));
    }
}
