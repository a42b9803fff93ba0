//! The runtime that runs the tasks of a cache.

use tokio::runtime::Handle;
use ttl_core::{Error, ErrorKind, Result};

/// Returns the runtime that runs loads.
pub(crate) fn runtime() -> Result<Handle> {
    Handle::try_current().map_err(|_| {
        Error::new(
            ErrorKind::Unsupported,
            "a cache loads in tasks of Tokio, and this call was made outside a Tokio runtime",
        )
        .with_operation("load")
    })
}
