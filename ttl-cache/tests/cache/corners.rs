//! Corners where two features meet: tags and near copies, timeouts and outages, batches and deadlines.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ttl_cache::{Cache, CacheError, LoadOptions, Loaded, Near, OnOutage};
use ttl_core::codec::Json;
use ttl_core::{Ttl, TtlStore};

use crate::support::{Counted, fresh_for, number, until};

const LONG: Duration = Duration::from_secs(3_600);

fn tagged(tag: &str) -> LoadOptions {
    LoadOptions::new().with_tags([tag])
}

#[tokio::test]
async fn a_near_copy_without_a_tag_of_the_call_is_not_returned() {
    let store = Counted::new();
    let cache = store.builder().near(Near::new(10).max_staleness(LONG)).build().unwrap();
    cache.get_or_load("a", |_| number(1)).await.unwrap();
    assert_eq!(*cache.get_or_load_with("a", tagged("t"), |_| number(2)).await.unwrap(), 2);
    assert_eq!(*cache.get_or_load_with("a", tagged("t"), |_| number(3)).await.unwrap(), 2);
    cache.invalidate_tag("t").await.unwrap();
    assert_eq!(*cache.get_or_load_with("a", tagged("t"), |_| number(4)).await.unwrap(), 4);
}

#[tokio::test]
async fn a_call_joins_no_load_without_its_tag() {
    let store = Counted::new();
    let cache = store.cache();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let untagged = {
        let (cache, gate) = (cache.clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            let loader = move |_| async move {
                gate.acquire().await.unwrap().forget();
                Ok::<_, std::io::Error>(1)
            };
            *cache.get_or_load("a", loader).await.unwrap()
        })
    };
    until(|| cache.stats().misses == 1).await;
    tokio::task::yield_now().await;
    cache.invalidate_tag("t").await.unwrap();
    let later = {
        let cache = cache.clone();
        tokio::spawn(async move { *cache.get_or_load_with("a", tagged("t"), |_| number(2)).await.unwrap() })
    };
    until(|| cache.stats().waits == 1).await;
    gate.add_permits(1);
    assert_eq!((untagged.await.unwrap(), later.await.unwrap()), (1, 2));
}

#[tokio::test]
async fn a_refresh_keeps_the_tags_of_the_value() {
    let store = Counted::new();
    let cache = store.builder().soft_timeout(Duration::from_secs(10)).build().unwrap();
    let second = |n| move |_| fresh_for(n, Ttl::seconds(1));
    cache.get_or_load_with("a", tagged("t"), second(1)).await.unwrap();
    store.clock.advance(Duration::from_secs(1));
    assert_eq!(*cache.get_or_load("a", second(2)).await.unwrap(), 2);
    assert_eq!(*cache.get_or_load_with("a", tagged("t"), |_| number(3)).await.unwrap(), 2);
    cache.invalidate_tag("t").await.unwrap();
    assert_eq!(*cache.get_or_load("a", |_| number(4)).await.unwrap(), 4);
}

