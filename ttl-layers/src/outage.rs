//! The errors that mean that a backend is out.

use ttl_core::{Error, ErrorKind, Result};

/// Returns whether the backend did not answer. A write that was sent and got no answer is an outage too.
pub(crate) fn is_outage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::OutcomeUnknown)
}

/// Returns whether the call failed because the backend did not answer.
pub(crate) fn is_out<T>(result: &Result<T>) -> bool {
    result.as_ref().is_err_and(is_outage)
}
