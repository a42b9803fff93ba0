//! Collections: typed entries with one lifetime and one refresh policy.

mod batch;
pub(crate) mod checked;
mod count;
mod expire;
mod fetch;
mod items;
mod read;
mod record;
mod swap;
mod write;

pub use self::items::ItemPages;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use ttl_core::{
    Actions, Entry, ExistingDeadline, Expiry, Key, Lifespan, Patch, PutOptions, Refresh, RefreshPolicy,
    Result, Returning, Ttl,
};

use crate::Item;
use crate::codec::Json;
use crate::format::{AsBlob, AsCount, AsRecord, Format};
use crate::keys::KeyPages;
use crate::policy::SharedPolicy;
use crate::space::{Space, unreported};

/// A collection of structs, kept field by field: fields can be read and patched one by one.
pub type Records<T> = Collection<T, AsRecord>;

/// A collection of values, each kept as one blob. Field operations do not compile:
///
/// ```compile_fail,E0599
/// # use ttl_store::{Json, Patch, Store, Ttl};
/// # async fn show(store: Store) -> ttl_store::Result<()> {
/// let pages = store.blobs::<Vec<u32>, _>("pages", Ttl::minutes(5), Json).build()?;
/// pages.patch("home", Patch::new().set("title", "Home")).await?;
/// # Ok(())
/// # }
/// ```
///
/// The same lines compile for [`Records`]:
///
/// ```
/// # use ttl_store::{Json, Patch, Store, Ttl};
/// # async fn show(store: Store) -> ttl_store::Result<()> {
/// let pages = store.records::<Vec<u32>>("pages", Ttl::minutes(5)).build()?;
/// pages.patch("home", Patch::new().set("title", "Home")).await?;
/// # Ok(())
/// # }
/// ```
pub type Blobs<T, C = Json> = Collection<T, AsBlob<C>>;

/// A collection of numbers that can be added to.
///
/// A counter is a record with the integer `count`. If another writer stores a fraction there, every read answers
/// [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) and changes nothing. An addition answers `Codec` too, but only after
/// it has added: the stores add to fractions as to integers, in the same atomic step, and no condition of a patch asks
/// for an integer. To look before would cost a request with every addition. Delete such a counter, or put a number over
/// it.
pub type Counters = Collection<i64, AsCount>;

/// Entries of one type under one name, with one lifetime and one refresh policy.
///
/// It is made by [`Store::records`](crate::Store::records), [`Store::blobs`](crate::Store::blobs) or
/// [`Store::counters`](crate::Store::counters), and is known as [`Records`], [`Blobs`] or [`Counters`]. Cloning is
/// cheap; clones share the policy. Whoever opens the same name in the same store shares the entries; two names
/// never do, nor do two shapes of one name (K2).
///
/// Every operation asks the store for what the policy says at the moment of the call:
///
/// | operation | refreshes if the policy names |
/// |---|---|
/// | `get`, `get_item`, `get_many` | FETCH |
/// | `get_fields`, `contains` | READ |
/// | `put`, `put_many`, `replace`, `swap`, `compare_and_swap` over a live entry | UPDATE |
/// | `patch`, `patch_if`, `patch_or_create`, `add` | the actions of its operations |
/// | `put_with_expiry`, `touch`, `extend_by`, `set_expiry`, `persist` | they say themselves where the deadline goes |
/// | `peek`, `deadline`, `remaining`, `delete`, `take`, `keys`, `items` | nothing |
///
/// What cannot be decoded is never refreshed by a read; see [`Collection::get`] for what that costs.
///
/// All of them are atomic for their key. A value is encoded before the call is sent, and bad input (a key, a value,
/// a patch) is refused before anything is sent. Dropping a call's future is safe; the write may still happen.
pub struct Collection<T, F> {
    shared: Arc<Shared<F>>,
    ttl: Ttl,
    returning: Returning,
    value: PhantomData<fn() -> T>,
}

struct Shared<F> {
    space: Space,
    ttl: Ttl,
    max: Option<Ttl>,
    policy: SharedPolicy,
    format: F,
    /// Refuses patches that do not fit the type, if the collection was built so.
    check: Option<CheckPatch>,
}

/// What refuses a patch.
pub(crate) type CheckPatch = fn(&Patch) -> Result<()>;

impl<T, F: Format<T>> Collection<T, F> {
    pub(crate) fn new(
        space: Space,
        ttl: Ttl,
        max: Option<Ttl>,
        policy: RefreshPolicy,
        format: F,
        check: Option<CheckPatch>,
    ) -> Self {
        let shared = Shared { space, ttl, max, policy: SharedPolicy::new(policy), format, check };
        Self { shared: Arc::new(shared), ttl, returning: Returning::empty(), value: PhantomData }
    }

