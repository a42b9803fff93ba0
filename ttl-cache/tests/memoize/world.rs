//! An application with a cache, a clock and a counter of loads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use ttl_cache::{Cache, CacheError, MemoKey};
use ttl_core::codec::Json;
use ttl_core::{ManualClock, Ttl};
use ttl_memory::{MemoryConfig, MemoryStore};

/// An error of an application.
#[derive(Debug)]
pub(crate) enum AppError {
    NotFound,
    Cache(CacheError),
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for AppError {}

impl From<CacheError> for AppError {
    fn from(error: CacheError) -> Self {
        match error.loader_error() {
            Some(AppError::NotFound) => Self::NotFound,
            _ => Self::Cache(error),
        }
    }
}

pub(crate) type Result<T, E = AppError> = std::result::Result<T, E>;

/// A cache of its own for each test, with a clock and a counter of loads.
#[derive(Clone)]
pub(crate) struct World<V = String> {
    pub(crate) cache: Cache<MemoKey, V>,
    pub(crate) clock: Arc<ManualClock>,
    loads: Arc<AtomicU64>,
}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> World<V> {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        let store = Arc::new(MemoryStore::new(&MemoryConfig::new().with_clock(clock.clone())));
        let cache = Cache::builder(store, "memo", Ttl::minutes(10), Json).build().unwrap();
        Self { cache, clock, loads: Arc::default() }
    }

    /// Counts a load and returns its number.
    pub(crate) fn load(&self) -> u64 {
        self.loads.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }
}
