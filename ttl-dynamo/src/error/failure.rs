//! Failed requests, and what is known of failed writes.

use ttl_core::Error;
use ttl_core::driver::WriteFailure;

use super::build::unknown;

/// A failed request.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The error if nothing was applied.
    pub(crate) error: Error,
    /// Whether the request may have been executed.
    pub(crate) may_have_applied: bool,
    /// Whether a retry may succeed.
    pub(crate) retryable: bool,
    /// Whether DynamoDB rejects this form of request.
    pub(crate) invalid_request: bool,
}

impl Failure {
    /// Creates a failure that was not executed and must not be retried.
    pub(crate) fn permanent(error: Error) -> Self {
        Self { error, may_have_applied: false, retryable: false, invalid_request: false }
    }

    /// Creates a failure that was rejected without being executed, and may be retried.
    pub(crate) fn transient(error: Error) -> Self {
        Self { retryable: true, ..Self::permanent(error) }
    }

    /// Creates a failure that may have been executed.
    pub(crate) fn unknown(error: Error) -> Self {
        Self { may_have_applied: true, ..Self::transient(error) }
    }
}

/// A write that failed, with all of its attempts.
#[derive(Debug)]
pub(crate) struct FailedWrite {
    failure: WriteFailure,
    /// Whether DynamoDB rejects this form of request.
    pub(crate) invalid_request: bool,
}

impl FailedWrite {
    /// Creates the failure of a write that was not applied.
    pub(crate) fn not_applied(error: Error) -> Self {
        Self { failure: WriteFailure::NotApplied(error), invalid_request: false }
    }

    /// Creates the failure of a write that may have been applied.
    pub(crate) fn unknown(error: Error) -> Self {
        Self { failure: WriteFailure::Unknown(error), invalid_request: false }
    }

    /// Returns the error if the outcome cannot be determined.
    pub(crate) fn into_error(self) -> Error {
        match self.failure {
            WriteFailure::NotApplied(error) => error,
            WriteFailure::Unknown(error) => unknown(&error),
        }
    }
}

impl From<Failure> for FailedWrite {
    fn from(failure: Failure) -> Self {
        let Failure { error, may_have_applied, invalid_request, .. } = failure;
        let failure =
            if may_have_applied { WriteFailure::Unknown(error) } else { WriteFailure::NotApplied(error) };
        Self { failure, invalid_request }
    }
}