    /// How long an entry lives after it was created or refreshed.
    #[must_use]
    pub fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// How long an entry lives at most.
    #[must_use]
    pub fn max_lifetime(&self) -> Option<Ttl> {
        self.shared.max
    }

    /// The present refresh policy.
    #[must_use]
    pub fn refresh_policy(&self) -> RefreshPolicy {
        self.shared.policy.load()
    }

    /// Changes the refresh policy of this collection and all of its clones, from the next call on. Collections that
    /// were built apart, under the same name or in other processes, keep theirs; so do the deadlines that are set
    /// already.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPolicy`](ttl_core::ErrorKind::InvalidPolicy) if the policy's slack is not shorter than
    /// the TTL; the old policy stays.
    pub fn set_refresh_policy(&self, policy: RefreshPolicy) -> Result<()> {
        policy.check(self.shared.ttl)?;
        self.shared.policy.store(policy);
        Ok(())
    }

    /// The same collection, with writes that report this metadata: each may cost, so it is asked for.
    ///
    /// ```
    /// # use ttl_store::{Counters, Returning};
    /// # async fn show(counters: Counters) -> ttl_store::Result<()> {
    /// let meta = counters.with_returning(Returning::DEADLINE).put("visits", &1).await?;
    /// assert!(meta.deadline.is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_returning(&self, returning: Returning) -> Self {
        Self { returning, ..self.clone() }
    }

    /// Returns the same collection with another TTL: for single calls, whichever they are.
    ///
    /// What the handle creates lives for this TTL, and what it refreshes is refreshed to it. A refresh of the policy's
    /// usual mode never shortens a life; [`Collection::put_with_expiry`] sets a deadline exactly. The collection's cap holds all
    /// the same. A slack that is not shorter than this TTL does not count.
    ///
    /// ```
    /// # use ttl_store::{Counters, Ttl};
    /// # async fn show(counters: Counters) -> ttl_store::Result<()> {
    /// let created = counters.with_ttl(Ttl::minutes(1)).create("window", &0).await?;
    /// let count = counters.with_ttl(Ttl::minutes(1)).increment("another").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_ttl(&self, ttl: Ttl) -> Self {
        Self { ttl, ..self.clone() }
    }

    /// Lists the collection's keys, page by page. Nothing is refreshed.
    pub fn keys(&self) -> KeyPages {
        KeyPages::new(self.shared.space.clone())
    }

    /// A key as it is stored, for use with the driver itself.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey) if it is empty, or longer than
    /// [`Key::MAX_BYTES`] together with the collection's prefix.
    pub fn key(&self, key: impl AsRef<str>) -> Result<Key> {
        self.shared.space.key(key)
    }

    fn refresh(&self, actions: Actions) -> Option<Refresh> {
        let mut refresh = self.shared.policy.load().resolve(actions, self.ttl)?;
        refresh.slack = refresh.slack.filter(|slack| *slack < self.ttl);
        Some(refresh)
    }

    fn lifespan(&self, expiry: impl Into<Expiry>) -> Lifespan {
        let lifespan = Lifespan::new(expiry);
        self.shared.max.map_or(lifespan, |max| lifespan.with_max_lifetime(max))
    }

    /// A put as the policy says.
    fn put_options(&self) -> PutOptions {
        PutOptions::new(self.lifespan(self.ttl))
            .with_existing_deadline(
                self.refresh(Actions::UPDATE).map_or(ExistingDeadline::Keep, ExistingDeadline::Refresh),
            )
            .with_returning(self.returning)
    }

    fn item(&self, operation: &'static str, key: &Key, entry: Entry) -> Result<Item<T>> {
        let Entry { value, deadline, version, created_at, refresh_error, .. } = entry;
        let decoded =
            value.ok_or_else(|| unreported("value")).and_then(|value| self.shared.format.decode(value));
        let value = decoded.map_err(|error| self.shared.space.explain(error, operation, key))?;
        Ok(Item { value, deadline, version, created_at, refresh_error })
    }
}

impl<T, F> Clone for Collection<T, F> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            ttl: self.ttl,
            returning: self.returning,
            value: PhantomData,
        }
    }
}

impl<T, F> fmt::Debug for Collection<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection")
            .field("place", &self.shared.space.place)
            .field("backend", &self.shared.space.driver.capabilities().backend)
            .field("ttl", &self.ttl)
            .field("max", &self.shared.max)
            .field("policy", &self.shared.policy.load())
            .finish_non_exhaustive()
    }
}
