//! A batch of reads is not atomic: a generation can be read before it is created, and its entry after that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use ttl_cache::{Cache, LoadOptions};
use ttl_core::codec::Json;
use ttl_core::options::GetOptions;
use ttl_core::{Entry, Key, Result, Ttl, TtlStore, async_trait, forward_ttl_store};

use crate::support::{Counted, HeldLoad, Numbers, number, until};

/// A store whose first batch reads the last key, stops, and then reads the others.
#[derive(Debug)]
struct Torn {
    inner: Arc<Counted>,
    stopped: AtomicBool,
    go_on: Semaphore,
}

impl Torn {
    fn new(inner: &Arc<Counted>) -> Arc<Self> {
        Arc::new(Self { inner: Arc::clone(inner), stopped: AtomicBool::new(false), go_on: Semaphore::new(0) })
    }

    fn cache(self: &Arc<Self>) -> Numbers {
        let store = Arc::clone(self) as Arc<dyn TtlStore>;
        Cache::builder(store, "numbers", Ttl::minutes(10), Json).build().unwrap()
    }
}

#[async_trait]
impl TtlStore for Torn {
    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        if self.stopped.swap(true, Ordering::SeqCst) {
            return self.inner.get_many(keys, options).await;
        }
        let (generation, entries) = keys.split_last().unwrap();
        let generation = self.inner.get(generation, options.clone()).await;
        self.go_on.acquire().await.unwrap().forget();
        let mut read = self.inner.get_many(entries, options).await;
        read.push(generation);
        read
    }

    forward_ttl_store!(self, self.inner => capabilities now get put patch expire delete scan put_many delete_many changes);
}

/// A call that has read the generation of a cold cache, and not yet the entry.
struct Stopped {
    torn: Arc<Torn>,
    /// The cache of another process.
    first: Numbers,
    /// The cache of the call.
    second: Numbers,
    waiting: JoinHandle<u64>,
}

impl Stopped {
    async fn new(is_batch: bool) -> Self {
        let store = Counted::new();
        let torn = Torn::new(&store);
        let (first, second) = (store.cache(), torn.cache());
        let waiting = tokio::spawn(call(second.clone(), is_batch));
        until(|| torn.stopped.load(Ordering::SeqCst)).await;
        Self { torn, first, second, waiting }
    }
}

/// Calls of both kinds.
async fn call(cache: Numbers, is_batch: bool) -> u64 {
    if !is_batch {
        return *cache.get_or_load("a", |_| number(2)).await.unwrap();
    }
    let loader = |missing: Vec<String>| async move {
        Ok::<_, std::io::Error>(missing.into_iter().map(|key| (key, 2)).collect::<Vec<_>>())
    };
    let found = cache.get_many_or_load(&["a".to_owned()], loader).await.unwrap();
    **found[0].as_ref().unwrap()
}

#[tokio::test]
async fn a_claim_that_is_newer_than_the_read_of_its_generation_is_kept() {
    for is_batch in [false, true] {
        let Stopped { torn, first, second, waiting } = Stopped::new(is_batch).await;
        let loading = HeldLoad::begin(&first, LoadOptions::new()).await;
        torn.go_on.add_permits(1);
        until(|| second.stats().waits + second.stats().loads > 0).await;
        assert_eq!((loading.finish().await, waiting.await.unwrap()), (1, 1), "batch: {is_batch}");
        assert_eq!((first.stats().overtaken, second.stats().loads), (0, 0), "batch: {is_batch}");
    }
}

#[tokio::test]
async fn a_value_that_is_newer_than_the_read_of_its_generation_is_returned() {
    for is_batch in [false, true] {
        let Stopped { torn, first, second, waiting } = Stopped::new(is_batch).await;
        first.get_or_load("a", |_| number(1)).await.unwrap();
        torn.go_on.add_permits(1);
        assert_eq!(waiting.await.unwrap(), 1, "batch: {is_batch}");
        assert_eq!(second.stats().loads, 0, "batch: {is_batch}");
    }
}

#[tokio::test]
async fn a_value_without_the_generation_of_a_clearable_cache_is_replaced() {
    let store = Counted::new();
    let older = store.builder().clearable(false).build().unwrap();
    older.get_or_load("a", |_| number(1)).await.unwrap();
    assert_eq!(*store.cache().get_or_load("a", |_| number(2)).await.unwrap(), 2);
}
