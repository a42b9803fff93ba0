//! Batches: many keys at once, with one call of the loader for those that are missing.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::hash::Hash;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde::Serialize;
use tracing::Instrument;
use ttl_core::driver::within;
use ttl_core::{Deadline, Error, ErrorKind, Result};

use crate::answer::Answer;
use crate::batch_load::{BatchLoader, Wanted, Way};
use crate::cache::Cache;
use crate::epochs::Mark;
use crate::error::CacheError;
use crate::flights::Joined;
use crate::load::{Basis, Why};
use crate::loaded::Loaded;
use crate::near::{Copy, ReadAt};
use crate::options::LoadOptions;
use crate::read::{Found, Occupant, Seen, State};
use crate::runtime::runtime;

/// A key of a batch, its first place there, and where it is stored.
struct Asked<'a, K> {
    at: usize,
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
    /// Stale values are returned at once, and refreshed together in the background. The soft timeout and early
    /// refreshes do not apply. During an outage, and with
    /// [`Coordination::ThisProcess`](crate::Coordination::ThisProcess), a batch does not share its loads with
    /// other calls.
    ///
    /// Cost: 1 batch if nothing is missing; otherwise 1 more batch for the claims, and a write for each value.
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
    /// The errors of [`Cache::get_or_load`], and [`ErrorKind::InvalidConfig`] if the options have a soft timeout.
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
        if options.soft_timeout.is_some() {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "a batch has no soft timeout: it returns stale values at once; leave the option out",
            )
            .with_operation("get_many_or_load")
            .into());
        }
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
            Some(limit) => within(limit, obtained).await.unwrap_or(Err(CacheError::WaitTimeout)),
        }
    }

    async fn obtain_many(
        &self,
        keys: &[K],
        tags: &[String],
        loader: BatchLoader<V>,
    ) -> Result<Vec<Option<Arc<V>>>, CacheError> {
        let loader = Arc::new(Mutex::new(loader));
        let mut obtained =
            Obtained { values: HashMap::with_capacity(keys.len()), ends: Vec::new(), rounds: 0 };
        // The first place of each key that has no value yet.
        let mut pending: Vec<usize> = Vec::new();
        let mut places: HashMap<&K, usize> = HashMap::with_capacity(keys.len());
        for (at, key) in keys.iter().enumerate() {
            if *places.entry(key).or_insert(at) != at {
                continue;
            }
            match self.near_hit(key, tags, true) {
                Some(copy) => obtained.keep_copy(at, &copy),
                None => pending.push(at),
            }
        }
        let mut is_rechecked = false;
        while !pending.is_empty() {
            self.obtain_round(keys, tags, &pending, &loader, &mut obtained).await?;
            obtained.rounds += 1;
            pending.retain(|at| !obtained.values.contains_key(at));
            if pending.is_empty() && !is_rechecked {
                // The loads of other keys can take long. What has expired since is obtained once more.
                is_rechecked = true;
                pending = obtained.take_expired(self.core.now());
            }
        }
        let value = |key: &K| obtained.values.get(places.get(key)?).cloned().flatten();
        Ok(keys.iter().map(value).collect())
    }

    /// Reads the keys that have no value, and loads those without a load under way. If all have one, waits for
    /// the loads of others.
    async fn obtain_round(
        &self,
        keys: &[K],
        tags: &[String],
        pending: &[usize],
        loader: &Arc<Mutex<BatchLoader<V>>>,
        obtained: &mut Obtained<V>,
    ) -> Result<(), CacheError> {
        let asked: Vec<Asked<'_, K>> =
            pending.iter().map(|at| self.asked(*at, &keys[*at])).collect::<Result<_>>()?;
        let read_at = ReadAt::now(&self.core);
        let stored: Vec<_> = asked.iter().map(|asked| asked.stored.clone()).collect();
        let seen = match self.core.read_many(&stored, tags).await.and_then(|seen| seen.into_iter().collect())
        {
            Ok(seen) => seen,
            Err(error) => return self.answer_outage(&asked, tags, loader, obtained, error).await,
        };
        let sorted = self.sort(&asked, tags, seen, obtained.rounds == 0);
        for (asked, found) in &sorted.found {
            obtained.ends.push((asked.at, found.deadline));
            let value = self.kept(asked.key, &asked.mark, read_at, Answer::from(found));
            obtained.values.insert(asked.at, value);
        }
        if !sorted.stale.is_empty() {
            let refresh = Arc::clone(&self.core).load_batch(sorted.stale, Arc::clone(loader));
            runtime()?.spawn(async move { drop(refresh.await) }.in_current_span());
        }
        let waited = if sorted.missing.is_empty() {
            let changes = sorted.waiting.iter().map(|(key, version)| self.core.changed(key, *version));
            join_all(changes).await.into_iter().collect::<Result<()>>().map_err(CacheError::from)
        } else {
            self.load_wanted(&asked, sorted.missing, read_at, loader, obtained).await
        };
        match waited {
            Err(CacheError::Store(error)) if error.is_outage() => {
                let without_value =
                    asked.into_iter().filter(|asked| !obtained.values.contains_key(&asked.at));
                self.answer_outage(&without_value.collect::<Vec<_>>(), tags, loader, obtained, error).await
            }
            waited => waited,
        }
    }

    /// Loads keys in a task, so that the load goes on if this call is dropped.
    async fn load_wanted(
        &self,
        asked: &[Asked<'_, K>],
        wanted: Vec<Wanted<V>>,
        read_at: ReadAt,
        loader: &Arc<Mutex<BatchLoader<V>>>,
        obtained: &mut Obtained<V>,
    ) -> Result<(), CacheError> {
        let load = Arc::clone(&self.core).load_batch(wanted, Arc::clone(loader)).in_current_span();
        let load = runtime()?.spawn(load);
        let loaded = load.await.map_err(|_| CacheError::Abandoned)??;
        let by_place: HashMap<usize, &Asked<'_, K>> = asked.iter().map(|asked| (asked.at, asked)).collect();
        for (at, answer) in loaded {
            if let Some(asked) = by_place.get(&at) {
                obtained.values.insert(at, self.kept(asked.key, &asked.mark, read_at, answer));
            }
        }
        Ok(())
    }

    fn asked<'a>(&self, at: usize, key: &'a K) -> Result<Asked<'a, K>> {
        let stored = self.core.keys.entry(key)?;
        let mark = self.core.epochs.mark(&stored);
        Ok(Asked { at, key, stored, mark })
    }

    /// Sorts the keys of a batch by what is to be done for each.
    fn sort<'a, 'b>(
        &self,
        asked: &'b [Asked<'a, K>],
        call_tags: &[String],
        seen: Vec<Seen<V>>,
        is_first: bool,
    ) -> Sorted<'a, 'b, K, V> {
        let mut sorted =
            Sorted { found: Vec::new(), stale: Vec::new(), missing: Vec::new(), waiting: Vec::new() };
        let counters = &self.core.counters;
        for (asked, Seen { state, tags, kept_tags, known }) in asked.iter().zip(seen) {
            let mut own_tags = self.core.tags_with(call_tags);
            own_tags.extend(kept_tags);
            let basis = Basis { own_tags, tags, known, mark: asked.mark.clone() };
            let (at, key) = (asked.at, asked.stored.clone());
            // A key that was missing in the first round counts as that.
            let first = u64::from(is_first);
            match state {
                State::Value(found) => {
                    if found.head.fresh_until.is_expired(self.core.now()) {
                        counters.stale(first);
                        if let Joined::Own(own, _) =
                            self.core.flights.join_refresh_or_begin(&key, found.nonce)
                        {
                            let (basis, way) = (basis.with_tags_of(&found), Way::Refresh(found.clone(), own));
                            sorted.stale.push(Wanted { at, key, basis, way });
                        }
                    } else {
                        counters.hits(first);
                    }
                    sorted.found.push((asked, found));
                    continue;
                }
                State::Claimed { version, .. } => {
                    counters.waits(1);
                    sorted.waiting.push((key, version));
                }
                State::Miss(occupant) => {
                    let way = match occupant {
                        Occupant::Foreign => Way::Unclaimed(Why::Foreign),
                        _ if !self.core.settings.coordinates_processes() => Way::Unclaimed(Why::ThisProcess),
                        occupant => Way::Claim(occupant),
                    };
                    sorted.missing.push(Wanted { at, key, basis, way });
                }
            }
            counters.misses(first);
        }
        sorted
    }

    /// Answers the keys of a batch during an outage.
    async fn answer_outage(
        &self,
        asked: &[Asked<'_, K>],
        tags: &[String],
        loader: &Arc<Mutex<BatchLoader<V>>>,
        obtained: &mut Obtained<V>,
        error: Error,
    ) -> Result<(), CacheError> {
        let mut missing = Vec::new();
        for asked in asked {
            match self.near_instead::<K>(asked.key.borrow(), tags, error.clone()) {
                Ok(copy) => {
                    self.core.counters.stale(1);
                    obtained.keep_copy(asked.at, &copy);
                }
                Err(error) if !error.is_outage() || !self.core.settings.on_outage.loads() => {
                    return Err(error.into());
                }
                Err(_) => {
                    let basis = Basis::unknown(asked.mark.clone());
                    let way = Way::Unclaimed(Why::Outage);
                    missing.push(Wanted { at: asked.at, key: asked.stored.clone(), basis, way });
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        self.load_wanted(asked, missing, ReadAt::now(&self.core), loader, obtained).await
    }
}

/// The values of a batch, by the places of their keys.
struct Obtained<V> {
    values: HashMap<usize, Option<Arc<V>>>,
    /// The deadlines of those that were found.
    ends: Vec<(usize, Deadline)>,
    /// How often the pending keys were read.
    rounds: usize,
}

impl<V> Obtained<V> {
    fn keep_copy(&mut self, at: usize, copy: &Copy<V>) {
        self.ends.push((at, copy.deadline));
        self.values.insert(at, copy.value.clone());
    }

    /// Removes the values whose deadline has passed. Returns their places.
    fn take_expired(&mut self, now: SystemTime) -> Vec<usize> {
        let expired = self.ends.drain(..).filter(|(_, deadline)| deadline.is_expired(now)).map(|(at, _)| at);
        let expired: Vec<usize> = expired.collect();
        for at in &expired {
            self.values.remove(at);
        }
        expired
    }
}

/// The keys of a batch, by what is to be done for each.
struct Sorted<'a, 'b, K, V> {
    found: Vec<(&'b Asked<'a, K>, Found<V>)>,
    stale: Vec<Wanted<V>>,
    missing: Vec<Wanted<V>>,
    waiting: Vec<(ttl_core::Key, ttl_core::Version)>,
}
