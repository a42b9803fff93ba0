//! The settings of `Retry`.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::Result;

use super::budget::{Budget, RetryCounts};
use crate::layer::{LONGEST, invalid};

/// A layer that repeats calls after temporary errors.
///
/// A call is repeated if its error [`is_retryable`](ttl_core::Error::is_retryable): the error promises that
/// no value changed, so a repetition cannot apply a write twice.
/// [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) is never repeated (H3). A read whose
/// refresh failed has succeeded (R9), and is not repeated either.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `attempts` | 3 | the maximum number of attempts of a call, the first one included |
/// | `backoff`, `max_backoff` | 50 ms, 1 s | the wait before a repetition is random, from zero to `backoff`; the limit doubles with each repetition, up to `max_backoff` |
/// | `budget`, `calls_per_retry` | 100, 10 | the number of retries that can follow each other without successes; afterwards, this many calls that succeed at once allow one retry |
///
/// The budget prevents retries from multiplying the load of a server that is down. It is shared by all stores
/// that these settings, or clones of them, wrap.
///
/// A batch repeats only the failed items, in their order, as one batch. An item of `put_many` or
/// `delete_many` is repeated only if all later items with the same key are repeated too. So items with the
/// same key are never applied in another order.
///
/// Cost: no request without an error. Each call copies its options; a put shares its value. `put_many` copies
/// the keys.
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::options::GetOptions;
/// use ttl_core::{Key, TtlStore};
/// use ttl_layers::{LayerExt, Retry};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let retry = Retry::new().with_attempts(5);
/// let store = Arc::new(MemoryStore::default()).layer(&retry)?;
/// assert!(store.get(&Key::new("none")?, GetOptions::new()).await?.is_none());
/// assert_eq!(retry.counts().retries, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Retry {
    pub(super) attempts: u32,
    backoff: Duration,
    max_backoff: Duration,
    budget: u32,
    calls_per_retry: u32,
    pub(super) shared: Arc<Budget>,
}

impl Retry {
    /// Creates the layer with the default settings and a full budget.
    #[must_use]
    pub fn new() -> Self {
        Self {
            attempts: 3,
            backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(1),
            budget: 100,
            calls_per_retry: 10,
            shared: Arc::default(),
        }
    }

    /// Sets the maximum number of attempts of a call, the first one included; at least 1.
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the longest wait before the first repetition, and before any. Both are at most one day. Zero
    /// repeats at once.
    #[must_use]
    pub const fn with_backoff(mut self, first: Duration, max: Duration) -> Self {
        self.backoff = first;
        self.max_backoff = max;
        self
    }

    /// Sets the number of retries that can follow each other without successes, and the number of calls that
    /// succeed at their first attempt and so allow one more; at least 1 each.
    #[must_use]
    pub const fn with_budget(mut self, retries: u32, calls_per_retry: u32) -> Self {
        self.budget = retries;
        self.calls_per_retry = calls_per_retry;
        self
    }

    /// Returns the counts of all stores that these settings, or clones of them, wrap.
    #[must_use]
    pub fn counts(&self) -> RetryCounts {
        self.shared.counts()
    }

    pub(super) fn take(&self) -> bool {
        self.shared.take(self.budget, self.calls_per_retry)
    }

    /// Returns the random wait before a repetition; `repetition` counts from 0.
    pub(super) fn wait(&self, repetition: u32) -> Duration {
        let most = self.backoff.saturating_mul(1 << repetition.min(31)).min(self.max_backoff);
        most.mul_f64(rand::random())
    }

    pub(super) fn check(&self) -> Result<()> {
        let counts =
            [("attempts", self.attempts), ("budget", self.budget), ("calls_per_retry", self.calls_per_retry)];
        for (setting, count) in counts {
            if count == 0 {
                return Err(invalid("Retry", setting, "at least 1, found 0"));
            }
        }
        if self.max_backoff > LONGEST {
            let expected = format!("at most one day, found {:?}", self.max_backoff);
            return Err(invalid("Retry", "max_backoff", &expected));
        }
        if self.backoff > self.max_backoff {
            let expected =
                format!("at most the `max_backoff` of {:?}, found {:?}", self.max_backoff, self.backoff);
            return Err(invalid("Retry", "backoff", &expected));
        }
        Ok(())
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum_and_are_random() {
        let retry = Retry::new().with_backoff(Duration::from_millis(10), Duration::from_millis(35));
        for (repetition, most) in [(0, 10), (1, 20), (2, 35), (3, 35), (u32::MAX, 35)] {
            let most = Duration::from_millis(most);
            let waits: Vec<Duration> = (0..100).map(|_| retry.wait(repetition)).collect();
            assert!(waits.iter().all(|wait| *wait <= most), "{repetition}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait > most / 4), "{repetition}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait < most * 3 / 4), "{repetition}: {waits:?}");
        }
        let at_once = Retry::new().with_backoff(Duration::ZERO, Duration::ZERO);
        assert_eq!(at_once.wait(7), Duration::ZERO);
    }
}
