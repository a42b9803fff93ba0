//! A store that counts its calls and can be out, and caches on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use ttl_cache::{Cache, CacheBuilder, LoadOptions, Loaded};
use ttl_core::codec::Json;
use ttl_core::options::{DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PutItem, PutOptions};
use ttl_core::results::{ExpireResult, PutResult};
use ttl_core::{
    Capabilities, Entry, Error, ErrorKind, Key, ManualClock, Outcome, Result, Ttl, TtlStore, Value,
    async_trait, forward_ttl_store,
};
use ttl_memory::{MemoryConfig, MemoryStore};

pub(crate) type Numbers = Cache<String, u64>;

/// A memory store with a clock that tests move.
#[derive(Debug)]
pub(crate) struct Counted {
    inner: MemoryStore,
    pub(crate) clock: Arc<ManualClock>,
    calls: AtomicUsize,
    out: AtomicBool,
    conditions: AtomicBool,
}

impl Counted {
    pub(crate) fn new() -> Arc<Self> {
        let clock = Arc::new(ManualClock::new());
        let inner = MemoryStore::new(&MemoryConfig::new().with_clock(clock.clone()));
        Arc::new(Self {
            inner,
            clock,
            calls: AtomicUsize::new(0),
            out: AtomicBool::new(false),
            conditions: AtomicBool::new(true),
        })
    }

    /// Creates a store that denies conditions.
    pub(crate) fn without_conditions() -> Arc<Self> {
        let store = Self::new();
        store.conditions.store(false, Ordering::SeqCst);
        store
    }

    /// Returns the number of calls since the last question.
    pub(crate) fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn set_out(&self, out: bool) {
        self.out.store(out, Ordering::SeqCst);
    }

    fn begin(&self) -> Result<()> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.out.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "the test switched the store off"));
        }
        Ok(())
    }

    pub(crate) fn builder(self: &Arc<Self>) -> CacheBuilder<String, u64> {
        Cache::builder(Arc::clone(self) as Arc<dyn TtlStore>, "numbers", Ttl::minutes(10), Json)
    }

    pub(crate) fn cache(self: &Arc<Self>) -> Numbers {
        self.builder().build().unwrap()
    }
}

#[async_trait]
impl TtlStore for Counted {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities().with_conditions(self.conditions.load(Ordering::SeqCst))
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.begin()?;
        self.inner.get(key, options).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.begin()?;
        self.capabilities().check_put(&options)?;
        self.inner.put(key, value, options).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.begin()?;
        self.inner.expire(key, change, options).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.begin()?;
        self.inner.delete(key, options).await
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        match self.begin() {
            Ok(()) => self.inner.get_many(keys, options).await,
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        match self.begin() {
            Ok(()) => self.inner.put_many(items).await,
            Err(error) => items.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    forward_ttl_store!(self, self.inner => now patch scan delete_many changes);
}

/// A load of "a" that returns 1. It has begun, and goes on when it is finished.
pub(crate) struct HeldLoad {
    finish: Arc<Semaphore>,
    result: JoinHandle<u64>,
}

impl HeldLoad {
    pub(crate) async fn begin(cache: &Numbers, options: LoadOptions) -> Self {
        let [began, finish] = [(); 2].map(|()| Arc::new(Semaphore::new(0)));
        let loader = {
            let (began, finish) = (Arc::clone(&began), Arc::clone(&finish));
            move |_| async move {
                began.add_permits(1);
                finish.acquire().await.unwrap().forget();
                Ok::<_, std::io::Error>(1)
            }
        };
        let cache = cache.clone();
        let result =
            tokio::spawn(async move { *cache.get_or_load_with("a", options, loader).await.unwrap() });
        began.acquire().await.unwrap().forget();
        Self { finish, result }
    }

    /// Lets the loader return. Returns what the call returns.
    pub(crate) async fn finish(self) -> u64 {
        self.finish.add_permits(1);
        self.result.await.unwrap()
    }
}

/// A loader that returns a number.
pub(crate) async fn number(number: u64) -> std::io::Result<u64> {
    Ok(number)
}

/// A loader that returns a number that is stale after this time.
pub(crate) async fn fresh_for(number: u64, fresh_for: Ttl) -> std::io::Result<Loaded<u64>> {
    Ok(Loaded::new(number).with_fresh_for(fresh_for))
}

/// A loader that fails.
pub(crate) async fn failure() -> std::io::Result<u64> {
    Err(std::io::Error::other("no answer"))
}

/// Waits until the condition holds; a test that waits for longer than 10 seconds fails.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the condition did not hold within 10 seconds");
}
