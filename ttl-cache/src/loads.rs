//! The calls of a program that load.

use std::borrow::Borrow;
use std::error::Error as StdError;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use parking_lot::Mutex;
use serde::Serialize;
use ttl_core::driver::within;

use crate::answer::Call;
#[cfg(doc)]
use crate::builder::CacheBuilder;
use crate::cache::Cache;
use crate::error::CacheError;
use crate::load::{Basis, BoxLoader, LoaderSlot, Why};
use crate::loaded::{LoadContext, Loaded};
use crate::near::ReadAt;
use crate::options::LoadOptions;

impl<K: Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
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

    /// Returns the value, or `None` if there is none. Loads if neither is stored.
    ///
    /// The loader returns `None` if there is no value. That absence is stored too, for the
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

    pub(crate) async fn obtain<Q>(
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
        if let Some(copy) = self.near_hit(key, &options.tags, accepts_absent) {
            return Ok(copy.value.clone());
        }
        let settings = &self.core.settings;
        let call = Call {
            tags: options.tags,
            soft_timeout: options.soft_timeout.unwrap_or(settings.soft_timeout),
            accepts_absent,
            sequence: self.core.flights.next(),
            answered: AtomicBool::new(false),
            stale: Mutex::new(None),
        };
        // Boxed, because a near hit would otherwise pay for the size of this future: 290 ns instead of 155.
        let answer = Box::pin(self.load_missing(key, &call, Arc::new(Mutex::new(Some(loader)))));
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
            None if call.answered.load(Ordering::SeqCst) => return None,
            None => self
                .outage_copy(key, &call.tags)
                .map(|copy| copy.value.clone())
                .filter(|value| call.accepts(value.as_ref()))?,
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
        let error = match self.core.answer(&stored, call, &slot).await {
            Ok(answer) => return Ok(self.kept(key, &mark, read_at, answer)),
            Err(CacheError::Store(error)) if error.is_outage() => error,
            Err(error) => {
                self.forget(key);
                return Err(error);
            }
        };
        match self.near_instead(key, &call.tags, error.clone()) {
            Ok(copy) if call.accepts(copy.value.as_ref()) => {
                self.core.counters.stale(1);
                Ok(copy.value.clone())
            }
            Ok(_) | Err(_) if !self.core.settings.on_outage.loads() => Err(error.into()),
            Ok(_) | Err(_) => {
                let basis = Basis::unknown(mark);
                let answer = self.core.load_unclaimed(&stored, call, &slot, Why::Outage, basis).await?;
                answer.map(|answer| answer.value).ok_or(CacheError::Abandoned)
            }
        }
    }
}

/// Returns a loader without its types.
pub(crate) fn boxed<V, F, L, Loading, E>(
    loader: F,
    loaded: impl FnOnce(L) -> Loaded<V> + Send + 'static,
) -> BoxLoader<V>
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
