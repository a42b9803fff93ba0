//! Statistics: what a cache has done, as numbers and as metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::CacheError;

/// What a cache has done in this process since it was built. Returned by [`Cache::stats`](crate::Cache::stats).
///
/// Every value that a call returns is one hit of a kind, a stale value, or the result of a miss. In a batch,
/// each key counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Fresh values from the near cache.
    pub near_hits: u64,
    /// Fresh values from the store.
    pub hits: u64,
    /// Stale values, from the store or, during an outage, from the near cache.
    pub stale: u64,
    /// Keys without a value. Each call counts once, also if it waits.
    pub misses: u64,
    /// Calls of loaders that returned a value.
    pub loads: u64,
    /// Calls of loaders that failed, panicked or took too long.
    pub load_errors: u64,
    /// Times that a call waited for the load of another call or process.
    pub waits: u64,
    /// Loaded values that were not stored, because the key was invalidated or changed, or the lifetime ended,
    /// during the load.
    pub overtaken: u64,
    /// Entries that this program could not read: of another version of the type, or damaged.
    pub unreadable: u64,
    /// Loaded values that were returned although the store refused them or failed.
    pub store_errors: u64,
    /// Calls that found the store out.
    pub outages: u64,
    /// Copies that the near cache evicted.
    pub near_evictions: u64,
    /// Copies in the near cache, including those that are no longer valid.
    pub near_entries: u64,
    /// Their encoded size in bytes.
    pub near_bytes: u64,
}

/// One number, and its metric.
#[derive(Debug)]
struct Counter {
    count: AtomicU64,
    #[cfg(feature = "metrics")]
    metric: (&'static str, &'static str),
}

impl Counter {
    const fn new(metric: &'static str, result: &'static str) -> Self {
        #[cfg(not(feature = "metrics"))]
        let _ = (metric, result);
        Self {
            count: AtomicU64::new(0),
            #[cfg(feature = "metrics")]
            metric: (metric, result),
        }
    }

    fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// The counters of a cache.
#[derive(Debug)]
pub(crate) struct Counters {
    #[cfg(feature = "metrics")]
    cache: metrics::SharedString,
    near_hits: Counter,
    hits: Counter,
    stale: Counter,
    misses: Counter,
    loads: Counter,
    load_errors: Counter,
    waits: Counter,
    overtaken: Counter,
    unreadable: Counter,
    store_errors: Counter,
    outages: Counter,
}

/// Writes one method for each counter that adds to it.
macro_rules! adders {
    ($($name:ident)*) => {
        $(pub(crate) fn $name(&self, count: u64) {
            self.add(&self.$name, count);
        })*
    };
}

impl Counters {
    pub(crate) fn new(cache: &str) -> Self {
        #[cfg(not(feature = "metrics"))]
        let _ = cache;
        Self {
            #[cfg(feature = "metrics")]
            cache: cache.to_owned().into(),
            near_hits: Counter::new("ttl_cache_requests_total", "near_hit"),
            hits: Counter::new("ttl_cache_requests_total", "hit"),
            stale: Counter::new("ttl_cache_requests_total", "stale"),
            misses: Counter::new("ttl_cache_requests_total", "miss"),
            loads: Counter::new("ttl_cache_loads_total", "ok"),
            load_errors: Counter::new("ttl_cache_loads_total", "error"),
            waits: Counter::new("ttl_cache_waits_total", ""),
            overtaken: Counter::new("ttl_cache_unstored_total", "overtaken"),
            unreadable: Counter::new("ttl_cache_unreadable_total", ""),
            store_errors: Counter::new("ttl_cache_unstored_total", "error"),
            outages: Counter::new("ttl_cache_outages_total", ""),
        }
    }

    adders!(near_hits hits stale misses waits overtaken unreadable store_errors outages);

    pub(crate) fn load<T>(&self, result: &Result<T, CacheError>) {
        self.add(if result.is_ok() { &self.loads } else { &self.load_errors }, 1);
    }

    /// Reports the state of the near cache.
    #[cfg(feature = "metrics")]
    pub(crate) fn near(&self, entries: u64, bytes: u64, evictions: u64) {
        metrics::gauge!("ttl_cache_near_entries", "cache" => self.cache.clone()).set(entries as f64);
        metrics::gauge!("ttl_cache_near_bytes", "cache" => self.cache.clone()).set(bytes as f64);
        metrics::counter!("ttl_cache_near_evictions_total", "cache" => self.cache.clone())
            .absolute(evictions);
    }

    fn add(&self, counter: &Counter, count: u64) {
        counter.count.fetch_add(count, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        match counter.metric {
            (name, "") => metrics::counter!(name, "cache" => self.cache.clone()).increment(count),
            (name, result) => {
                metrics::counter!(name, "cache" => self.cache.clone(), "result" => result).increment(count);
            }
        }
    }

    /// Returns the numbers, without those of the near cache.
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            near_hits: self.near_hits.get(),
            hits: self.hits.get(),
            stale: self.stale.get(),
            misses: self.misses.get(),
            loads: self.loads.get(),
            load_errors: self.load_errors.get(),
            waits: self.waits.get(),
            overtaken: self.overtaken.get(),
            unreadable: self.unreadable.get(),
            store_errors: self.store_errors.get(),
            outages: self.outages.get(),
            ..Stats::default()
        }
    }
}
