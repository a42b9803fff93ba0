//! `Cache`: the calls of a program.

use std::borrow::Borrow;
use std::error::Error as StdError;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use futures_util::FutureExt;
use parking_lot::Mutex;
use serde::Serialize;
use ttl_core::codec::Codec;
use ttl_core::driver::within;
use ttl_core::options::DeleteOptions;
use ttl_core::{Error, ErrorKind, Key, Result, Ttl, TtlStore};

use crate::answer::{Answer, Call, Unclaimed};
use crate::builder::CacheBuilder;
use crate::core::Core;
use crate::epochs::Mark;
use crate::error::CacheError;
use crate::key::check_tag;
use crate::load::{BoxLoader, LoaderSlot};
use crate::loaded::{LoadContext, Loaded};
use crate::near::{NearCache, ReadAt};
use crate::options::LoadOptions;
use crate::read::State;
use crate::stats::Stats;

/// A cache of values that are loaded on demand, over any store.
///
/// Cloning is cheap; clones share everything. The [crate documentation](crate) lists the promises.
///
/// Costs are in requests to the store, each a round trip. A batch of two keys is one request in memory, on
/// Redis and on DynamoDB, and two at the same time on CQL.
pub struct Cache<K, V> {
    pub(crate) core: Arc<Core<V>>,
    pub(crate) near: Option<Arc<NearCache<K, V>>>,
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), near: self.near.clone() }
    }
}

