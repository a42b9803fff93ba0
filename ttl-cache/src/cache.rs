//! `Cache`, and its calls that neither load nor change.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use serde::Serialize;
#[cfg(doc)]
use ttl_core::ErrorKind;
use ttl_core::{Error, Result};

use crate::answer::Answer;
use crate::core::Core;
use crate::epochs::Mark;
use crate::near::{Copy, NearCache, ReadAt};
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
    pub(crate) fn new(core: Arc<Core<V>>, near: Option<NearCache<K, V>>) -> Self {
        Self { core, near: near.map(Arc::new) }
    }

    /// Returns the value if it is stored, stale or not. Loads nothing. Returns `None` for a miss and for a
    /// stored absence.
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
        if let Some(copy) = self.near_hit(key, &[], true) {
            return Ok(copy.value.clone());
        }
        let stored = self.core.keys.entry(key)?;
        let (mark, read_at) = (self.core.epochs.mark(&stored), ReadAt::now(&self.core));
        let seen = match self.core.read(&stored, &[]).await {
            Ok(seen) => seen,
            Err(error) => {
                let copy = self.near_instead(key, &[], error)?;
                self.core.counters.stale(1);
                return Ok(copy.value.clone());
            }
        };
        let State::Value(found) = seen.state else {
            self.core.counters.misses(1);
            self.forget(key);
            return Ok(None);
        };
        let answer = Answer::from(&found);
        self.core.count_found(&answer, false);
        Ok(self.kept(key, &mark, read_at, answer))
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

    /// Returns the near copy if it can be returned without a check of the entry.
    pub(crate) fn near_hit<Q>(&self, key: &Q, tags: &[String], accepts_absent: bool) -> Option<Arc<Copy<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let copy = self.near.as_ref()?.get(key, tags, &self.core.epochs, self.core.now())?;
        if copy.value.is_none() && !accepts_absent {
            return None;
        }
        self.core.counters.near_hits(1);
        Some(copy)
    }

    /// Returns the near copy instead of the error of an outage, if the cache is to do so.
    pub(crate) fn near_instead<Q>(&self, key: &Q, tags: &[String], error: Error) -> Result<Arc<Copy<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if !error.is_outage() {
            return Err(error);
        }
        self.core.counters.outages(1);
        self.outage_copy(key, tags).ok_or(error)
    }

    /// Returns the near copy if the cache serves copies during an outage.
    pub(crate) fn outage_copy<Q>(&self, key: &Q, tags: &[String]) -> Option<Arc<Copy<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let near = self.near.as_ref().filter(|_| self.core.settings.on_outage.serves_stale())?;
        near.get_unchecked(key, tags, &self.core.epochs, self.core.now())
    }

    /// Removes the near copy of a key that has no value in the store.
    pub(crate) fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if let Some(near) = &self.near {
            near.remove(key);
        }
    }

    /// Keeps a near copy of an answer, and returns its value.
    pub(crate) fn kept<Q>(&self, key: &Q, mark: &Mark, read_at: ReadAt, answer: Answer<V>) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if answer.stored.is_none() {
            self.forget(key);
        }
        if let (Some(near), Some(stored)) = (&self.near, &answer.stored) {
            let tags =
                stored.generations.iter().map(|tagged| tagged.tag.as_str()).filter(|tag| !tag.is_empty());
            if let Some(stamp) = self.core.epochs.stamp(mark, tags) {
                near.insert(key.to_owned(), stamp, read_at, answer.value.clone(), stored);
                #[cfg(feature = "metrics")]
                self.core.counters.near(near.entries() as u64, near.bytes(), near.evictions());
            }
        }
        answer.value
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("core", &self.core).field("near", &self.near).finish()
    }
}
