//! Settings: an invalid one is refused before anything is sent, and each does what its name says.

use std::time::Duration;

use ttl_cache::{Cache, CacheBuilder, CacheError, Coordination, LoadOptions, Loaded, Near, OnOutage};
use ttl_core::{ErrorKind, Ttl};

use crate::support::{Counted, failure, fresh_for, number, until};

#[tokio::test]
async fn invalid_settings_are_refused() {
    let store = Counted::new();
    type Change = fn(CacheBuilder<String, u64>) -> CacheBuilder<String, u64>;
    let invalid: [(&str, Change); 8] = [
        ("fresh_for", |builder| builder.fresh_for(Ttl::minutes(11))),
        ("jitter", |builder| builder.jitter(1.0)),
        ("jitter", |builder| builder.jitter(f64::NAN)),
        ("early_refresh", |builder| builder.early_refresh(-1.0)),
        ("outage_loads", |builder| builder.outage_loads(0)),
        ("hard_timeout", |builder| builder.hard_timeout(Duration::ZERO)),
        ("near", |builder| builder.near(Near::new(0))),
        ("near", |builder| builder.on_outage(OnOutage::ServeStale)),
    ];
    for (setting, change) in invalid {
        let error = change(store.builder()).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains(setting), "{error}");
    }
    for name in ["", "a:b", &"n".repeat(129)] {
        let builder: CacheBuilder<String, u64> =
            Cache::builder(store.clone(), name, Ttl::minutes(1), ttl_core::codec::Json);
        assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::InvalidConfig);
    }
    let error = Counted::without_conditions().builder().build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("Coordination::ThisProcess"), "{error}");
    assert_eq!(store.calls(), 0);
}

#[tokio::test]
async fn invalid_input_is_refused_before_anything_is_sent() {
    let store = Counted::new();
    let cache = store.cache();
    for tag in [String::new(), "t".repeat(257)] {
        let options = LoadOptions::new().with_tags([tag.clone()]);
        let error = cache.get_or_load_with("a", options, |_| number(1)).await.unwrap_err();
        assert_eq!(error.store_error().unwrap().kind(), ErrorKind::InvalidKey);
        assert_eq!(cache.invalidate_tag(&tag).await.unwrap_err().kind(), ErrorKind::InvalidKey);
    }
    let many = (0..65).map(|n| n.to_string());
    assert!(cache.get_or_load_with("a", LoadOptions::new().with_tags(many), |_| number(1)).await.is_err());
    let error = store.builder().clearable(false).build().unwrap().clear().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(store.calls(), 0);
}

