//! The settings of `FailOpen`.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::driver::SharedClock;
use ttl_core::{Clock, MonotonicClock, Result};

use super::losses::{FailOpenCounts, Losses};
use crate::layer::{LONGEST, invalid};

/// A layer that hides outages: reads become misses, and writes are lost.
///
/// During an outage, the store behaves like an empty one that forgets every write at once. It is for caches,
/// whose program can recompute every value. An outage is an error of the kind
/// [`Unavailable`](ttl_core::ErrorKind::Unavailable), [`Timeout`](ttl_core::ErrorKind::Timeout) or
/// [`OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown). All other errors stay errors, such as `TooLarge`,
/// `WrongKind`, `Corrupt`, `Contention` and `PermissionDenied`.
///
/// | call | result in an outage |
/// |---|---|
/// | `get`, an item of `get_many` | a miss |
/// | `scan` | an empty page, which ends the listing: the pages before it are incomplete |
/// | `put`, an item of `put_many` | applied, with `created: true`; a requested deadline is in the past, because no entry remains (E6); no version and no creation time |
/// | `expire` | absent |
/// | `delete`, an item of `delete_many` | absent |
/// | a put with a condition or `previous`, `if_version` of any write, a take, a delete that expects a kind | [`Unsupported`](ttl_core::ErrorKind::Unsupported) at any time: the layer denies [`conditions`](ttl_core::Capabilities::conditions) |
/// | `patch` | `Unsupported` at any time: the layer denies [`patch`](ttl_core::Capabilities::patch) |
///
/// A caller of a condition, a take or a patch relies on the result. A lost one would grant a lease twice, or
/// let a throttle pass everyone. So these calls fail before anything is sent. Collections check the
/// capabilities when they are built: leases and counters cannot be built on this layer.
///
/// **A lost write leaves the stored entry.** After an outage, an entry is visible again that was deleted
/// during it, and an older value is visible again that was replaced during it. Do not use this layer where a
/// delete must hold, as for sessions. An `OutcomeUnknown` counts as lost, although the write may have been
/// applied, now or later.
///
/// The layer logs each loss with `tracing` at the level `DEBUG`. It also logs a warning with the first loss,
/// and then at most one in each interval, with the number of losses since the last one. The counts are shared
/// by all stores that these settings, or clones of them, wrap.
///
/// Apply this layer outside of [`Retry`](crate::Retry), [`CircuitBreaker`](crate::CircuitBreaker) and
/// [`Timeout`](crate::Timeout), which need to see the errors.
///
/// Invalid input stays an error in an outage too, even if an open circuit hid the check of the inner store: a
/// value above [`max_value_bytes`](ttl_core::Capabilities::max_value_bytes), and a deadline that is too far
/// away (E8).
///
/// Cost: no request. A put copies its options and shares its value. A lost call takes a short lock, and a lost
/// put of a record is serialized to measure it.
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::options::GetOptions;
/// use ttl_core::{Key, TtlStore};
/// use ttl_layers::{FailOpen, LayerExt};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let fail_open = FailOpen::new();
/// let store = Arc::new(MemoryStore::default()).layer(&fail_open)?;
/// assert!(store.get(&Key::new("none")?, GetOptions::new()).await?.is_none());
/// assert_eq!((fail_open.counts().reads(), fail_open.counts().writes()), (0, 0));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct FailOpen {
    pub(super) log_interval: Duration,
    pub(super) clock: SharedClock,
    pub(super) losses: Arc<Losses>,
}

impl FailOpen {
    /// Creates the layer, with at most one warning in 10 s.
    #[must_use]
    pub fn new() -> Self {
        Self {
            log_interval: Duration::from_secs(10),
            clock: SharedClock(Arc::new(MonotonicClock::new())),
            losses: Arc::default(),
        }
    }

    /// Sets the shortest time between two warnings: at most one day, by default 10 s. Zero logs every loss as
    /// a warning.
    #[must_use]
    pub const fn with_log_interval(mut self, interval: Duration) -> Self {
        self.log_interval = interval;
        self
    }

    /// Sets the clock that measures the interval, such as a [`ManualClock`](ttl_core::ManualClock) in tests.
    /// Defaults to a [`MonotonicClock`].
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = SharedClock(clock);
        self
    }

    /// Returns the counts of all stores that these settings, or clones of them, wrap.
    #[must_use]
    pub fn counts(&self) -> FailOpenCounts {
        self.losses.counts()
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.log_interval > LONGEST {
            let expected = format!("at most one day, found {:?}", self.log_interval);
            return Err(invalid("FailOpen", "log_interval", &expected));
        }
        Ok(())
    }
}

impl Default for FailOpen {
    fn default() -> Self {
        Self::new()
    }
}