#[tokio::test]
async fn a_refresh_of_a_batch_keeps_them_too() {
    let store = Counted::new();
    let cache = store.cache();
    cache.get_or_load_with("a", tagged("t"), |_| fresh_for(1, Ttl::seconds(1))).await.unwrap();
    store.clock.advance(Duration::from_secs(1));
    let loader = |missing: Vec<String>| async move {
        Ok::<_, std::io::Error>(missing.into_iter().map(|key| (key, 2)).collect::<Vec<_>>())
    };
    cache.get_many_or_load(&["a".to_owned()], loader).await.unwrap();
    until(|| futures_util::FutureExt::now_or_never(cache.get("a")).unwrap().unwrap().as_deref() == Some(&2))
        .await;
    cache.invalidate_tag("t").await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn tags_that_change_with_each_load_stay_bounded() {
    let store = Counted::new();
    let cache = store.cache();
    for n in 0..100_u64 {
        cache.get_or_load_with("a", tagged(&n.to_string()), move |_| number(n)).await.unwrap();
    }
    let loads = cache.stats().loads;
    assert_eq!(*cache.get_or_load_with("a", tagged("99"), |_| number(1_000)).await.unwrap(), 99);
    assert_eq!(cache.stats().loads, loads);
}

#[tokio::test]
async fn a_late_call_returns_no_copy_while_the_store_works() {
    let store = Counted::new();
    let near = Near::new(10).max_staleness(Duration::ZERO);
    let builder = store.builder().near(near).on_outage(OnOutage::ServeStale);
    let cache = builder.hard_timeout(Duration::from_millis(30)).build().unwrap();
    cache.get_or_load("a", |_| number(1)).await.unwrap();
    store.cache().invalidate("a").await.unwrap();
    let hangs = |_| std::future::pending::<std::io::Result<u64>>();
    assert!(matches!(cache.get_or_load("a", hangs).await, Err(CacheError::WaitTimeout)));
}

#[tokio::test]
async fn serving_stale_copies_never_loads() {
    let store = Counted::new();
    let builder = store.builder().near(Near::new(10)).on_outage(OnOutage::ServeStale);
    let cache = builder.build().unwrap();
    cache.find_or_load("a", |_| async { Ok::<_, std::io::Error>(None::<u64>) }).await.unwrap();
    store.clock.advance(Duration::from_secs(2));
    store.set_out(true);
    assert!(cache.get_or_load("a", |_| number(1)).await.is_err());
    let unexpected = |_| async { Err::<Option<u64>, _>(std::io::Error::other("loaded")) };
    assert_eq!(cache.find_or_load("a", unexpected).await.unwrap(), None);
}

#[tokio::test]
async fn a_miss_removes_the_near_copy() {
    let store = Counted::new();
    let near = Near::new(10).max_staleness(Duration::ZERO);
    let cache = store.builder().near(near).on_outage(OnOutage::ServeStale).build().unwrap();
    cache.get_or_load("a", |_| number(1)).await.unwrap();
    store.cache().invalidate("a").await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), None);
    store.set_out(true);
    assert!(cache.get("a").await.is_err());
}

#[tokio::test]
async fn a_batch_returns_nothing_after_its_deadline() {
    for near in [false, true] {
        let store = Counted::new();
        let builder = store.builder();
        let cache =
            if near { builder.near(Near::new(10).max_staleness(LONG)) } else { builder }.build().unwrap();
        let short = |_| async { Ok::<_, std::io::Error>(Loaded::new(1).with_ttl(Ttl::seconds(1))) };
        cache.get_or_load("a", short).await.unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (clock, seen) = (Arc::clone(&store.clock), Arc::clone(&asked));
        let loader = move |missing: Vec<String>| {
            clock.advance(Duration::from_secs(2));
            seen.lock().unwrap().push(missing.clone());
            async move { Ok::<_, std::io::Error>(missing.into_iter().map(|key| (key, 2)).collect::<Vec<_>>()) }
        };
        let keys = ["a".to_owned(), "b".to_owned()];
        let found = cache.get_many_or_load(&keys, loader).await.unwrap();
        assert_eq!(found.into_iter().flatten().map(|n| *n).collect::<Vec<_>>(), [2, 2], "near {near}");
        assert_eq!(*asked.lock().unwrap(), [["b"], ["a"]]);
    }
}

#[tokio::test]
async fn refreshes_do_not_begin_a_fight_of_two_types() {
    let store = Counted::new();
    let build = || Cache::builder(store.clone() as Arc<dyn TtlStore>, "c", Ttl::hours(10), Json);
    let numbers: Cache<String, u64> = build().build().unwrap();
    let texts: Cache<String, String> =
        Cache::builder(store.clone() as Arc<dyn TtlStore>, "c", Ttl::hours(10), Json).build().unwrap();
    let soft = || LoadOptions::new().with_soft_timeout(Duration::from_secs(10));
    for _ in 0..10 {
        numbers.get_or_load_with("a", soft(), |_| fresh_for(1, Ttl::seconds(1))).await.unwrap();
        let text = |_| async {
            Ok::<_, std::io::Error>(Loaded::new("one".to_owned()).with_fresh_for(Ttl::seconds(1)))
        };
        texts.get_or_load_with("a", soft(), text).await.unwrap();
        store.clock.advance(Duration::from_secs(1));
    }
    // The texts replaced the number once, and each of their refreshes keeps the mark.
    assert_eq!((texts.stats().unreadable, numbers.stats().loads), (1, 10));
}
