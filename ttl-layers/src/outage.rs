//! The errors that mean that a backend is out.

use ttl_core::{Error, ErrorKind};

/// Returns whether the backend did not answer. A write that was sent and got no answer is an outage too.
pub(crate) fn is_outage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::OutcomeUnknown)
}
