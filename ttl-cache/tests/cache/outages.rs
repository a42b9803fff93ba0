//! Outages: each mode does what its name says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ttl_cache::{CacheError, Near, OnOutage};
use ttl_core::{ErrorKind, Ttl};

use crate::support::{Counted, number};

fn is_outage(error: &CacheError) -> bool {
    error.store_error().is_some_and(|error| error.kind() == ErrorKind::Unavailable)
}

#[tokio::test]
async fn fail_is_the_default_and_loads_nothing() {
    let store = Counted::new();
    let cache = store.builder().near(Near::new(10)).build().unwrap();
    cache.get_or_load("a", |_| number(1)).await.unwrap();
    store.clock.advance(Duration::from_secs(2));
    store.set_out(true);
    assert!(is_outage(&cache.get_or_load("a", |_| number(2)).await.unwrap_err()));
    assert!(cache.get("a").await.unwrap_err().is_outage());
    assert!(cache.invalidate("a").await.unwrap_err().is_outage());
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.outages), (1, 2));
    store.set_out(false);
    // An invalidation that failed removes the near copy nevertheless.
    assert_eq!(*cache.get_or_load("a", |_| number(3)).await.unwrap(), 1);
}

#[tokio::test]
async fn load_loads_and_stores_nothing() {
    let store = Counted::new();
    let cache = store.builder().on_outage(OnOutage::Load).build().unwrap();
    store.set_out(true);
    assert_eq!(*cache.get_or_load("a", |_| number(1)).await.unwrap(), 1);
    assert_eq!(*cache.get_or_load("a", |_| number(2)).await.unwrap(), 2);
    let keys = ["a".to_owned(), "b".to_owned()];
    let many = cache.get_many_or_load(&keys, |keys| async move {
        Ok::<_, std::io::Error>(keys.into_iter().map(|key| (key, 3)).collect::<Vec<_>>())
    });
    assert_eq!(many.await.unwrap().into_iter().flatten().map(|n| *n).collect::<Vec<_>>(), [3, 3]);
    store.set_out(false);
    assert_eq!(cache.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn loads_are_bounded_during_an_outage() {
    let store = Counted::new();
    let cache = store.builder().on_outage(OnOutage::Load).outage_loads(3).build().unwrap();
    store.set_out(true);
    let (now, most, all) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let calls = (0..400_u64).map(|n| {
        let (cache, now, most, all) = (cache.clone(), Arc::clone(&now), Arc::clone(&most), Arc::clone(&all));
        // 400 calls for 40 keys.
        tokio::spawn(async move {
            let loader = move |_| async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                all.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, std::io::Error>(n % 40)
            };
            assert_eq!(*cache.get_or_load(&(n % 40).to_string(), loader).await.unwrap(), n % 40);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    // The calls for a key share loads: one that began before some of them, and one after.
    assert!((40..=120).contains(&all.load(Ordering::SeqCst)), "{all:?} loads");
}

#[tokio::test]
async fn a_call_shares_no_load_that_began_before_it() {
    let store = Counted::new();
    let cache = store.builder().on_outage(OnOutage::Load).build().unwrap();
    store.set_out(true);
    let source = Arc::new(AtomicUsize::new(1));
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let first = {
        let (cache, source, gate) = (cache.clone(), Arc::clone(&source), Arc::clone(&gate));
        tokio::spawn(async move {
            let loader = move |_| async move {
                let number = source.load(Ordering::SeqCst) as u64;
                gate.acquire().await.unwrap().forget();
                Ok::<_, std::io::Error>(number)
            };
            *cache.get_or_load("a", loader).await.unwrap()
        })
    };
    crate::support::until(|| cache.stats().outages == 1).await;
    tokio::task::yield_now().await;
    source.store(2, Ordering::SeqCst);
    let later = {
        let cache = cache.clone();
        tokio::spawn(async move { *cache.get_or_load("a", |_| number(2)).await.unwrap() })
    };
    crate::support::until(|| cache.stats().waits == 1).await;
    gate.add_permits(1);
    assert_eq!((first.await.unwrap(), later.await.unwrap()), (1, 2));
}

#[tokio::test]
async fn serve_stale_returns_copies_until_their_deadline() {
    let store = Counted::new();
    for (mode, loads) in [(OnOutage::ServeStale, false), (OnOutage::ServeStaleOrLoad, true)] {
        let cache = store.builder().near(Near::new(10)).on_outage(mode).build().unwrap();
        cache.invalidate("a").await.unwrap();
        cache.get_or_load("a", |_| number(1)).await.unwrap();
        store.set_out(true);
        // Beyond the maximum staleness.
        store.clock.advance(Ttl::minutes(9).as_duration());
        assert_eq!(*cache.get_or_load("a", |_| number(2)).await.unwrap(), 1);
        assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(&1));
        for key in ["a", "b"] {
            store.clock.advance(Ttl::minutes(1).as_duration());
            match cache.get_or_load(key, |_| number(3)).await {
                Ok(value) => assert!(loads && *value == 3, "{mode:?} {key} {value}"),
                Err(error) => assert!(!loads && is_outage(&error), "{mode:?} {key} {error}"),
            }
        }
        store.set_out(false);
    }
}

#[tokio::test]
async fn an_outage_during_a_load_loses_no_value() {
    let store = Counted::new();
    let cache = store.cache();
    let off = Arc::clone(&store);
    let loader = move |_| async move {
        off.set_out(true);
        Ok::<_, std::io::Error>(1)
    };
    assert_eq!(*cache.get_or_load("a", loader).await.unwrap(), 1);
    assert_eq!(cache.stats().store_errors, 1);
    store.set_out(false);
    // The claim could not be deleted, and ends at its deadline.
    store.clock.advance(Ttl::seconds(10).as_duration());
    assert_eq!(*cache.get_or_load("a", |_| number(2)).await.unwrap(), 2);
}
