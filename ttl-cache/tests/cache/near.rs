//! Near copies: they live for what remains of the entry, and no change of this process is hidden by one.

use std::time::Duration;

use ttl_cache::{Loaded, Near};
use ttl_core::Ttl;

use crate::support::{Counted, number};

const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_copy_ends_with_its_entry() {
    let store = Counted::new();
    let near = store.builder().near(Near::new(100).max_staleness(LONG)).build().unwrap();
    let far = store.cache();
    far.get_or_load("a", |_| async { Ok::<_, std::io::Error>(Loaded::new(1).with_ttl(Ttl::seconds(1))) })
        .await
        .unwrap();
    store.clock.advance(Duration::from_millis(700));
    // The copy is made with 300 ms left.
    assert_eq!(near.get("a").await.unwrap().as_deref(), Some(&1));
    store.clock.advance(Duration::from_millis(299));
    store.calls();
    assert_eq!(near.get("a").await.unwrap().as_deref(), Some(&1));
    assert_eq!(store.calls(), 0);
    store.clock.advance(Duration::from_millis(1));
    assert_eq!(near.get("a").await.unwrap(), None);
    assert_eq!(far.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn changes_of_this_process_are_seen_at_once() {
    let store = Counted::new();
    let near = store.builder().near(Near::new(100).max_staleness(LONG)).build().unwrap();
    let tagged = |n: u64| async move { Ok::<_, std::io::Error>(Loaded::new(n)) };
    let options = || ttl_cache::LoadOptions::new().with_tags(["t"]);
    for (round, change) in ["key", "tag", "clear", "insert"].into_iter().enumerate() {
        let old = 2 * round as u64;
        near.invalidate("a").await.unwrap();
        near.get_or_load_with("a", options(), move |_| tagged(old)).await.unwrap();
        assert_eq!(*near.get_or_load("a", |_| number(99)).await.unwrap(), old);
        match change {
            "key" => near.invalidate("a").await.unwrap(),
            "tag" => near.invalidate_tag("t").await.unwrap(),
            "clear" => near.clear().await.unwrap(),
            _ => near.insert("a", old + 1).await.unwrap(),
        }
        assert_eq!(*near.get_or_load("a", move |_| number(old + 1)).await.unwrap(), old + 1, "{change}");
    }
}

#[tokio::test]
async fn changes_of_another_process_are_seen_after_the_maximum_staleness() {
    let store = Counted::new();
    let near =
        store.builder().near(Near::new(100).max_staleness(Duration::from_millis(500))).build().unwrap();
    let far = store.cache();
    near.get_or_load("a", |_| number(1)).await.unwrap();
    far.invalidate("a").await.unwrap();
    store.clock.advance(Duration::from_millis(499));
    assert_eq!(near.get("a").await.unwrap().as_deref(), Some(&1));
    store.clock.advance(Duration::from_millis(1));
    assert_eq!(near.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn a_stale_copy_is_not_returned_without_a_look() {
    let store = Counted::new();
    let near = store.builder().near(Near::new(100).max_staleness(LONG)).build().unwrap();
    near.get_or_load("a", |_| crate::support::fresh_for(1, Ttl::seconds(1))).await.unwrap();
    store.clock.advance(Duration::from_secs(1));
    store.calls();
    assert_eq!(*near.get_or_load("a", |_| number(2)).await.unwrap(), 1);
    assert_eq!(store.calls(), 1);
}

#[tokio::test]
async fn the_capacity_limits_entries_and_bytes() {
    let store = Counted::new();
    let entries = store.builder().near(Near::new(10)).build().unwrap();
    let bytes = store.builder().near(Near::new(1_000).max_bytes(40)).build().unwrap();
    for n in 10..60_u64 {
        entries.get_or_load(&n.to_string(), move |_| number(n)).await.unwrap();
        bytes.get_or_load(&n.to_string(), move |_| number(n)).await.unwrap();
    }
    let (entries, bytes) = (entries.stats(), bytes.stats());
    assert!((1..=10).contains(&entries.near_entries), "{entries:?}");
    assert!(entries.near_evictions >= 40, "{entries:?}");
    // Each number has two digits.
    assert!((2..=40).contains(&bytes.near_bytes) && bytes.near_bytes == 2 * bytes.near_entries, "{bytes:?}");
}
