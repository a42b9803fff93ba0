//! Attempts: how many an operation has left, and the waits between them.

use std::time::{Duration, Instant};

use rand::RngExt;
use ttl_core::Result;
use ttl_core::driver::contention;

use crate::error::Failure;
use crate::inner::Inner;

/// The remaining attempts of one operation, and its time limit.
#[derive(Debug)]
pub(crate) struct Retries {
    made: u32,
    ends: Instant,
}

impl Retries {
    /// Returns the full number of attempts, within the remaining time.
    pub(crate) fn fresh(&self) -> Self {
        Self { made: 0, ends: self.ends }
    }
}

impl Inner {
    /// Returns the attempts of an operation that begins now.
    pub(crate) fn retries(&self) -> Retries {
        Retries { made: 0, ends: Instant::now() + self.config.timeout }
    }

    /// Waits until the next attempt, or returns the error if no attempt is left.
    pub(crate) async fn retry(&self, retries: &mut Retries, failure: Failure) -> Result<()> {
        retries.made += 1;
        if !failure.retryable || retries.made >= self.config.attempts {
            return Err(failure.error);
        }
        let pause = self.pause(retries.made - 1);
        if Instant::now() + pause >= retries.ends {
            return Err(failure.error);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Waits after a conflict with another writer, as long as the operation has time left. `round` counts the
    /// conflicts from 0; there is no wait after the first one.
    pub(crate) async fn back_off(&self, round: usize, retries: &Retries) -> Result<()> {
        let pause = if round > 0 { self.pause(round.min(4) as u32 - 1) } else { Duration::ZERO };
        if Instant::now() + pause >= retries.ends {
            return Err(contention());
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Returns a random wait with a doubling bound, so that callers in conflict do not collide again.
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        let longest = self.config.backoff.saturating_mul(1 << attempt.min(16)).min(self.config.max_backoff);
        longest.mul_f64(rand::rng().random())
    }
}
