//! Batches: one call of the loader for the keys that are missing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ttl_cache::{CacheError, Near};
use ttl_core::Ttl;

use crate::support::{Counted, Numbers, fresh_for, number, until};

/// The keys that loaders were called with.
type Asked = Arc<Mutex<Vec<Vec<String>>>>;

async fn lengths(cache: &Numbers, keys: &[&str], asked: &Asked) -> Result<Vec<Option<u64>>, CacheError> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let asked = Arc::clone(asked);
    let loader = move |missing: Vec<String>| {
        asked.lock().unwrap().push(missing.clone());
        let known = missing.into_iter().filter(|key| !key.starts_with('?'));
        let loaded: Vec<_> = known.map(|key| (key.clone(), key.len() as u64)).collect();
        async move { Ok::<_, std::io::Error>(loaded) }
    };
    let found = cache.get_many_or_load(&keys, loader).await?;
    Ok(found.into_iter().map(|value| value.map(|value| *value)).collect())
}

#[tokio::test]
async fn the_missing_keys_are_loaded_together() {
    let store = Counted::new();
    let cache = store.cache();
    let asked = Asked::default();
    cache.get_or_load("bb", |_| number(20)).await.unwrap();
    store.calls();
    let found = lengths(&cache, &["a", "bb", "?", "a", "ccc"], &asked).await.unwrap();
    assert_eq!(found, [Some(1), Some(20), None, Some(1), Some(3)]);
    assert_eq!(*asked.lock().unwrap(), [["a", "?", "ccc"]]);
    // One batch of reads, one of claims, and a write for each value.
    assert_eq!(store.calls(), 5);
    let found = lengths(&cache, &["a", "?", "ccc"], &asked).await.unwrap();
    assert_eq!(found, [Some(1), None, Some(3)]);
    assert_eq!((asked.lock().unwrap().len(), store.calls()), (1, 1));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.loads), (4, 4, 2), "{stats:?}");
    assert_eq!(lengths(&cache, &[], &asked).await.unwrap(), []);
    assert_eq!(store.calls(), 0);
}

#[tokio::test]
async fn near_copies_answer_without_a_request() {
    let store = Counted::new();
    let cache = store.builder().near(Near::new(10)).build().unwrap();
    let asked = Asked::default();
    lengths(&cache, &["a", "bb"], &asked).await.unwrap();
    lengths(&cache, &["a", "bb"], &asked).await.unwrap();
    store.calls();
    lengths(&cache, &["a", "bb"], &asked).await.unwrap();
    assert_eq!(store.calls(), 0);
}

#[tokio::test]
async fn a_failed_load_frees_its_keys() {
    let store = Counted::new();
    let cache = store.cache();
    let fails = |_: Vec<String>| async { Err::<Vec<(String, u64)>, _>(std::io::Error::other("no")) };
    let keys = ["a".to_owned(), "bb".to_owned()];
    assert!(matches!(cache.get_many_or_load(&keys, fails).await, Err(CacheError::Loader(_))));
    assert_eq!(lengths(&cache, &["a", "bb"], &Asked::default()).await.unwrap(), [Some(1), Some(2)]);
}

#[tokio::test]
async fn keys_that_others_load_are_waited_for() {
    let store = Counted::new();
    let (cache, other) = (store.cache(), store.cache());
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let first = {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            let loader = move |_| async move {
                gate.acquire().await.unwrap().forget();
                Ok::<_, std::io::Error>(10)
            };
            *other.get_or_load("a", loader).await.unwrap()
        })
    };
    until(|| store.calls() == 0).await;
    let asked = Asked::default();
    let second = {
        let (cache, asked) = (cache.clone(), Arc::clone(&asked));
        tokio::spawn(async move { lengths(&cache, &["a", "bb"], &asked).await.unwrap() })
    };
    until(|| asked.lock().unwrap().len() == 1).await;
    gate.add_permits(1);
    assert_eq!(first.await.unwrap(), 10);
    assert_eq!(second.await.unwrap(), [Some(10), Some(2)]);
    assert_eq!(*asked.lock().unwrap(), [["bb"]]);
}

#[tokio::test]
async fn stale_values_are_refreshed_together() {
    let store = Counted::new();
    let cache = store.cache();
    for key in ["a", "bb"] {
        cache.get_or_load(key, |_| fresh_for(50, Ttl::seconds(1))).await.unwrap();
    }
    store.clock.advance(Duration::from_secs(1));
    let asked = Asked::default();
    assert_eq!(lengths(&cache, &["a", "bb"], &asked).await.unwrap(), [Some(50), Some(50)]);
    until(|| cache.stats().loads == 3).await;
    // The fills follow.
    until(|| store.calls() == 0).await;
    let found = lengths(&cache, &["a", "bb"], &asked).await.unwrap();
    assert_eq!(found, [Some(1), Some(2)]);
    assert_eq!(cache.stats().stale, 2);
}
