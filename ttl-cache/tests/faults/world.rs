//! The world of a scenario: one store, its clock, and the processes that use it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use ttl_cache::LoadOptions;
use ttl_core::options::{Condition, ExpiryChange, GetOptions, PutOptions, ScanOptions};
use ttl_core::{Expiry, Key, ManualClock, Ttl, TtlStore, Value};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

use crate::caches::{CacheUnderTest, Failure, Kind, Settings};
use crate::source::Source;
use crate::tap::{Skew, Tap};

/// The end of a scenario: what was seen, if it was wrong.
pub(crate) type Seen = Result<(), String>;

pub(crate) type Cache = Arc<dyn CacheUnderTest>;

/// A call that runs in a task.
pub(crate) type Running = JoinHandle<Result<String, Failure>>;

pub(crate) struct World {
    kind: Kind,
    memory: MemoryStore,
    pub(crate) clock: Arc<ManualClock>,
    /// How long a wait may take before it counts as one that never ends.
    patience: Duration,
}

impl World {
    pub(crate) fn new(kind: Kind, patience: Duration) -> Self {
        let clock = Arc::new(ManualClock::new());
        let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
        Self { kind, memory: MemoryStore::new(&config), clock, patience }
    }

    /// Creates a world with the same cache whose store has the real clock.
    pub(crate) fn in_real_time(&self) -> Self {
        let config = MemoryConfig::new().with_reclaim(Reclaim::Manual);
        Self { memory: MemoryStore::new(&config), clock: Arc::default(), ..*self }
    }

    /// Starts a process with a cache.
    pub(crate) fn process(&self, settings: Settings) -> (Arc<Tap>, Cache) {
        self.skewed_process(settings, Skew::Ahead(Duration::ZERO))
    }

    /// Starts a process whose clock differs from that of the store.
    pub(crate) fn skewed_process(&self, settings: Settings, skew: Skew) -> (Arc<Tap>, Cache) {
        let tap = Tap::new(self.memory.clone(), skew);
        let cache = self.kind.build(tap.clone(), settings);
        (tap, cache)
    }

    pub(crate) fn cache(&self, settings: Settings) -> Cache {
        self.process(settings).1
    }

    /// Starts two processes with the same cache.
    pub(crate) fn two(&self, settings: &Settings) -> [Cache; 2] {
        [self.cache(settings.clone()), self.cache(settings.clone())]
    }

    pub(crate) fn advance(&self, ttl: Ttl) {
        self.clock.advance(ttl.as_duration());
    }

    /// Waits until this is true.
    pub(crate) async fn until(&self, what: &str, mut is_true: impl FnMut() -> bool) -> Seen {
        self.repeat_until(what, async || Ok(is_true())).await
    }

    /// Repeats this until it returns `true`.
    pub(crate) async fn repeat_until(
        &self,
        what: &str,
        mut attempt: impl AsyncFnMut() -> Result<bool, String>,
    ) -> Seen {
        let begin = Instant::now();
        while !attempt().await? {
            if begin.elapsed() > self.patience {
                return Err(format!("for ever, it does not happen that {what}"));
            }
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Waits for the end of a call. A panic of the call itself is its failure.
    pub(crate) async fn finish(&self, mut call: Running) -> Result<Result<String, Failure>, String> {
        match timeout(self.patience, &mut call).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Ok(Err(Failure::Other("the call panicked or was dropped".to_owned()))),
            Err(_) => {
                call.abort();
                Err("a call waits for ever".to_owned())
            }
        }
    }

    /// Returns the entries of the store that contain this text.
    async fn entries_with(&self, text: &str) -> Vec<Key> {
        let page = self.memory.scan(ScanOptions::new("")).await.expect("the memory can be scanned");
        let mut keys = Vec::new();
        for key in page.keys() {
            let entry = self.memory.get(key, GetOptions::new()).await.expect("the memory can be read");
            let Some(Value::Blob(bytes)) = entry.and_then(|entry| entry.value) else { continue };
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                keys.push(key.clone());
            }
        }
        keys
    }

    /// Returns whether the store holds a value with this text.
    pub(crate) async fn holds(&self, text: &str) -> bool {
        !self.entries_with(text).await.is_empty()
    }

    /// Replaces what the store holds for this key.
    pub(crate) async fn overwrite(&self, key: &str, text: &'static str) {
        let key = Key::new(key).expect("the key is valid");
        let options = PutOptions::new(Ttl::hours(100)).with_condition(Condition::IfPresent);
        let put = self.memory.put(&key, text.into(), options).await;
        assert!(put.expect("the memory works").is_applied());
    }

    /// Lets the entries with this text expire after this time.
    pub(crate) async fn expire(&self, text: &str, ttl: Ttl) {
        for key in self.entries_with(text).await {
            let change = ExpiryChange::Set(Expiry::After(ttl));
            let expired = self.memory.expire(&key, change, Default::default()).await;
            assert!(expired.expect("the memory works").is_applied());
        }
    }

    /// Checks that the old value is gone from the store and from the cache, and that a new one is stored.
    pub(crate) async fn replaced(&self, cache: &Cache, key: &str, old: &str) -> Seen {
        settle().await;
        check(cache.get(key).await?.as_deref() != Some(old), || format!("get returns {old:?}"))?;
        let new = Source::new("renewed");
        same("the value of the next call", &load(cache, key, &new).await?, "renewed")?;
        same("the value that is stored then", &load(cache, key, &Source::new("third")).await?, "renewed")
    }
}

/// Calls the cache.
pub(crate) async fn load(cache: &Cache, key: &str, source: &Arc<Source>) -> Result<String, Failure> {
    cache.get_or_load(key, LoadOptions::new(), source).await
}

/// Calls the cache in a task.
pub(crate) fn begin(cache: &Cache, key: &'static str, source: &Arc<Source>) -> Running {
    begin_with(cache, key, LoadOptions::new(), source)
}

pub(crate) fn begin_with(
    cache: &Cache,
    key: &'static str,
    options: LoadOptions,
    source: &Arc<Source>,
) -> Running {
    let (cache, source) = (Arc::clone(cache), Arc::clone(source));
    tokio::spawn(async move { cache.get_or_load(key, options, &source).await })
}

/// Lets all tasks run until they wait for something else than each other. The runtime has one thread, and the
/// store answers at once.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Seen {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Checks that two values are equal.
pub(crate) fn same<A: Debug + PartialEq<B>, B: Debug>(what: &str, seen: &A, expected: B) -> Seen {
    check(*seen == expected, || format!("{what}: expected {expected:?}, saw {seen:?}"))
}
