//! The settings of `Fallback`.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::driver::SharedClock;
use ttl_core::{Clock, MonotonicClock, Ttl, TtlStore};

use super::entries::{Entries, FallbackCounts};

/// A layer that uses a second store while the first is out.
///
/// The store that the layer wraps is the primary. The secondary is usually a memory store of the process. It
/// holds only what was written during an outage: it is not a copy of the primary.
/// An outage is an error of the kind [`Unavailable`](ttl_core::ErrorKind::Unavailable),
/// [`Timeout`](ttl_core::ErrorKind::Timeout) or [`OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown).
///
/// | call | the primary answers | the primary is out |
/// |---|---|---|
/// | `get`, an item of `get_many` | its answer | the entry of the secondary, or the primary's error if there is none (H2). A requested refresh is not made; the entry carries the primary's error (R9) |
/// | a plain put (no condition, no `previous`), an item of `put_many` | its answer | written to the secondary, for at most `max_ttl`; the result is that of the secondary. If the secondary fails, the primary's error |
/// | a put whose instant is not in the future | its answer | the primary's error: only the primary can end its entry |
/// | a put with a condition or `previous`, `patch`, `delete`, a take | its answer | the primary's error |
/// | `expire` | its answer | the primary's error. The entry of the secondary is shortened if the new deadline is sooner, and never extended |
/// | `scan` | its answer | the primary's error |
///
/// **Every write removes its key from the secondary.** All but `expire` remove it first, and then go to the
/// primary. So an entry of an outage never comes back after a write that began later:
///
/// * If the process dies between the two steps, the entry of the outage is lost, and the primary is as before.
/// * If the primary fails, its error is returned, and the entry of the outage is gone: a delete holds. A patch
///   or a condition that fails costs the entry too.
/// * A put that writes to the secondary after the removal of another call was under way at the same time. Their
///   order was never defined.
/// * An `expire` removes the key after the primary answered, because collections refresh what they read with
///   an expire. If the process dies before, the entry is left, for no longer than the expire allows.
/// * If an entry can be neither removed nor shortened, the write still goes to the primary. The secondary is
///   then neither read nor written until all of its entries have expired.
/// * A put that was dropped can reach a remote secondary later than a following delete. The entry lives for at
///   most `max_ttl`.
///
/// The removal is skipped while nothing can be left in the secondary: until the first put of an outage, and
/// again `max_ttl` and one minute after the last one. [`SecondaryScope::Shared`] never skips it.
///
/// The primary never sees what was written to the secondary. After the outage, reads return the primary's
/// entry again, and not the value of the outage. These bounds hold for an entry of the secondary:
///
/// * It lives for at most `max_ttl`, and no longer than its own TTL, refresh or cap. The entry of the primary
///   that it hides is unknown. So it can outlive that entry's cap, or a deadline that the put keeps, by at
///   most `max_ttl`.
/// * In another outage within `max_ttl`, it is visible again, unless a write of its key came between.
/// * A write of another process does not remove it from a secondary of this process. Within `max_ttl`, this
///   process can read it in an outage although the other process deleted the key. Share one secondary if that
///   matters.
/// * A put with an unknown outcome may be applied by the primary too, now or later.
///
/// The version of an entry of the secondary is not one of the primary, so a condition with it is refused
/// there (C2).
///
/// The capabilities are those of the primary. `created_at` and `unique_versions` require both stores, and
/// `resolution` and `reclaims_within` are the longer of both. Layers below this one do not apply to the
/// secondary: wrap it as needed.
///
/// All stores that these settings, or clones of them, wrap share the secondary, its state and the counts. Use
/// one `Fallback` for each primary.
///
/// Apply this layer outside of [`Retry`](crate::Retry), [`CircuitBreaker`](crate::CircuitBreaker) and
/// [`Timeout`](crate::Timeout), so that they decide what an outage is. An open circuit then leads to the
/// secondary at once.
///
/// Cost: no request to the primary. Each write takes a short lock. While an entry can be left in the
/// secondary, a write is one request there, and an expire at most two. Gets and puts copy their options, and
/// a put shares its value. `put_many` copies the items and the keys.
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::options::GetOptions;
/// use ttl_core::{Key, Ttl, TtlStore};
/// use ttl_layers::{Fallback, LayerExt};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// # let primary = Arc::new(MemoryStore::default());
/// let fallback = Fallback::new(Arc::new(MemoryStore::default())).with_max_ttl(Ttl::minutes(1));
/// let store = primary.layer(&fallback)?;
/// assert!(store.get(&Key::new("none")?, GetOptions::new()).await?.is_none());
/// assert_eq!((fallback.counts().reads, fallback.counts().writes), (0, 0));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Fallback {
    pub(super) secondary: Arc<dyn TtlStore>,
    pub(super) max_ttl: Ttl,
    pub(super) scope: SecondaryScope,
    pub(super) clock: SharedClock,
    pub(super) entries: Arc<Entries>,
}

/// The users of the secondary store of a [`Fallback`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecondaryScope {
    /// Only this process, with these settings. The secondary is empty at the start, as a memory store is.
    /// While nothing can be left in it, no call reaches it.
    #[default]
    Process,
    /// Other processes too, or later runs of this one. Every write removes its key from the secondary, which
    /// costs one request there.
    Shared,
}

/// The time that is added to `max_ttl` before the secondary store counts as empty: a write whose call was
/// dropped can arrive late.
const LATE: Duration = Duration::from_secs(60);

impl Fallback {
    /// Creates the layer with its secondary store, and with a `max_ttl` of 5 minutes.
    #[must_use]
    pub fn new(secondary: Arc<dyn TtlStore>) -> Self {
        Self {
            secondary,
            max_ttl: Ttl::minutes(5),
            scope: SecondaryScope::default(),
            clock: SharedClock(Arc::new(MonotonicClock::new())),
            entries: Arc::default(),
        }
    }

    /// Sets the longest lifetime of an entry in the secondary store; 5 minutes by default.
    #[must_use]
    pub const fn with_max_ttl(mut self, max_ttl: Ttl) -> Self {
        self.max_ttl = max_ttl;
        self
    }

    /// Sets the users of the secondary store; defaults to [`SecondaryScope::Process`].
    #[must_use]
    pub const fn with_scope(mut self, scope: SecondaryScope) -> Self {
        self.scope = scope;
        self
    }

    /// Sets the clock that measures until when an entry can be left in the secondary store, such as a
    /// [`ManualClock`](ttl_core::ManualClock) in tests. Defaults to a [`MonotonicClock`].
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = SharedClock(clock);
        self
    }

    /// Returns the counts of all stores that these settings, or clones of them, wrap.
    #[must_use]
    pub fn counts(&self) -> FallbackCounts {
        self.entries.counts()
    }

    fn longest(&self) -> Duration {
        self.max_ttl.as_duration() + LATE
    }

    /// Returns whether the secondary store may hold entries. Each write must remove its key then.
    pub(super) fn may_hold(&self) -> bool {
        self.scope == SecondaryScope::Shared || self.entries.may_be_left(self.clock.now())
    }

    /// Returns whether the entries of the secondary store may be read, and entries added.
    pub(super) fn is_usable(&self) -> bool {
        self.entries.are_trusted(self.clock.now())
    }

    /// Notes that the secondary store may hold entries. Called before and after a put.
    pub(super) fn expect_entries(&self) {
        self.entries.expect(self.clock.now(), self.longest());
    }

    /// Notes that a key could not be removed from the secondary store.
    pub(super) fn distrust(&self) {
        self.entries.distrust(self.clock.now(), self.longest());
    }
}
