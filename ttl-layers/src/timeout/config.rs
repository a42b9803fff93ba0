//! The settings of `Timeout`.

use std::time::Duration;

use ttl_core::Result;

use crate::layer::{LONGEST, invalid};

/// A layer that limits the duration of every call, from the call to its result.
///
/// | a late call | result |
/// |---|---|
/// | `get`, `scan`, an item of `get_many` | [`ErrorKind::Timeout`](ttl_core::ErrorKind::Timeout); the refresh of a get may have been applied (H3) |
/// | `put`, `expire`, `patch`, `delete`, an item of their batches | [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown): the write may have been applied, now or later (H3) |
///
/// The future of the inner call is dropped at the limit, which leaves every entry whole (C4). A batch has one
/// limit for all of its items. A late batch loses the results of the items that were ready.
///
/// Drivers have their own limits for a request. This layer limits the call as a whole: above
/// [`Retry`](crate::Retry) all attempts together, below it each attempt. Set a limit above that of the
/// driver, because a driver often knows that a late write was not applied, and this layer does not.
///
/// Cost: one timer for a call that does not finish at once. It needs no async runtime. `put_many` copies the
/// keys.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use ttl_core::options::GetOptions;
/// use ttl_core::{Key, TtlStore};
/// use ttl_layers::{LayerExt, Timeout};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let store = Arc::new(MemoryStore::default()).layer(Timeout::new(Duration::from_secs(2)))?;
/// assert!(store.get(&Key::new("none")?, GetOptions::new()).await?.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout {
    pub(super) limit: Duration,
}

impl Timeout {
    /// Creates the layer with the limit of a call: above zero, and at most one day.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self { limit }
    }

    pub(super) fn check(self) -> Result<()> {
        if self.limit.is_zero() || self.limit > LONGEST {
            let expected = format!("a duration above zero and at most one day, found {:?}", self.limit);
            return Err(invalid("Timeout", "limit", &expected));
        }
        Ok(())
    }
}
