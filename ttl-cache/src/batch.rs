//! Batches: many keys at once, with one call of the loader for those that are missing.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::hash::Hash;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde::Serialize;
use ttl_core::Result;
use ttl_core::driver::within;

use crate::answer::Answer;
use crate::batch_load::{BatchLoader, Wanted, Way};
use crate::cache::Cache;
use crate::core::runtime;
use crate::epochs::Mark;
use crate::error::CacheError;
use crate::load::Basis;
use crate::loaded::Loaded;
use crate::options::LoadOptions;
use crate::read::{Found, Occupant, Seen, State};

/// A key of a batch, and where it is stored.
struct Asked<'a, K> {
    key: &'a K,
    stored: ttl_core::Key,
    mark: Mark,
}

impl<K, V> Cache<K, V>
where
    K: Serialize + Clone + Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Returns the values of many keys, in their order, and loads those that are missing with one call of the
    /// loader. Duplicates are loaded once.
    ///
    /// The loader receives the missing keys and returns pairs of a key and its value. A key that it omits has
    /// no value: the result is `None`, and that answer is stored for the
    /// [`absent_ttl`](crate::CacheBuilder::absent_ttl). Keys that another call or process is loading are waited
    /// for. If it fails, they are missing again, and the loader is called once more.
    ///
    /// Cost: 1 batch if nothing is missing; 2 more batches for the missing keys. The soft timeout does not
    /// apply: stale values are returned at once, and refreshed together in the background.
    ///
    /// # Errors
    /// The errors of [`Cache::get_or_load`]. One failure is that of the whole call. Values that were loaded
    /// before it stay stored.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use ttl_cache::Cache;
    /// # use ttl_core::Ttl;
    /// # use ttl_core::codec::Json;
    /// # use ttl_memory::MemoryStore;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Arc::new(MemoryStore::default());
    /// let squares: Cache<u32, u32> = Cache::builder(store, "squares", Ttl::minutes(10), Json).build()?;
    /// let found = squares
    ///     .get_many_or_load(&[2, 3, 13], |missing| async move {
    ///         let small = missing.into_iter().filter(|n| *n < 10);
    ///         Ok::<_, std::io::Error>(small.map(|n| (n, n * n)).collect::<Vec<_>>())
    ///     })
    ///     .await?;
    /// assert_eq!(found[0].as_deref(), Some(&4));
    /// assert_eq!(found[2], None);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_many_or_load<F, M, L, Loading, E>(
        &self,
        keys: &[K],
        loader: F,
    ) -> Result<Vec<Option<Arc<V>>>, CacheError>
    where
        F: FnMut(Vec<K>) -> Loading + Send + 'static,
        Loading: Future<Output = Result<M, E>> + Send + 'static,
        M: IntoIterator<Item = (K, L)> + 'static,
        L: Into<Loaded<V>> + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.get_many_or_load_with(keys, LoadOptions::new(), loader).await
    }

    /// Does the same as [`Cache::get_many_or_load`], with options for this call. Its tags are those of every
    /// loaded value.
    ///
    /// # Errors
    /// The errors of [`Cache::get_or_load`].
    pub async fn get_many_or_load_with<F, M, L, Loading, E>(
        &self,
        keys: &[K],
        options: LoadOptions,
        mut loader: F,
    ) -> Result<Vec<Option<Arc<V>>>, CacheError>
    where
        F: FnMut(Vec<K>) -> Loading + Send + 'static,
        Loading: Future<Output = Result<M, E>> + Send + 'static,
        M: IntoIterator<Item = (K, L)> + 'static,
        L: Into<Loaded<V>> + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        options.check()?;
        let loader = move |missing: Vec<(usize, K)>| {
            let places: HashMap<K, usize> = missing.iter().map(|(at, key)| (key.clone(), *at)).collect();
            let loading = loader(missing.into_iter().map(|(_, key)| key).collect());
            async move {
                let loaded = loading.await.map_err(|error| Arc::from(error.into()))?;
                // Values of other keys are dropped: their keys are not claimed.
                Ok(loaded
                    .into_iter()
                    .filter_map(|(key, value)| Some((*places.get(&key)?, value.into())))
                    .collect())
            }
            .boxed()
        };
        let obtained = self.obtain_many(keys, &options.tags, BatchLoader::new(keys.to_vec(), loader));
        match options.hard_timeout.or(self.core.settings.hard_timeout) {
            None => obtained.await,
            Some(limit) => within(limit, obtained).await.unwrap_or(Err(CacheError::Timeout)),
        }
    }

    async fn obtain_many(
        &self,
        keys: &[K],
        tags: &[String],
        loader: BatchLoader<V>,
    ) -> Result<Vec<Option<Arc<V>>>, CacheError> {
        let loader = Arc::new(Mutex::new(loader));
        let mut values: HashMap<&K, Option<Arc<V>>> = HashMap::with_capacity(keys.len());
        // The places of the keys that have no value yet, each key once.
        let mut pending: Vec<usize> = Vec::new();
        let mut seen_before: HashMap<&K, ()> = HashMap::with_capacity(keys.len());
        for (at, key) in keys.iter().enumerate() {
            if seen_before.insert(key, ()).is_some() {
                continue;
            }
            match self.near_hit(key) {
                Some(copy) => drop(values.insert(key, copy)),
                None => pending.push(at),
            }
        }
        let mut first = true;
        while !pending.is_empty() {
            let asked: Vec<Asked<'_, K>> =
                pending.iter().map(|at| self.asked(&keys[*at])).collect::<Result<_>>()?;
            let read_at = self.core.now();
            let stored: Vec<_> = asked.iter().map(|asked| asked.stored.clone()).collect();
            let seen =
                match self.core.read_many(&stored, tags).await.and_then(|seen| seen.into_iter().collect()) {
                    Ok(seen) => seen,
                    Err(error) => {
                        for (at, value) in self.answer_outage(keys, &pending, &asked, &loader, error).await? {
                            values.insert(&keys[at], value);
                        }
                        break;
                    }
                };
            let sorted = self.sort(&pending, &asked, tags, seen, first);
            first = false;
            for (at, found) in &sorted.found {
                let asked = &asked[pending.iter().position(|other| other == at).unwrap_or_default()];
                values.insert(asked.key, self.kept(asked.key, &asked.mark, read_at, Answer::from(found)));
            }
            let core = Arc::clone(&self.core);
            if !sorted.stale.is_empty() {
                let loader = Arc::clone(&loader);
                let refresh = Arc::clone(&core).load_batch(sorted.stale, loader);
                runtime()?.spawn(async move { drop(refresh.await) });
            }
            let loads = !sorted.missing.is_empty();
            if loads {
                // A task, so that it goes on if this call is dropped.
                let load = runtime()?.spawn(core.load_batch(sorted.missing, Arc::clone(&loader)));
                for (at, answer) in load.await.map_err(|_| CacheError::Abandoned)?? {
                    values.insert(&keys[at], answer.value);
                }
            } else {
                let changes = sorted.waiting.iter().map(|(key, version)| self.core.changed(key, *version));
                join_all(changes).await.into_iter().collect::<Result<()>>()?;
            }
            pending.retain(|at| !values.contains_key(&keys[*at]));
        }
        Ok(keys.iter().map(|key| values.get(key).cloned().flatten()).collect())
    }

    fn asked<'a>(&self, key: &'a K) -> Result<Asked<'a, K>> {
        let stored = self.core.keys.entry(key)?;
        let mark = self.core.epochs.mark(&stored);
        Ok(Asked { key, stored, mark })
    }

    /// Sorts the keys of a batch by what is to be done for each.
    fn sort(
        &self,
        pending: &[usize],
        asked: &[Asked<'_, K>],
        call_tags: &[String],
        seen: Vec<Seen<V>>,
        first: bool,
    ) -> Sorted<V> {
        let mut sorted =
            Sorted { found: Vec::new(), stale: Vec::new(), missing: Vec::new(), waiting: Vec::new() };
        let counters = &self.core.counters;
        for ((at, asked), Seen { state, tags, known }) in pending.iter().zip(asked).zip(seen) {
            let basis =
                Basis { own_tags: self.core.tags_with(call_tags), tags, known, mark: asked.mark.clone() };
            let key = asked.stored.clone();
            match state {
                State::Value(found) => {
                    if found.head.fresh_until.is_expired(self.core.now()) {
                        counters.stale(1);
                        sorted.stale.push(Wanted { at: *at, key, basis, way: Way::Refresh(found.clone()) });
                    } else {
                        counters.hits(1);
                    }
                    sorted.found.push((*at, found));
                    continue;
                }
                State::Claimed { version, .. } => {
                    counters.waits(1);
                    sorted.waiting.push((key, version));
                }
                State::Miss(occupant) => {
                    let way = match occupant {
                        Occupant::Foreign => Way::Unstored,
                        _ if !self.core.settings.coordinates_processes() => Way::Unclaimed,
                        occupant => Way::Claim(occupant),
                    };
                    sorted.missing.push(Wanted { at: *at, key, basis, way });
                }
            }
            if first {
                counters.misses(1);
            }
        }
        sorted
    }

    /// Answers the keys of a batch during an outage.
    async fn answer_outage(
        &self,
        keys: &[K],
        pending: &[usize],
        asked: &[Asked<'_, K>],
        loader: &Arc<Mutex<BatchLoader<V>>>,
        error: ttl_core::Error,
    ) -> Result<Vec<(usize, Option<Arc<V>>)>, CacheError> {
        let mut values = Vec::with_capacity(pending.len());
        let mut missing = Vec::new();
        for (at, asked) in pending.iter().zip(asked) {
            match self.near_instead::<K>(keys[*at].borrow(), error.clone()) {
                Ok(copy) => values.push((*at, copy)),
                Err(error) if !error.is_outage() || !self.core.settings.on_outage.loads() => {
                    return Err(error.into());
                }
                Err(_) => {
                    let basis = Basis::unknown(asked.mark.clone());
                    missing.push(Wanted { at: *at, key: asked.stored.clone(), basis, way: Way::Unstored });
                }
            }
        }
        if !missing.is_empty() {
            let load = runtime()?.spawn(Arc::clone(&self.core).load_batch(missing, Arc::clone(loader)));
            let loaded = load.await.map_err(|_| CacheError::Abandoned)??;
            values.extend(loaded.into_iter().map(|(at, answer)| (at, answer.value)));
        }
        Ok(values)
    }
}

/// The keys of a batch, by what is to be done for each.
struct Sorted<V> {
    found: Vec<(usize, Found<V>)>,
    stale: Vec<Wanted<V>>,
    missing: Vec<Wanted<V>>,
    waiting: Vec<(ttl_core::Key, ttl_core::Version)>,
}
