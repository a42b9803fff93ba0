//! The waits before a retry after a lost response.

use std::time::Duration;

use rand::RngExt;
use ttl_core::{Error, ErrorKind};

/// The maximum wait before the first retry.
const FIRST: Duration = Duration::from_millis(20);
/// The maximum wait before any retry.
const LONGEST: Duration = Duration::from_millis(160);

/// The random waits before a retry, for a broken connection or an overloaded server. They grow, and keep
/// callers whose responses were lost together from retrying together.
pub(crate) struct RetryWait {
    longest: Duration,
}

impl RetryWait {
    pub(crate) const fn new() -> Self {
        Self { longest: FIRST }
    }

    /// Returns whether a request that failed with this error may soon succeed. If so, waits first.
    pub(crate) async fn after(&mut self, error: &Error) -> bool {
        let may_succeed = error.kind() == ErrorKind::Unavailable;
        if may_succeed {
            let wait = self.longest.mul_f64(rand::rng().random_range(0.5..1.0));
            tokio::time::sleep(wait).await;
            self.longest = LONGEST.min(self.longest * 2);
        }
        may_succeed
    }
}
