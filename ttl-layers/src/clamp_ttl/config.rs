//! The settings of `ClampTtl`.

use ttl_core::{Result, Ttl};

use crate::layer::invalid;

/// A layer that holds every deadline that a call sets within bounds, counted from now.
///
/// | the call asks for | it sets |
/// |---|---|
/// | [`Expiry::After`](ttl_core::Expiry::After), in a put, in an expire or for an entry that a patch creates | the TTL, raised to `min` or lowered to `max` |
/// | [`Expiry::At`](ttl_core::Expiry::At) in the future | the instant, raised to now plus `min` or lowered to now plus `max`, by [`TtlStore::now`](ttl_core::TtlStore::now) |
/// | `Expiry::At`, not in the future | the same: it ends the entry (E6) |
/// | `Expiry::At`, more than [`Ttl::MAX`] away | nothing: it fails with `InvalidExpiry` (E8) |
/// | [`Expiry::Never`](ttl_core::Expiry::Never) | as [`PersistentEntries`] says, if there is a `max` |
/// | a [`Refresh`](ttl_core::options::Refresh) of a get, a put or a patch | its TTL is clamped; if it is lowered, its slack is lowered by the same ratio |
/// | [`ExistingDeadline::Keep`](ttl_core::options::ExistingDeadline::Keep), or no refresh | the present deadline stays |
/// | [`ExpiryChange::Extend`](ttl_core::options::ExpiryChange::Extend) | the extended deadline, lowered to now plus `max`; `min` does not apply, because an extension only adds |
/// | [`Lifespan::cap`](ttl_core::Lifespan::cap) | the same cap. The cap wins over `min` (R4) |
///
/// A deadline that another program set, or that was set before the layer was in use, stays until a call sets
/// it. In [`RefreshMode::ExtendOnly`](ttl_core::RefreshMode::ExtendOnly), a refresh never shortens it (R2).
///
/// The capabilities are those of the inner store. The contract holds with the clamped requests in place of
/// the original ones. The results report the deadlines that were set.
///
/// Cost: none, with one exception. The present deadline of an entry is unknown before an extension. If the
/// extended deadline passes `max`, a second request lowers it. In between, other callers can see the later
/// deadline, and it stays if the call is dropped. If the second request fails, the call fails with
/// [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown).
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::options::{PutOptions, Returning};
/// use ttl_core::{Deadline, Expiry, Key, ManualClock, Ttl, TtlStore};
/// use ttl_layers::{ClampTtl, LayerExt};
/// use ttl_memory::{MemoryConfig, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let config = MemoryConfig::new().with_clock(Arc::new(ManualClock::new()));
/// let layer = ClampTtl::new().with_max(Ttl::days(30));
/// let store = Arc::new(MemoryStore::new(&config)).layer(layer)?;
///
/// let options = PutOptions::new(Expiry::Never).with_returning(Returning::DEADLINE);
/// let put = store.put(&Key::new("cart")?, "empty".into(), options).await?.applied();
/// let deadline = put.and_then(|put| put.deadline);
/// assert_eq!(deadline, Some(Deadline::after(store.now(), Ttl::days(30))));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClampTtl {
    pub(super) min: Option<Ttl>,
    pub(super) max: Option<Ttl>,
    pub(super) persistent: PersistentEntries,
}

/// The treatment of [`Expiry::Never`](ttl_core::Expiry::Never) by a [`ClampTtl`] with a maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PersistentEntries {
    /// It sets the deadline to now plus the maximum.
    #[default]
    Clamped,
    /// It makes the entry persistent. The maximum only applies to entries with a deadline.
    Allowed,
}

impl ClampTtl {
    /// Creates the layer without bounds. At least one is required.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the shortest time from now to a deadline; none by default.
    #[must_use]
    pub const fn with_min(mut self, min: Ttl) -> Self {
        self.min = Some(min);
        self
    }

    /// Sets the longest time from now to a deadline; none by default.
    #[must_use]
    pub const fn with_max(mut self, max: Ttl) -> Self {
        self.max = Some(max);
        self
    }

    /// Sets the treatment of persistent entries; defaults to [`PersistentEntries::Clamped`].
    #[must_use]
    pub const fn with_persistent_entries(mut self, persistent: PersistentEntries) -> Self {
        self.persistent = persistent;
        self
    }

    pub(super) fn check(self) -> Result<()> {
        match (self.min, self.max) {
            (None, None) => Err(invalid("ClampTtl", "max", "a bound: `min`, `max` or both, found none")),
            (Some(min), Some(max)) if min > max => {
                Err(invalid("ClampTtl", "min", &format!("at most the `max` of {max}, found {min}")))
            }
            _ => Ok(()),
        }
    }
}
