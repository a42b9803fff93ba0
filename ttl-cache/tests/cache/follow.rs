//! Following the changes of a store: a script of changes takes the place of a server.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use ttl_cache::{Cache, CacheBuilder, LoadOptions, Near};
use ttl_core::codec::Json;
use ttl_core::{
    Capabilities, ChangeStream, ErrorKind, Key, Result, StoreChange, Ttl, TtlStore, async_trait,
    forward_ttl_store,
};
use ttl_memory::MemoryStore;

use crate::support::{Counted, Numbers, number, until};

/// A memory store that reports what the test sends.
#[derive(Debug)]
struct Reporting {
    inner: MemoryStore,
    streams: parking_lot::Mutex<Vec<mpsc::UnboundedSender<StoreChange>>>,
}

impl Reporting {
    fn new() -> Arc<Self> {
        Arc::new(Self { inner: MemoryStore::default(), streams: parking_lot::Mutex::new(Vec::new()) })
    }

    fn report(&self, change: &StoreChange) {
        self.streams.lock().retain(|stream| stream.send(change.clone()).is_ok());
    }

    fn builder(self: &Arc<Self>) -> CacheBuilder<String, u64> {
        Cache::builder(Arc::clone(self) as Arc<dyn TtlStore>, "numbers", Ttl::minutes(10), Json)
    }

    /// Creates a cache that follows the changes and keeps copies for an hour.
    async fn following(self: &Arc<Self>) -> Numbers {
        let near = Near::new(100).max_staleness(Duration::from_secs(3_600));
        let cache = self.builder().near(near).build().unwrap();
        cache.follow_changes().await.unwrap();
        cache
    }
}

#[async_trait]
impl TtlStore for Reporting {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities().with_changes(true)
    }

    async fn changes(&self) -> Result<ChangeStream> {
        let (stream, changes) = mpsc::unbounded_channel();
        self.streams.lock().push(stream);
        Ok(Box::pin(futures_util::stream::unfold(changes, async |mut changes| {
            let change = changes.recv().await?;
            Some((change, changes))
        })))
    }

    forward_ttl_store!(self, self.inner => now get put expire patch delete scan get_many put_many delete_many);
}

fn key(text: &str) -> StoreChange {
    StoreChange::Changed(Key::new(text).unwrap())
}

#[tokio::test]
async fn a_reported_change_removes_copies() {
    let store = Reporting::new();
    let (near, far) = (store.following().await, store.builder().build().unwrap());
    let tagged = || LoadOptions::new().with_tags(["t"]);
    let reports = [
        (key("@c:numbers:k:\"a\""), true),
        (key("@c:numbers:t:t"), true),
        (key("@c:numbers:t:"), true),
        (StoreChange::Cleared, true),
        (StoreChange::Gap, true),
        // Those of other keys, tags and caches do not.
        (key("@c:numbers:k:\"b\""), false),
        (key("@c:numbers:t:u"), false),
        (key("@c:others:t:"), false),
    ];
    for (report, removes) in reports {
        near.invalidate("a").await.unwrap();
        near.get_or_load_with("a", tagged(), |_| number(1)).await.unwrap();
        far.insert("a", 2).await.unwrap();
        assert_eq!(near.get("a").await.unwrap().as_deref(), Some(&1), "{report:?}");
        store.report(&report);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let expected = if removes { 2 } else { 1 };
        assert_eq!(near.get("a").await.unwrap().as_deref(), Some(&expected), "{report:?}");
    }
}

#[tokio::test]
async fn a_report_wakes_calls_that_wait_for_another_process() {
    let store = Reporting::new();
    let (near, far) = (store.following().await, store.builder().build().unwrap());
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let loading = {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            let loader = move |_| async move {
                gate.acquire().await.unwrap().forget();
                Ok::<_, std::io::Error>(1)
            };
            *far.get_or_load("a", loader).await.unwrap()
        })
    };
    tokio::task::yield_now().await;
    let waiting = {
        let near = near.clone();
        tokio::spawn(async move { *near.get_or_load("a", |_| number(2)).await.unwrap() })
    };
    until(|| near.stats().waits >= 1).await;
    // A report of the claim itself wakes them, too, and they wait again.
    for _ in 0..3 {
        store.report(&key("@c:numbers:k:\"a\""));
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    assert_eq!(loading.await.unwrap(), 1);
    store.report(&key("@c:numbers:k:\"a\""));
    assert_eq!(waiting.await.unwrap(), 1);
}

#[tokio::test]
async fn the_subscription_ends_with_the_cache() {
    let store = Reporting::new();
    let cache = store.following().await;
    // A second subscription replaces the first.
    cache.follow_changes().await.unwrap();
    until(|| {
        store.report(&StoreChange::Gap);
        store.streams.lock().len() == 1
    })
    .await;
    drop(cache);
    until(|| {
        store.report(&StoreChange::Gap);
        store.streams.lock().is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_store_without_reports_is_refused() {
    let error = Counted::new().cache().follow_changes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
