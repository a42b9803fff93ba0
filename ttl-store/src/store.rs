//! `Store`: the entry point of the crate.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use ttl_core::options::GetOptions;
use ttl_core::{Capabilities, Key, Result, Ttl, TtlStore};

use crate::builder::CollectionBuilder;
use crate::driver::Driver;
use crate::format::{AsBlob, AsCount, AsRecord};
use crate::lease::Leases;
use crate::place::{Place, Shape};
use crate::space::Space;

/// A store of entries that expire, independent of the driver behind it.
///
/// Created by [`connect`](crate::connect), or from a driver by [`Store::new`]. Cloning is cheap; clones share
/// the same store.
///
/// The methods of `Store` work on plain keys and take every expiry explicitly. [`Store::records`],
/// [`Store::blobs`] and [`Store::counters`] create typed collections, which have a lifetime and a refresh
/// policy. [`Store::leases`] creates locks that expire.
///
/// Plain keys, collections and leases never see each other's entries. A plain key is stored unchanged, except
/// that a leading `@` is doubled. A key of a collection is stored as `@r:name:key` (records), `@b:…` (blobs),
/// `@n:…` (counters) or `@l:…` (leases), and entries of a cache under keys that begin with `@c:name:`.
///
/// ```
/// use ttl_store::{Expiry, Raw, Ttl};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ttl_store::Result<()> {
/// let store = ttl_store::connect("memory:").await?;
/// // Plain keys: every write takes its expiry.
/// store.put("greeting", "hello", Ttl::minutes(5)).await?;
/// store.put("motd", "welcome", Expiry::Never).await?;
/// assert!(store.get("greeting").await?.is_some());
/// // A collection: the expiry belongs to the collection.
/// let tokens = store.blobs::<String, _>("tokens", Ttl::hours(1), Raw).build()?;
/// tokens.put("greeting", &"another entry".to_owned()).await?;
/// assert!(store.delete("greeting").await?);
/// assert!(tokens.contains("greeting").await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Store {
    pub(crate) space: Space,
}

impl Store {
    /// Creates a store on the driver.
    #[must_use]
    pub fn new(driver: impl TtlStore) -> Self {
        Self::from(Arc::new(driver) as Arc<dyn TtlStore>)
    }

    /// Returns the driver, for operations that `Store` and its collections do not offer.
    #[must_use]
    pub fn driver(&self) -> &Arc<dyn TtlStore> {
        &self.space.driver.0
    }

    /// Returns the capabilities of the driver.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.space.driver.capabilities()
    }

    /// Returns the current time of the clock that decides whether an entry is visible, as far as this process
    /// knows it.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.space.driver.now()
    }

    /// Checks whether the backend serves reads. Intended for health checks.
    ///
    /// Cost: one read of a key that does not exist. It needs the same permissions as any read.
    ///
    /// # Errors
    /// The errors of [`Store::get`]: [`Unavailable`](ttl_core::ErrorKind::Unavailable),
    /// [`Timeout`](ttl_core::ErrorKind::Timeout), [`PermissionDenied`](ttl_core::ErrorKind::PermissionDenied)
    /// and so on.
    pub async fn ping(&self) -> Result<()> {
        let key = Key::new("@ping")?;
        let answer = self.space.driver.get(&key, GetOptions::nothing()).await;
        answer.map(|_| ()).map_err(|error| error.with_operation("ping"))
    }

    /// Creates a builder for a cache of values that are loaded on demand. `ttl` is the lifetime of a value,
    /// counted from the beginning of its load.
    ///
    /// A cache does not see the entries of collections, and they do not see its entries. Requires the feature
    /// `cache`.
    ///
    /// ```
    /// # use ttl_store::cache::Cache;
    /// # use ttl_store::{Json, Ttl};
    /// # async fn load(id: u64) -> std::io::Result<String> { Ok(id.to_string()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = ttl_store::connect("memory:").await?;
    /// let users: Cache<u64, String> = store.cache("users", Ttl::minutes(10), Json).build()?;
    /// assert_eq!(*users.get_or_load(&7, |_| load(7)).await?, "7");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "cache")]
    pub fn cache<K, V>(
        &self,
        name: impl Into<String>,
        ttl: Ttl,
        codec: impl ttl_core::codec::Codec<V> + 'static,
    ) -> ttl_cache::CacheBuilder<K, V>
    where
        K: Eq + std::hash::Hash + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        ttl_cache::Cache::builder(Arc::clone(&self.space.driver.0), name, ttl, codec)
    }

    /// Creates a builder for a collection of structs, which are stored field by field.
    ///
    /// `ttl` is the lifetime of an entry after it was created or refreshed. A name has 1 to 128 bytes and
    /// contains no `:`.
    ///
    /// ```
    /// # use ttl_store::{Actions, RefreshPolicy, Store, Ttl};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Session { page: String }
    /// # fn show(store: Store) -> ttl_store::Result<()> {
    /// let sessions = store
    ///     .records::<Session>("sessions", Ttl::minutes(30))
    ///     .refresh(RefreshPolicy::on(Actions::FETCH | Actions::WRITES)?)
    ///     .max_lifetime(Ttl::hours(12))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn records<T>(&self, name: impl Into<String>, ttl: Ttl) -> CollectionBuilder<T, AsRecord>
    where
        AsRecord: crate::Format<T>,
    {
        CollectionBuilder::new(self.space.driver.clone(), Shape::Records, name.into(), ttl, AsRecord)
    }

    /// Creates a builder for a collection of values. Each value is stored as one blob, encoded by a
    /// [`Codec`](crate::Codec).
    ///
    /// ```
    /// # use ttl_store::{Json, Store, Ttl};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Page { title: String }
    /// # fn show(store: Store) -> ttl_store::Result<()> {
    /// let pages = store.blobs::<Page, _>("pages", Ttl::minutes(5), Json).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn blobs<T, C: crate::Codec<T>>(
        &self,
        name: impl Into<String>,
        ttl: Ttl,
        codec: C,
    ) -> CollectionBuilder<T, AsBlob<C>> {
        CollectionBuilder::new(self.space.driver.clone(), Shape::Blobs, name.into(), ttl, AsBlob(codec))
    }

    /// Creates a builder for a collection of counters.
    ///
    /// By default, a counter's window begins with its first addition and ends `ttl` later. Later additions do
    /// not move the end. A policy that names ARITHMETIC makes the window slide.
    ///
    /// ```
    /// # use ttl_store::{Store, Ttl};
    /// # async fn show(store: Store) -> ttl_store::Result<()> {
    /// let logins = store.counters("logins", Ttl::minutes(15)).build()?;
    /// if logins.increment("203.0.113.7").await? > 5 {
    ///     println!("too many attempts");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn counters(&self, name: impl Into<String>, ttl: Ttl) -> CollectionBuilder<i64, AsCount> {
        CollectionBuilder::new(self.space.driver.clone(), Shape::Counters, name.into(), ttl, AsCount)
    }

    /// Creates leases: locks that expire `ttl` after they were acquired or renewed.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if the name is invalid.
    /// * [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) if the store does not support
    ///   conditions.
    pub fn leases(&self, name: impl AsRef<str>, ttl: Ttl) -> Result<Leases> {
        let place = Place::collection(Shape::Leases, name.as_ref())?;
        Leases::new(Space { driver: self.space.driver.clone(), place }, ttl)
    }
}

impl From<Arc<dyn TtlStore>> for Store {
    fn from(driver: Arc<dyn TtlStore>) -> Self {
        Self { space: Space { driver: Driver(driver), place: Place::Plain } }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.space.driver.0).finish()
    }
}
