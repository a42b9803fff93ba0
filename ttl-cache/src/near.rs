//! The near cache: decoded copies in the memory of this process.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use quick_cache::sync::Cache as Copies;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use ttl_core::Deadline;

use crate::core::Core;
use crate::envelope::Tagged;
use crate::epochs::{Epochs, Stamp};
use crate::flights::StoredAs;
use crate::settings::Near;

/// A copy of an entry.
pub(crate) struct Copy<V> {
    /// `None` if the loader found nothing.
    pub(crate) value: Option<Arc<V>>,
    fresh_until: Deadline,
    pub(crate) deadline: Deadline,
    generations: Arc<[Tagged]>,
    /// When the entry was read.
    read_at: ReadAt,
    stamp: Stamp,
    size: Size,
}

impl<V> Copy<V> {
    /// Returns whether the entry has not expired, the copy was not invalidated, and it has these tags.
    fn is_alive(&self, tags: &[String], epochs: &Epochs, now: SystemTime) -> bool {
        let has = |tag: &String| self.generations.iter().any(|tagged| tagged.tag == *tag);
        !self.deadline.is_expired(now) && epochs.confirm(&self.stamp) && tags.iter().all(has)
    }
}

/// The instant before an entry was read: by the clock of the store, which tests can move, and by that of the
/// process, which never goes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadAt {
    store: SystemTime,
    process: Instant,
}

impl ReadAt {
    pub(crate) fn now<V>(core: &Core<V>) -> Self {
        Self { store: core.now(), process: Instant::now() }
    }

    /// Returns whether less than this time has passed, by both clocks.
    fn is_within(&self, time: Duration, now: SystemTime) -> bool {
        now.duration_since(self.store).is_ok_and(|since| since < time) && self.process.elapsed() < time
    }
}

pub(crate) struct NearCache<K, V> {
    copies: Copies<K, Arc<Copy<V>>, Weigh, DefaultHashBuilder, CountEvictions>,
    max_staleness: Duration,
    bytes: Arc<AtomicU64>,
    evictions: CountEvictions,
}

impl<K: Eq + Hash, V> NearCache<K, V> {
    pub(crate) fn new(near: &Near) -> Self {
        // The parts of the capacity that an entry and a byte take, so that one capacity limits both.
        let entries = near.max_entries as u64;
        let weigh =
            near.max_bytes.map_or(Weigh { entry: 1, byte: 0 }, |bytes| Weigh { entry: bytes, byte: entries });
        let capacity = entries.saturating_mul(weigh.entry);
        let evictions = CountEvictions::default();
        let options = OptionsBuilder::new()
            .estimated_items_capacity(near.max_entries)
            .weight_capacity(capacity)
            .build()
            .expect("both capacities are set");
        let copies = Copies::with_options(options, weigh, DefaultHashBuilder::default(), evictions.clone());
        Self { copies, max_staleness: near.max_staleness, bytes: Arc::default(), evictions }
    }

    /// Returns the copy if it can be returned without a check of the entry.
    pub(crate) fn get<Q>(
        &self,
        key: &Q,
        tags: &[String],
        epochs: &Epochs,
        now: SystemTime,
    ) -> Option<Arc<Copy<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let copy = self.copies.get(key)?;
        let fresh = copy.read_at.is_within(self.max_staleness, now) && !copy.fresh_until.is_expired(now);
        (fresh && !epochs.has_gap(&copy.stamp) && copy.is_alive(tags, epochs, now)).then_some(copy)
    }

    /// Returns the copy even if it is stale or was not checked for long. Its entry has not expired.
    pub(crate) fn get_unchecked<Q>(
        &self,
        key: &Q,
        tags: &[String],
        epochs: &Epochs,
        now: SystemTime,
    ) -> Option<Arc<Copy<V>>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.copies.get(key).filter(|copy| copy.is_alive(tags, epochs, now))
    }

    /// Keeps a copy of an entry that was read after the instant `read_at`. The stamp is of an earlier one.
    pub(crate) fn insert(
        &self,
        key: K,
        stamp: Stamp,
        read_at: ReadAt,
        value: Option<Arc<V>>,
        stored: &StoredAs,
    ) {
        let copy = Copy {
            value,
            fresh_until: stored.fresh_until,
            deadline: stored.deadline,
            generations: Arc::clone(&stored.generations),
            read_at,
            stamp,
            size: Size::new(&self.bytes, stored.bytes),
        };
        self.copies.insert(key, Arc::new(copy));
    }

    /// Removes the copy of an entry that is gone.
    pub(crate) fn remove<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.copies.remove(key);
    }

    pub(crate) fn entries(&self) -> usize {
        self.copies.len()
    }

    /// Returns the encoded size of the copies, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.0.load(Ordering::Relaxed)
    }
}

impl<K, V> fmt::Debug for NearCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NearCache").field("max_staleness", &self.max_staleness).finish_non_exhaustive()
    }
}

/// The encoded size of a copy, as a part of the sum of all.
struct Size {
    bytes: u64,
    sum: Arc<AtomicU64>,
}

impl Size {
    fn new(sum: &Arc<AtomicU64>, bytes: usize) -> Self {
        let bytes = bytes as u64;
        sum.fetch_add(bytes, Ordering::Relaxed);
        Self { bytes, sum: Arc::clone(sum) }
    }
}

impl Drop for Size {
    fn drop(&mut self) {
        self.sum.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The weight of a copy: that of an entry, or that of its bytes if they are heavier.
#[derive(Clone)]
struct Weigh {
    entry: u64,
    byte: u64,
}

impl<K, V> Weighter<K, Arc<Copy<V>>> for Weigh {
    fn weight(&self, _: &K, copy: &Arc<Copy<V>>) -> u64 {
        self.entry.max(copy.size.bytes.saturating_mul(self.byte))
    }
}

#[derive(Clone, Default)]
struct CountEvictions(Arc<AtomicU64>);

impl<K, V> Lifecycle<K, V> for CountEvictions {
    type RequestState = ();

    fn begin_request(&self) {}

    fn on_evict(&self, (): &mut (), _: K, _: V) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