impl<K: Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    /// Creates a builder. `name` separates the entries of this cache from all others of the store. `ttl` is the
    /// lifetime of a value, counted from the beginning of its load.
    pub fn builder(
        store: Arc<dyn TtlStore>,
        name: impl Into<String>,
        ttl: Ttl,
        codec: impl Codec<V> + 'static,
    ) -> CacheBuilder<K, V> {
        CacheBuilder::new(store, name.into(), ttl, codec)
    }

    pub(crate) fn new(core: Arc<Core<V>>, near: Option<NearCache<K, V>>) -> Self {
        Self { core, near: near.map(Arc::new) }
    }

    /// Returns the value, or loads it.
    ///
    /// Of all concurrent calls for a key, in all processes, one calls its loader; the others wait for its value.
    /// The load is a task of its own. It goes on if this call is dropped.
    ///
    /// A stale value is returned at once, unless there is a soft timeout, and refreshed in the background.
    ///
    /// Cost: hit in the near cache 0, hit 1, stale value 1, miss 3, and 1 more for a value with tags that the
    /// call does not name. The first load of a cache and of a tag writes a generation, once.
    ///
    /// # Errors
    /// * [`CacheError::Loader`] if the loader failed. Nothing is stored, and the next call loads again.
    /// * [`CacheError::Panicked`] if the loader of this call panicked.
    /// * [`CacheError::WaitTimeout`] after the hard timeout, and [`CacheError::LoadTimeout`] after the load
    ///   timeout.
    /// * [`CacheError::Store`] if the store is out, unless [`OnOutage`](crate::OnOutage) allows an answer, and
    ///   for an invalid key or tag.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use ttl_cache::Cache;
    /// use ttl_core::Ttl;
    /// use ttl_core::codec::Json;
    /// use ttl_memory::MemoryStore;
    ///
    /// async fn load(id: u64) -> std::io::Result<String> {
    ///     Ok(format!("user {id}"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = Arc::new(MemoryStore::default());
    /// let users: Cache<u64, String> = Cache::builder(store, "users", Ttl::minutes(10), Json).build()?;
    /// assert_eq!(*users.get_or_load(&7, |_| load(7)).await?, "user 7");
    /// users.invalidate(&7).await?;
    /// assert_eq!(users.get(&7).await?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_or_load<Q, F, L, Loading, E>(&self, key: &Q, loader: F) -> Result<Arc<V>, CacheError>
    where
        K: Borrow<Q>,
        Q: Serialize + Hash + Eq + ToOwned<Owned = K> + Sync + ?Sized,
        F: FnOnce(LoadContext<V>) -> Loading + Send + 'static,
        Loading: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>> + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.get_or_load_with(key, LoadOptions::new(), loader).await
    }

    /// Returns the value, or loads it, with options for this call; see [`Cache::get_or_load`].
    ///
    /// # Errors
    /// The errors of [`Cache::get_or_load`].
    pub async fn get_or_load_with<Q, F, L, Loading, E>(
        &self,
        key: &Q,
        options: LoadOptions,
        loader: F,
    ) -> Result<Arc<V>, CacheError>
    where
        K: Borrow<Q>,
        Q: Serialize + Hash + Eq + ToOwned<Owned = K> + Sync + ?Sized,
        F: FnOnce(LoadContext<V>) -> Loading + Send + 'static,
        Loading: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>> + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let loader = boxed(loader, Into::into);
        let value = self.obtain(key, options, loader, false).await?;
        // A call that does not accept the absence of a value never gets it.
        value.ok_or(CacheError::Abandoned)
    }

    /// Returns the value or the answer that there is none, or loads either.
    ///
    /// The loader returns `None` if there is no value. That answer is stored too, for the
    /// [`absent_ttl`](CacheBuilder::absent_ttl). [`Cache::get_or_load`] does not accept it and loads.
    ///
    /// # Errors
    /// The errors of [`Cache::get_or_load`].
    pub async fn find_or_load<Q, F, L, Loading, E>(
        &self,
        key: &Q,
        loader: F,
    ) -> Result<Option<Arc<V>>, CacheError>
    where
        K: Borrow<Q>,
        Q: Serialize + Hash + Eq + ToOwned<Owned = K> + Sync + ?Sized,
        F: FnOnce(LoadContext<V>) -> Loading + Send + 'static,
        Loading: Future<Output = Result<Option<L>, E>> + Send + 'static,
        L: Into<Loaded<V>> + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.find_or_load_with(key, LoadOptions::new(), loader).await
    }

    /// Does the same as [`Cache::find_or_load`], with options for this call.
    ///
    /// # Errors
    /// The errors of [`Cache::get_or_load`].
    pub async fn find_or_load_with<Q, F, L, Loading, E>(
        &self,
        key: &Q,
        options: LoadOptions,
        loader: F,
    ) -> Result<Option<Arc<V>>, CacheError>
    where
        K: Borrow<Q>,
        Q: Serialize + Hash + Eq + ToOwned<Owned = K> + Sync + ?Sized,
        F: FnOnce(LoadContext<V>) -> Loading + Send + 'static,
        Loading: Future<Output = Result<Option<L>, E>> + Send + 'static,
        L: Into<Loaded<V>> + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let loader = boxed(loader, |loaded: Option<L>| loaded.map_or_else(Loaded::absent, Into::into));
        self.obtain(key, options, loader, true).await
    }

    /// Returns the value if it is stored, stale or not. Loads nothing. Returns `None` for a miss and for the
    /// stored answer that there is no value.
    ///
    /// Cost: 0 in the near cache, otherwise 1, and 1 more for a value with tags.
    ///
    /// # Errors
    /// Those of the store; an outage is an error unless [`OnOutage`](crate::OnOutage) serves near copies.
    pub async fn get<Q>(&self, key: &Q) -> Result<Option<Arc<V>>>
    where
        K: Borrow<Q>,
        Q: Serialize + Hash + Eq + ToOwned<Owned = K> + Sync + ?Sized,
    {
        if let Some(copy) = self.near_hit(key, true) {
            return Ok(copy);
        }
        let stored = self.core.keys.entry(key)?;
        let (mark, read_at) = (self.core.epochs.mark(&stored), ReadAt::now(&self.core));
        let seen = match self.core.read(&stored, &[]).await {
            Ok(seen) => seen,
            Err(error) => return self.near_instead(key, error),
        };
        let State::Value(found) = seen.state else {
            self.core.counters.misses(1);
            return Ok(None);
        };
        let is_stale = found.head.fresh_until.is_expired(self.core.now());
        if is_stale {
            self.core.counters.stale(1);
        } else {
            self.core.counters.hits(1);
        }
        Ok(self.kept(key, &mark, read_at, Answer::from(&found)))
    }

    /// Stores a value. It replaces whatever is there, and loads that are under way cannot replace it.
    ///
    /// `value` is a plain value or a [`Loaded`], with a lifetime and tags. Its lifetime begins now.
    ///
    /// Cost: 2; 1 in a cache that is not clearable, for a value without tags.
    ///
    /// # Errors
    /// Those of the store; [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) if the value cannot be encoded.
    pub async fn insert<Q>(&self, key: &Q, value: impl Into<Loaded<V>>) -> Result<()>
    where
        K: Borrow<Q>,
        Q: Serialize + ToOwned<Owned = K> + ?Sized,
    {
        let loaded = value.into();
        loaded.check()?;
        if !loaded.stored {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "`Loaded::without_storing` contradicts an insert; it is for the results of loaders",
            )
            .with_operation("insert"));
        }
        let key = self.core.keys.entry(key)?;
        let _change = Change::of_key(&self.core, &key);
        self.core.insert(&key, loaded).await
    }

    /// Deletes the value. After this call has returned, no later call returns a value whose load began before,
    /// in any process. A near copy in another process may do so for its maximum staleness.
    ///
    /// It wins over loads that are under way: their values are returned to the calls that wait for them, and
    /// are not stored.
    ///
    /// Cost: 1.
    ///
    /// # Errors
    /// Those of the store. After [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown), repeat the
    /// call.
    pub async fn invalidate<Q>(&self, key: &Q) -> Result<()>
    where
        K: Borrow<Q>,
        Q: Serialize + ToOwned<Owned = K> + ?Sized,
    {
        let key = self.core.keys.entry(key)?;
        let _change = Change::of_key(&self.core, &key);
        self.core.delete(&key).await
    }

    /// Invalidates every value with this tag, as [`Cache::invalidate`] does for a key.
    ///
    /// Cost: 1, however many values there are. The values themselves are deleted when they are replaced or
    /// expire.
    ///
    /// # Errors
    /// Those of the store; [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey) if the tag is empty or
    /// longer than 256 bytes.
    pub async fn invalidate_tag(&self, tag: &str) -> Result<()> {
        check_tag(tag)?;
        let _change = Change { core: &self.core, changed: Changed::Tag(tag) };
        self.core.delete(&self.core.keys.generation(tag)?).await
    }

    /// Invalidates every value of this cache, as [`Cache::invalidate`] does for a key. Other caches keep theirs,
    /// whatever their names are.
    ///
    /// Cost: 1.
    ///
    /// # Errors
    /// Those of the store; [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) if the cache was built
    /// with `clearable(false)`.
    pub async fn clear(&self) -> Result<()> {
        if !self.core.settings.clearable {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this cache was built with `clearable(false)`; invalidate keys or tags instead",
            )
            .with_operation("clear"));
        }
        let _change = Change { core: &self.core, changed: Changed::All };
        self.core.delete(&self.core.keys.generation("")?).await
    }

    /// Follows the changes of the store, while this cache exists: a near copy is removed when another process
    /// has changed its entry or its tag, and calls that wait for the load of another process end without a
    /// further look. Returns when the subscription works.
    ///
    /// The maximum staleness still holds, also while the connection is down. So a longer one needs fewer
    /// requests, and is reached only if a report is lost in a way that the store cannot notice. After a gap, all
    /// near copies are removed. This process hears of its own changes too, so a copy that it made of a value
    /// that it loaded is read once more.
    ///
    /// Cost: on Redis, a connection of its own, and a message for every write in the namespace of the store.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the store reports no changes, which
    /// [`Capabilities::changes`](ttl_core::Capabilities::changes) tells; outside a runtime; and errors of the
    /// backend.
    pub async fn follow_changes(&self) -> Result<()> {
        self.core.follow_changes().await
    }

    /// Returns what this cache has done in this process.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.core.counters.stats();
        if let Some(near) = &self.near {
            stats.near_entries = near.entries() as u64;
            stats.near_bytes = near.bytes();
            stats.near_evictions = near.evictions();
        }
        stats
    }

    async fn obtain<Q>(
        &self,
        key: &Q,
        options: LoadOptions,
        loader: BoxLoader<V>,
        accepts_absent: bool,
    ) -> Result<Option<Arc<V>>, CacheError>
    where
        K: Borrow<Q>,
        Q: Serialize + Hash + Eq + ToOwned<Owned = K> + Sync + ?Sized,
    {
        options.check()?;
        if let Some(copy) = self.near_hit(key, accepts_absent) {
            return Ok(copy);
        }
        let settings = &self.core.settings;
        let call = Call {
            tags: options.tags,
            soft_timeout: options.soft_timeout.unwrap_or(settings.soft_timeout),
            accepts_absent,
            sequence: self.core.flights.next(),
            stale: Mutex::new(None),
        };
        let answer = self.load_missing(key, &call, Arc::new(Mutex::new(Some(loader))));
        let Some(limit) = options.hard_timeout.or(settings.hard_timeout) else { return answer.await };
        match within(limit, answer).await {
            Some(answer) => answer,
            None => self.late(key, &call).ok_or(CacheError::WaitTimeout),
        }
    }

    /// Returns what a call can return after its hard timeout: the stale value that it found, or a near copy if
    /// the store does not answer.
    fn late<Q>(&self, key: &Q, call: &Call<V>) -> Option<Option<Arc<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let now = self.core.now();
        let stale = call.stale.lock().take().filter(|(_, deadline)| !deadline.is_expired(now));
        let value = match stale {
            Some((value, _)) => value,
            None => self.outage_copy(key).filter(|copy| call.accepts(copy.as_ref()))?,
        };
        self.core.counters.stale(1);
        Some(value)
    }

    /// Returns a value that is not in the near cache.
    async fn load_missing<Q>(
        &self,
        key: &Q,
        call: &Call<V>,
        slot: LoaderSlot<V>,
    ) -> Result<Option<Arc<V>>, CacheError>
    where
        K: Borrow<Q>,
        Q: Serialize + Hash + Eq + ToOwned<Owned = K> + Sync + ?Sized,
    {
        let stored = self.core.keys.entry(key)?;
        let (mark, read_at) = (self.core.epochs.mark(&stored), ReadAt::now(&self.core));
        match self.core.answer(&stored, call, &slot).await {
            Ok(answer) => Ok(self.kept(key, &mark, read_at, answer)),
            Err(CacheError::Store(error)) if error.is_outage() => {
                let on_outage = self.core.settings.on_outage;
                match self.near_instead(key, error) {
                    Ok(copy) if call.accepts(copy.as_ref()) => Ok(copy),
                    Err(error) if !on_outage.loads() => Err(error.into()),
                    Ok(_) | Err(_) => {
                        let answer =
                            self.core.load_unclaimed(&stored, call, &slot, Unclaimed::Outage).await?;
                        answer.map(|answer| answer.value).ok_or(CacheError::Abandoned)
                    }
                }
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn near_hit<Q>(&self, key: &Q, accepts_absent: bool) -> Option<Option<Arc<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let copy = self.near.as_ref()?.get(key, &self.core.epochs, self.core.now())?;
        if copy.value.is_none() && !accepts_absent {
            return None;
        }
        self.core.counters.near_hits(1);
        Some(copy.value.clone())
    }

    /// Returns the near copy during an outage, if the cache is to do so.
    pub(crate) fn near_instead<Q>(&self, key: &Q, error: Error) -> Result<Option<Arc<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if !error.is_outage() {
            return Err(error);
        }
        self.core.counters.outages(1);
        let copy = self.outage_copy(key).ok_or(error)?;
        self.core.counters.stale(1);
        Ok(copy)
    }

    /// Returns the near copy if the cache serves copies during an outage.
    fn outage_copy<Q>(&self, key: &Q) -> Option<Option<Arc<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let near = self.near.as_ref().filter(|_| self.core.settings.on_outage.serves_stale())?;
        near.get_unchecked(key, &self.core.epochs, self.core.now()).map(|copy| copy.value.clone())
    }

    /// Keeps a near copy of an answer, and returns its value.
    pub(crate) fn kept<Q>(&self, key: &Q, mark: &Mark, read_at: ReadAt, answer: Answer<V>) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: ToOwned<Owned = K> + ?Sized,
    {
        if let (Some(near), Some(stored)) = (&self.near, &answer.stored) {
            let tags =
                stored.generations.iter().map(|tagged| tagged.tag.as_str()).filter(|tag| !tag.is_empty());
            if let Some(stamp) = self.core.epochs.stamp(mark, tags) {
                near.insert(key.to_owned(), stamp, read_at, answer.value.clone(), stored);
            }
        }
        answer.value
    }
}

