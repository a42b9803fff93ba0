//! A cache that coordinates this process only, on a store without conditions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ttl_cache::{Coordination, LoadOptions};

use crate::support::{Counted, HeldLoad, Numbers, number, until};

fn cache() -> Numbers {
    let store = Counted::without_conditions();
    store.builder().coordination(Coordination::ThisProcess).build().unwrap()
}

#[tokio::test]
async fn sixty_four_tasks_load_once() {
    let cache = cache();
    let loads = Arc::new(AtomicU64::new(0));
    let calls = (0..64).map(|_| {
        let loads = Arc::clone(&loads);
        cache.get_or_load("a", move |_| async move {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(loads.fetch_add(1, Ordering::SeqCst))
        })
    });
    let values = futures_util::future::join_all(calls).await;
    assert!(values.into_iter().all(|value| *value.unwrap() == 0));
}

#[tokio::test]
async fn a_load_that_began_before_a_change_is_not_stored() {
    for change in ["invalidate", "tag", "clear", "insert"] {
        let cache = cache();
        let first = HeldLoad::begin(&cache, LoadOptions::new().with_tags(["t"])).await;
        match change {
            "invalidate" => cache.invalidate("a").await.unwrap(),
            "tag" => cache.invalidate_tag("t").await.unwrap(),
            "clear" => cache.clear().await.unwrap(),
            _ => cache.insert("a", 2).await.unwrap(),
        }
        let later = {
            let cache = cache.clone();
            tokio::spawn(async move { *cache.get_or_load("a", |_| number(2)).await.unwrap() })
        };
        until(|| cache.stats().waits == u64::from(change != "insert")).await;
        assert_eq!(first.finish().await, 1);
        assert_eq!(later.await.unwrap(), 2, "{change}");
        assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(&2), "{change}");
    }
}

#[tokio::test]
async fn a_stale_value_is_refreshed() {
    let store = Counted::without_conditions();
    let cache = store.builder().coordination(Coordination::ThisProcess).build().unwrap();
    cache.get_or_load("a", |_| crate::support::fresh_for(1, ttl_core::Ttl::seconds(1))).await.unwrap();
    store.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(*cache.get_or_load("a", |_| number(2)).await.unwrap(), 1);
    // The fill follows the load.
    until(|| cache.stats().loads == 2).await;
    tokio::task::yield_now().await;
    assert_eq!(*cache.get_or_load("a", |_| number(3)).await.unwrap(), 2);
}
