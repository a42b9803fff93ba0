//! Counts the calls of one case and the repeated calls. Records whether the outcome of a call is unknown, and
//! which call never returned.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use ttl_core::ErrorKind;

use crate::Failure;

/// Failed calls that a case may repeat whatever their share: one stall of a server can fail several calls.
const FREE: u64 = 5;

/// One call in this many may fail because the server was slow or unavailable.
const SHARE: u64 = 10;

/// The numbers of calls of a case that failed with a retryable error and were repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retried {
    /// All calls of the case, repeated ones included.
    pub calls: u64,
    /// Calls that returned [`ErrorKind::Contention`].
    pub contention: u64,
    /// Calls that returned [`ErrorKind::Timeout`].
    pub timeout: u64,
    /// Calls that returned [`ErrorKind::Unavailable`], and refreshes that failed with another retryable
    /// error.
    pub unavailable: u64,
}

impl Retried {
    /// Returns the number of repeated calls.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.contention + self.timeout + self.unavailable
    }

    /// Returns a failure if the store was slow or unavailable too often to be tested.
    pub(crate) fn excess(&self) -> Option<Failure> {
        let failed = self.timeout + self.unavailable;
        (failed > FREE + self.calls / SHARE).then(|| {
            Failure::new(
                format!("at most one call in {SHARE} that returns Timeout or Unavailable"),
                format!("{failed} of {} calls", self.calls),
            )
        })
    }
}

impl fmt::Display for Retried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} calls repeated:", self.total(), self.calls)?;
        let kinds =
            [("Contention", self.contention), ("Timeout", self.timeout), ("Unavailable", self.unavailable)];
        let mut separator = " ";
        for (name, count) in kinds.into_iter().filter(|(_, count)| *count > 0) {
            write!(f, "{separator}{count} {name}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// The state that the stores of one case share.
#[derive(Debug)]
pub(crate) struct Calls {
    /// The case's name, for notices.
    pub(crate) case: String,
    /// The time limit of a call.
    pub(crate) limit: Duration,
    made: AtomicU64,
    contention: AtomicU64,
    timeout: AtomicU64,
    unavailable: AtomicU64,
    unknown: AtomicBool,
    hung: Mutex<Option<&'static str>>,
    hang: Notify,
}

impl Calls {
    pub(crate) fn new(case: String, limit: Duration) -> Self {
        Self {
            case,
            limit,
            made: AtomicU64::new(0),
            contention: AtomicU64::new(0),
            timeout: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
            unknown: AtomicBool::new(false),
            hung: Mutex::new(None),
            hang: Notify::new(),
        }
    }

    pub(crate) fn count_call(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_retry(&self, kind: ErrorKind) {
        let counter = match kind {
            ErrorKind::Contention => &self.contention,
            ErrorKind::Timeout => &self.timeout,
            _ => &self.unavailable,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that a call returned [`ErrorKind::OutcomeUnknown`].
    pub(crate) fn note_unknown(&self) {
        self.unknown.store(true, Ordering::Relaxed);
    }

    /// Returns whether a call returned [`ErrorKind::OutcomeUnknown`].
    pub(crate) fn has_unknown(&self) -> bool {
        self.unknown.load(Ordering::Relaxed)
    }

    pub(crate) fn retried(&self) -> Retried {
        Retried {
            calls: self.made.load(Ordering::Relaxed),
            contention: self.contention.load(Ordering::Relaxed),
            timeout: self.timeout.load(Ordering::Relaxed),
            unavailable: self.unavailable.load(Ordering::Relaxed),
        }
    }

    /// Records that this operation did not return within the limit.
    pub(crate) fn note_hang(&self, operation: &'static str) {
        self.hung.lock().get_or_insert(operation);
        self.hang.notify_one();
    }

    /// Waits until an operation exceeds the limit, and returns the failure.
    pub(crate) async fn hung(&self) -> Failure {
        self.hang.notified().await;
        let operation = self.hung.lock().unwrap_or("a call");
        Failure::new(format!("an answer to `{operation}` within {:?}", self.limit), "none")
    }
}
