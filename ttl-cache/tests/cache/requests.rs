//! Requests: each kind of call makes so many calls of the store.

use ttl_cache::{LoadOptions, Loaded, Near};
use ttl_core::Ttl;

use crate::support::{Counted, fresh_for, number, until};

#[tokio::test]
async fn a_hit_is_one_request_and_a_miss_three() {
    let store = Counted::new();
    let cache = store.cache();
    // The first miss also creates the generation of the cache.
    assert_eq!(*cache.get_or_load("first", |_| number(0)).await.unwrap(), 0);
    assert_eq!(store.calls(), 4);
    assert_eq!(*cache.get_or_load("a", |_| number(1)).await.unwrap(), 1);
    assert_eq!(store.calls(), 3);
    for _ in 0..3 {
        assert_eq!(*cache.get_or_load("a", |_| number(2)).await.unwrap(), 1);
        assert_eq!(store.calls(), 1);
    }
    assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(&1));
    assert_eq!(store.calls(), 1);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.loads, stats.stale), (4, 2, 2, 0));
}

#[tokio::test]
async fn a_near_hit_is_no_request() {
    let store = Counted::new();
    let cache = store.builder().near(Near::new(100)).build().unwrap();
    cache.get_or_load("a", |_| number(1)).await.unwrap();
    store.calls();
    for _ in 0..3 {
        assert_eq!(*cache.get_or_load("a", |_| number(2)).await.unwrap(), 1);
        assert_eq!(cache.get("a").await.unwrap().as_deref(), Some(&1));
    }
    assert_eq!(store.calls(), 0);
    assert_eq!(cache.stats().near_hits, 6);
}

#[tokio::test]
async fn a_stale_value_is_one_request_before_it_is_returned() {
    let store = Counted::new();
    let cache = store.cache();
    cache.get_or_load("a", |_| fresh_for(1, Ttl::seconds(1))).await.unwrap();
    store.clock.advance(std::time::Duration::from_secs(2));
    store.calls();
    // On this runtime, the refresh runs only while the test waits.
    assert_eq!(*cache.get_or_load("a", |_| number(2)).await.unwrap(), 1);
    assert_eq!(store.calls(), 1);
    until(|| cache.stats().loads == 2).await;
    until(|| store.calls() > 0).await;
    assert_eq!(*cache.get_or_load("a", |_| number(3)).await.unwrap(), 2);
    assert_eq!(cache.stats().stale, 1);
}

#[tokio::test]
async fn a_refresh_makes_five_requests_in_the_background() {
    let store = Counted::new();
    let cache = store.builder().soft_timeout(std::time::Duration::from_secs(10)).build().unwrap();
    cache.get_or_load("a", |_| fresh_for(1, Ttl::seconds(1))).await.unwrap();
    store.clock.advance(std::time::Duration::from_secs(2));
    store.calls();
    assert_eq!(*cache.get_or_load("a", |_| number(2)).await.unwrap(), 2);
    let mut calls = store.calls();
    // The read, the claim, the check that the value is still there, the fill; and then the end of the claim.
    until(|| {
        calls += store.calls();
        calls == 5
    })
    .await;
}

#[tokio::test]
async fn tags_of_the_call_cost_nothing_and_others_one_request() {
    let store = Counted::new();
    let cache = store.cache();
    let tagged = || LoadOptions::new().with_tags(["t", "u"]);
    cache.get_or_load_with("a", tagged(), |_| number(1)).await.unwrap();
    // The tags exist from now on.
    store.calls();
    cache.get_or_load_with("b", tagged(), |_| number(1)).await.unwrap();
    assert_eq!(store.calls(), 3);
    cache.get_or_load_with("b", tagged(), |_| number(2)).await.unwrap();
    assert_eq!(store.calls(), 1);
    cache.get_or_load("b", |_| number(2)).await.unwrap();
    assert_eq!(store.calls(), 2);
}

#[tokio::test]
async fn changes_make_one_request_and_an_insert_two() {
    let store = Counted::new();
    let cache = store.cache();
    cache.get_or_load("a", |_| number(1)).await.unwrap();
    store.calls();
    cache.insert("a", 2).await.unwrap();
    assert_eq!(store.calls(), 2);
    cache.insert("a", Loaded::new(2).with_tags(["t"])).await.unwrap();
    // And the generation of the new tag.
    assert_eq!(store.calls(), 3);
    cache.invalidate("a").await.unwrap();
    cache.invalidate_tag("t").await.unwrap();
    cache.clear().await.unwrap();
    assert_eq!(store.calls(), 3);
    let fixed = store.builder().clearable(false).build().unwrap();
    fixed.insert("a", 2).await.unwrap();
    assert_eq!(store.calls(), 1);
}

#[tokio::test]
async fn sixty_four_tasks_make_one_claim() {
    let store = Counted::new();
    let cache = store.cache();
    cache.get_or_load("other", |_| number(0)).await.unwrap();
    store.calls();
    let calls = (0..64).map(|_| cache.get_or_load("a", |_| number(1)));
    let values = futures_util::future::join_all(calls).await;
    assert!(values.into_iter().all(|value| *value.unwrap() == 1));
    // A read of each, one claim and one fill.
    assert_eq!(store.calls(), 66);
    assert_eq!(cache.stats().loads, 2);
}