/// Returns a loader without its types.
fn boxed<V, F, L, Loading, E>(loader: F, loaded: impl FnOnce(L) -> Loaded<V> + Send + 'static) -> BoxLoader<V>
where
    V: Send + Sync + 'static,
    F: FnOnce(LoadContext<V>) -> Loading + Send + 'static,
    Loading: Future<Output = Result<L, E>> + Send + 'static,
    L: 'static,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    Box::new(move |context| {
        let loading = loader(context);
        async move { loading.await.map(loaded).map_err(|error| Arc::from(error.into())) }.boxed()
    })
}

impl<V> Core<V> {
    async fn delete(&self, key: &Key) -> Result<()> {
        let _order = self.order(key).await;
        let _ = self.store.delete(key, DeleteOptions::new()).await?;
        // Before the lock is released, so that a load of this process sees it.
        self.epochs.change_key(key);
        Ok(())
    }
}

/// A change of a key, a tag or the whole cache. It is noted when the call ends, also if it is dropped.
struct Change<'a, V> {
    core: &'a Core<V>,
    changed: Changed<'a>,
}

enum Changed<'a> {
    Key(&'a Key),
    Tag(&'a str),
    All,
}

impl<'a, V> Change<'a, V> {
    fn of_key(core: &'a Core<V>, key: &'a Key) -> Self {
        Self { core, changed: Changed::Key(key) }
    }
}

impl<V> Drop for Change<'_, V> {
    fn drop(&mut self) {
        match self.changed {
            Changed::Key(key) => self.core.epochs.change_key(key),
            Changed::Tag(tag) => self.core.epochs.change_tag(tag),
            Changed::All => self.core.epochs.change_all(),
        }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("core", &self.core).field("near", &self.near).finish()
    }
}
