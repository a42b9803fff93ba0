//! The settings of a cache.

use std::time::Duration;

use ttl_core::Ttl;

/// What a call does if the store is out: it is unreachable, or does not answer in time.
///
/// An outage is never a miss, so the cache does not treat it as one by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOutage {
    /// The call fails with [`CacheError::Store`](crate::CacheError::Store).
    #[default]
    Fail,
    /// The call loads the value and does not store it. At most
    /// [`outage_loads`](crate::CacheBuilder::outage_loads) loads run at the same time in this process; other
    /// calls wait. Calls for the same key share a load that begins after all of them.
    Load,
    /// The call returns the near copy, if it has one whose entry has not expired, however long ago it was
    /// checked. Otherwise it fails. Needs [`CacheBuilder::near`](crate::CacheBuilder::near).
    ServeStale,
    /// The call returns the near copy as with [`OnOutage::ServeStale`]. Otherwise it loads as with
    /// [`OnOutage::Load`].
    ServeStaleOrLoad,
}

impl OnOutage {
    pub(crate) const fn serves_stale(self) -> bool {
        matches!(self, Self::ServeStale | Self::ServeStaleOrLoad)
    }

    pub(crate) const fn loads(self) -> bool {
        matches!(self, Self::Load | Self::ServeStaleOrLoad)
    }
}

/// Who takes part in the promises of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coordination {
    /// All processes that use the store. Needs a store with conditions.
    #[default]
    AllProcesses,
    /// The tasks of this process. Each process loads for itself. A load that is under way in one process can
    /// store its value after an invalidation by another process. Works on every store.
    ThisProcess,
}

/// The near cache: decoded copies in the memory of this process. A hit there needs no request.
///
/// A copy is never returned at or after the deadline of its entry. A change by this process removes it at
/// once. A change by another process is noticed after `max_staleness` at the latest.
///
/// ```
/// use std::time::Duration;
/// use ttl_cache::Near;
///
/// let near = Near::new(10_000).max_bytes(64 << 20).max_staleness(Duration::from_millis(500));
/// # let _ = near;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Near {
    pub(crate) max_entries: usize,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) max_staleness: Duration,
}

impl Near {
    /// Creates the settings of a near cache for so many entries, with a maximum staleness of one second.
    pub const fn new(max_entries: usize) -> Self {
        Self { max_entries, max_bytes: None, max_staleness: Duration::from_secs(1) }
    }

    /// Limits the sum of the encoded sizes of the values. Unlimited by default.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Sets the time for which a copy is returned without a check of the entry.
    pub const fn max_staleness(mut self, max: Duration) -> Self {
        self.max_staleness = max;
        self
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) ttl: Ttl,
    pub(crate) fresh_for: Option<Ttl>,
    pub(crate) absent_ttl: Option<Ttl>,
    pub(crate) early_refresh: f64,
    pub(crate) jitter: f64,
    pub(crate) soft_timeout: Duration,
    pub(crate) hard_timeout: Option<Duration>,
    pub(crate) load_timeout: Ttl,
    pub(crate) retry_pause: Ttl,
    pub(crate) schema: u32,
    pub(crate) on_outage: OnOutage,
    pub(crate) outage_loads: usize,
    pub(crate) coordination: Coordination,
    pub(crate) clearable: bool,
    pub(crate) near: Option<Near>,
}

impl Settings {
    pub(crate) const fn new(name: String, ttl: Ttl) -> Self {
        Self {
            name,
            ttl,
            fresh_for: None,
            absent_ttl: None,
            early_refresh: 0.0,
            jitter: 0.0,
            soft_timeout: Duration::ZERO,
            hard_timeout: None,
            load_timeout: Ttl::seconds(10),
            retry_pause: Ttl::seconds(1),
            schema: 0,
            on_outage: OnOutage::Fail,
            outage_loads: 8,
            coordination: Coordination::AllProcesses,
            clearable: true,
            near: None,
        }
    }

    pub(crate) fn coordinates_processes(&self) -> bool {
        self.coordination == Coordination::AllProcesses
    }
}
