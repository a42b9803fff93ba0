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

use ttl_core::options::{ExistingDeadline, PutOptions, Refresh, Returning};
use ttl_core::{Actions, Entry, Expiry, Key, Lifespan, Patch, RefreshPolicy, Result, Ttl};

use crate::Item;
use crate::format::{AsBlob, AsCount, AsRecord, Format};
use crate::keys::KeyPages;
use crate::policy::SharedPolicy;
use crate::space::{Space, unreported};
use ttl_core::codec::Json;

/// A collection of structs, stored field by field. Fields can be read and patched individually.
///
/// ```
/// use ttl_store::{Patch, Records, Ttl};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Session {
///     page: String,
///     hits: u32,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ttl_store::Result<()> {
/// let store = ttl_store::connect("memory:").await?;
/// let sessions: Records<Session> = store.records("sessions", Ttl::minutes(30)).build()?;
/// sessions.put("abc", &Session { page: "/".to_owned(), hits: 0 }).await?;
/// sessions.patch("abc", Patch::new().set("page", "/cart").increment("hits", 1)).await?;
/// let session = sessions.get("abc").await?;
/// assert_eq!(session.map(|session| (session.page, session.hits)), Some(("/cart".to_owned(), 1)));
/// # Ok(())
/// # }
/// ```
pub type Records<T> = Collection<T, AsRecord>;

/// A collection of values, each stored as one blob. Field operations do not compile:
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

/// A collection of counters.
///
/// A counter is a record with the integer field `count`. If another writer stores a fraction there, every
/// read fails with [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) and changes nothing. An addition fails
/// with `Codec` too, but only after it has added. The stores add to fractions as to integers, in the same
/// atomic step, and no condition of a patch can require an integer. A check beforehand would cost one more
/// request for every addition. Delete such a counter, or overwrite it with an integer.
///
/// ```
/// use ttl_store::{Counters, Ttl};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ttl_store::Result<()> {
/// let store = ttl_store::connect("memory:").await?;
/// let visits: Counters = store.counters("visits", Ttl::minutes(15)).build()?;
/// assert_eq!(visits.increment("home").await?, 1);
/// assert_eq!(visits.add("home", 4).await?, 5);
/// assert!(visits.add_within("home", 1, ..=5).await?.is_refused());
/// assert_eq!(visits.peek("home").await?, Some(5));
/// # Ok(())
/// # }
/// ```
pub type Counters = Collection<i64, AsCount>;

/// Entries of one type under one name, with one lifetime and one refresh policy.
///
/// Created by [`Store::records`](crate::Store::records), [`Store::blobs`](crate::Store::blobs) or
/// [`Store::counters`](crate::Store::counters), and named by the aliases [`Records`], [`Blobs`] and
/// [`Counters`]. Cloning is cheap; clones share the policy.
///
/// Collections of the same name and kind in the same store share their entries. Collections with different
/// names never do, nor do two kinds of collection with the same name (K2).
///
/// Every operation follows the policy as it is at the moment of the call:
///
/// | operation | refreshes if the policy names |
/// |---|---|
/// | `get`, `get_item`, `get_many` | FETCH |
/// | `get_fields`, `contains` | READ |
/// | `put`, `put_many`, `replace`, `swap`, `compare_and_swap` over a live entry | UPDATE |
/// | `patch`, `patch_if`, `patch_or_create`, `add` | the actions of its operations |
/// | `put_with_expiry`, `touch`, `extend_by`, `set_expiry`, `persist` | none; they set the deadline explicitly |
/// | `peek`, `deadline`, `remaining`, `delete`, `take`, `keys`, `items` | none |
///
/// A read never refreshes an entry that cannot be decoded; see [`Collection::get`] for the cost.
///
/// Each operation is atomic for its key. A value is encoded before the request is sent, and invalid input (a
/// key, a value, a patch) is rejected before anything is sent. Dropping the future of a call is safe; the
/// write may still happen.
///
/// ```
/// use ttl_store::{Actions, Raw, RefreshPolicy, Ttl};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ttl_store::Result<()> {
/// let store = ttl_store::connect("memory:").await?;
/// let drafts = store
///     .blobs::<String, _>("drafts", Ttl::minutes(30), Raw)
///     .refresh(RefreshPolicy::on(Actions::FETCH | Actions::WRITES)?)
///     .max_lifetime(Ttl::hours(12))
///     .build()?;
/// drafts.put("letter", &"Dear Ada".to_owned()).await?;
/// assert_eq!(drafts.get("letter").await?.as_deref(), Some("Dear Ada")); // restarts the lifetime
/// assert_eq!(drafts.peek("letter").await?.as_deref(), Some("Dear Ada")); // does not
/// assert!(drafts.delete("letter").await?);
/// assert_eq!(drafts.get("letter").await?, None);
/// # Ok(())
/// # }
/// ```
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
    /// The check of patches against the type, if the builder enabled it.
    check: Option<CheckPatch>,
}

/// A check that rejects a patch that does not fit the type.
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

    /// Returns the lifetime of an entry after it was created or refreshed.
    #[must_use]
    pub fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// Returns the maximum lifetime of an entry (the cap), if there is one.
    #[must_use]
    pub fn max_lifetime(&self) -> Option<Ttl> {
        self.shared.max
    }

    /// Returns the current refresh policy.
    #[must_use]
    pub fn refresh_policy(&self) -> RefreshPolicy {
        self.shared.policy.load()
    }

    /// Sets the refresh policy of this collection and all of its clones, from the next call on. Collections
    /// that were built separately, under the same name or in other processes, keep their policy. Deadlines
    /// that are already set do not change.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPolicy`](ttl_core::ErrorKind::InvalidPolicy) if the policy's slack is not shorter
    /// than the TTL. The old policy then stays in effect.
    pub fn set_refresh_policy(&self, policy: RefreshPolicy) -> Result<()> {
        policy.check(self.shared.ttl)?;
        self.shared.policy.store(policy);
        Ok(())
    }

    /// Returns the same collection, with writes that report this metadata. Metadata is opt-in, because it may
    /// cost extra.
    ///
    /// ```
    /// # use ttl_store::options::Returning;
    /// # use ttl_store::Counters;
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

    /// Returns the same collection with another TTL, for individual calls.
    ///
    /// Entries that the handle creates live for this TTL, and entries that it refreshes are refreshed to it.
    /// A refresh in the default mode of a policy never shortens a lifetime; [`Collection::put_with_expiry`]
    /// sets a deadline exactly. The collection's cap still applies. A slack that is not shorter than this TTL
    /// is ignored.
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

    /// Lists the collection's keys, page by page. Refreshes nothing.
    pub fn keys(&self) -> KeyPages {
        KeyPages::new(self.shared.space.clone())
    }

    /// Returns a key as it is stored, for use with the driver itself.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey) if the key is empty, or if it is longer
    /// than [`Key::MAX_BYTES`] together with the collection's prefix.
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

    /// Returns the options of a put under the current policy.
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
