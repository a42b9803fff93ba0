//! Whether the backend is out.

use ttl_core::{Error, Result};

/// Returns whether the call failed because the backend did not answer.
pub(crate) fn is_out<T>(result: &Result<T>) -> bool {
    result.as_ref().is_err_and(Error::is_outage)
}