#[tokio::test]
async fn a_hard_timeout_ends_the_call_and_not_the_load() {
    let store = Counted::new();
    let cache = store.builder().hard_timeout(Duration::from_millis(20)).build().unwrap();
    let loader = |_| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok::<_, std::io::Error>(1)
    };
    assert!(matches!(cache.get_or_load("a", loader).await, Err(CacheError::WaitTimeout)));
    until(|| cache.stats().loads == 1).await;
    let options = LoadOptions::new().with_hard_timeout(Duration::from_secs(10));
    assert_eq!(*cache.get_or_load_with("a", options, |_| number(2)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_soft_timeout_waits_for_the_refresh_and_then_returns_the_stale_value() {
    let store = Counted::new();
    let cache = store.cache();
    cache.get_or_load("a", |_| fresh_for(1, Ttl::seconds(1))).await.unwrap();
    store.clock.advance(Duration::from_secs(1));
    let soft = |millis| LoadOptions::new().with_soft_timeout(Duration::from_millis(millis));
    let slow = |_| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        fresh_for(2, Ttl::seconds(1)).await
    };
    assert_eq!(*cache.get_or_load_with("a", soft(10), slow).await.unwrap(), 1);
    // The load goes on, and this call waits for it.
    assert_eq!(*cache.get_or_load_with("a", soft(10_000), |_| number(3)).await.unwrap(), 2);
    assert_eq!(cache.stats().loads, 2);
}

#[tokio::test]
async fn a_failed_refresh_is_not_repeated_during_the_pause() {
    let store = Counted::new();
    let cache = store.builder().retry_pause(Ttl::millis(50)).build().unwrap();
    cache.get_or_load("a", |_| fresh_for(1, Ttl::seconds(1))).await.unwrap();
    store.clock.advance(Duration::from_secs(1));
    let soft = || LoadOptions::new().with_soft_timeout(Duration::from_secs(10));
    for _ in 0..5 {
        assert_eq!(*cache.get_or_load_with("a", soft(), |_| failure()).await.unwrap(), 1);
    }
    assert_eq!(cache.stats().load_errors, 1);
    // Both the claim in the store and this process pause.
    let attempts = async {
        loop {
            store.clock.advance(Duration::from_millis(50));
            if *cache.get_or_load("a", |_| number(2)).await.unwrap() == 2 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), attempts).await.unwrap();
}

#[tokio::test]
async fn jitter_only_shortens() {
    let store = Counted::new();
    let cache = store.builder().jitter(0.5).build().unwrap();
    for n in 0..200_u64 {
        cache.get_or_load(&n.to_string(), move |_| number(n)).await.unwrap();
    }
    let mut left = Vec::new();
    for _ in 0..5 {
        store.clock.advance(Ttl::minutes(2).as_duration());
        let mut count = 0;
        for n in 0..200_u64 {
            count += usize::from(cache.get(&n.to_string()).await.unwrap().is_some());
        }
        left.push(count);
    }
    // All live for half of their TTL at least, and none longer than all of it.
    assert_eq!((left[1], left[4]), (200, 0), "{left:?}");
    assert!((1..200).contains(&left[2]) && (1..200).contains(&left[3]), "{left:?}");
}

#[tokio::test]
async fn lifetimes_of_a_value_replace_those_of_the_cache() {
    let store = Counted::new();
    let cache = store.builder().fresh_for(Ttl::minutes(1)).build().unwrap();
    let short = |_| async { Ok::<_, std::io::Error>(Loaded::new(1).with_ttl(Ttl::seconds(10))) };
    cache.get_or_load("short", short).await.unwrap();
    let unstored = |_| async { Ok::<_, std::io::Error>(Loaded::new(1).without_storing()) };
    assert_eq!(*cache.get_or_load("unstored", unstored).await.unwrap(), 1);
    assert_eq!(cache.get("unstored").await.unwrap(), None);
    store.clock.advance(Duration::from_millis(9_999));
    assert!(cache.get("short").await.unwrap().is_some());
    store.clock.advance(Duration::from_millis(1));
    assert!(cache.get("short").await.unwrap().is_none());
}

#[test]
fn without_a_runtime_the_error_says_so() {
    let store = Counted::new();
    let cache = store.cache();
    let error =
        futures_util::FutureExt::now_or_never(cache.get_or_load("a", |_| number(1))).unwrap().unwrap_err();
    assert_eq!(error.store_error().unwrap().kind(), ErrorKind::Unsupported);
    assert!(error.store_error().unwrap().to_string().contains("Tokio"), "{error}");
}

#[test]
fn a_load_survives_no_runtime_but_its_key_does() {
    let store = Counted::new();
    let cache = store.cache();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (one, hangs) =
        (cache.clone(), |_: ttl_cache::LoadContext<u64>| std::future::pending::<std::io::Result<u64>>());
    runtime.spawn(async move { one.get_or_load("a", hangs).await });
    runtime.block_on(async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    });
    drop(runtime);
    store.clock.advance(Duration::from_secs(10));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(*runtime.block_on(cache.get_or_load("a", |_| number(1))).unwrap(), 1);
}

#[tokio::test]
async fn this_process_alone_can_be_chosen() {
    let store = Counted::without_conditions();
    let cache = store.builder().coordination(Coordination::ThisProcess).build().unwrap();
    assert_eq!(*cache.get_or_load("a", |_| number(1)).await.unwrap(), 1);
    assert_eq!(*cache.get_or_load("a", |_| number(2)).await.unwrap(), 1);
}
