//! The settings of `Jitter`.

use std::time::Duration;

use ttl_core::{Result, Ttl};

use crate::layer::invalid;

/// A layer that spreads deadlines, so that entries that were written together do not expire together.
///
/// A TTL gets an extra time of at most the spread, in whole milliseconds. A deadline is never sooner than the
/// call asked, never later than that plus the spread, and never past the cap (R4).
///
/// | the call asks for | it sets |
/// |---|---|
/// | [`Expiry::After`](ttl_core::Expiry::After), in a put, in an expire or for an entry that a patch creates | the TTL plus the extra, at most [`Ttl::MAX`] |
/// | a [`Refresh`](ttl_core::options::Refresh) of a get, a put or a patch | the same for its TTL; its slack stays |
/// | the refresh of a `get_many` | the same, with the extra of its first key for all keys, because a batch has one refresh |
/// | [`Expiry::At`](ttl_core::Expiry::At) | as [`InstantExpiries`] says, by default the same instant |
/// | [`Expiry::Never`](ttl_core::Expiry::Never), [`ExpiryChange::Extend`](ttl_core::options::ExpiryChange::Extend), [`ExistingDeadline::Keep`](ttl_core::options::ExistingDeadline::Keep) | the same |
/// | [`Lifespan::cap`](ttl_core::Lifespan::cap) | the same cap |
///
/// **The extra depends on the key.** It is a random share of the spread that a hash of the key and the seed
/// selects. A key always gets the same share, and different keys get different ones. So a refresh that
/// repeats moves the deadline by the time that has passed, exactly as without this layer: a slack skips the
/// same refreshes, and [`RefreshMode::ExtendOnly`](ttl_core::RefreshMode::ExtendOnly) does not drift to the
/// end of the spread, as it would if each call drew another number.
///
/// The seed is random for each `Jitter`, and its clones have the same one. Processes that share a store can
/// set the same seed with [`Jitter::with_seed`], so that a key gets the same share in all of them.
///
/// Apply [`ClampTtl`](crate::ClampTtl) below this layer if a maximum must hold with the spread. Then the
/// deadlines that reach the maximum are equal again.
///
/// The capabilities are those of the inner store. The results report the deadlines that were set.
///
/// Cost: no request, and the hash of a key. An instant that is spread also asks for the time.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use ttl_core::options::{PutOptions, Returning};
/// use ttl_core::{Key, Ttl, TtlStore};
/// use ttl_layers::{Jitter, LayerExt};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// // From 60 to 66 minutes.
/// let store = Arc::new(MemoryStore::default()).layer(Jitter::by_fraction(0.1))?;
/// let options = PutOptions::new(Ttl::hours(1)).with_returning(Returning::DEADLINE);
/// let put = store.put(&Key::new("page")?, "<html>".into(), options).await?.applied();
/// let left = put.and_then(|put| put.deadline).and_then(|deadline| deadline.remaining(store.now()));
/// assert!(left.is_some_and(|left| left <= Duration::from_secs(66 * 60)));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter {
    pub(super) spread: Spread,
    pub(super) instants: InstantExpiries,
    pub(super) seed: u64,
}

/// The longest extra time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Spread {
    /// A fraction of the TTL.
    Fraction(f64),
    Duration(Duration),
}

/// The treatment of [`Expiry::At`](ttl_core::Expiry::At) by a [`Jitter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstantExpiries {
    /// An instant is set exactly.
    #[default]
    Exact,
    /// An instant in the future gets an extra time too. A fraction is that of the time from now to the
    /// instant. An instant that is not in the future still ends the entry (E6), and one that is too far away
    /// is still invalid (E8).
    Spread,
}

impl Jitter {
    /// Creates the layer with the spread as a fraction of each TTL, from 0 to 1: 0.1 adds up to a tenth.
    #[must_use]
    pub fn by_fraction(fraction: f64) -> Self {
        Self::new(Spread::Fraction(fraction))
    }

    /// Creates the layer with the same spread for every TTL, from zero to [`Ttl::MAX`].
    #[must_use]
    pub fn by_duration(spread: Duration) -> Self {
        Self::new(Spread::Duration(spread))
    }

    fn new(spread: Spread) -> Self {
        Self { spread, instants: InstantExpiries::default(), seed: rand::random() }
    }

    /// Sets the treatment of instants; defaults to [`InstantExpiries::Exact`].
    #[must_use]
    pub const fn with_instants(mut self, instants: InstantExpiries) -> Self {
        self.instants = instants;
        self
    }

    /// Sets the seed that selects the share of each key; random by default. The share of a key for a seed
    /// never changes, so tests can rely on it.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        match self.spread {
            // NaN is in no range.
            Spread::Fraction(fraction) if !(0.0..=1.0).contains(&fraction) => {
                Err(invalid("Jitter", "fraction", &format!("a number from 0 to 1, found {fraction}")))
            }
            Spread::Duration(spread) if spread > Ttl::MAX.as_duration() => {
                let expected = format!("a duration of at most {}, found {spread:?}", Ttl::MAX);
                Err(invalid("Jitter", "spread", &expected))
            }
            Spread::Fraction(_) | Spread::Duration(_) => Ok(()),
        }
    }
}
