//! Properties of the public API that only the memory store has. The conformance suite checks the contract.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ttl_core::options::{ExpiryChange, GetOptions, PutOptions, Refresh, Returning, ScanOptions};
use ttl_core::{ErrorKind, Expiry, Key, ManualClock, Ttl, TtlStore, Value};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

fn manual() -> (MemoryStore, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
    (MemoryStore::new(&config), clock)
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

async fn put(store: &MemoryStore, name: &str, ttl: Ttl) {
    assert!(store.put(&key(name), name.to_owned().into(), PutOptions::new(ttl)).await.unwrap().is_applied());
}

async fn value(store: &MemoryStore, name: &str) -> Option<Value> {
    store.get(&key(name), GetOptions::new()).await.unwrap().and_then(|entry| entry.value)
}

#[tokio::test]
async fn a_store_from_a_url_has_its_settings_and_reports_what_it_holds() {
    let store = MemoryStore::from_url("memory:?max_entries=1&max_value_bytes=3").unwrap();
    assert!(store.is_empty());
    assert_eq!(format!("{store:?}"), "MemoryStore { entries: 0, bytes: 0 }");
    put(&store, "a", Ttl::hours(1)).await;
    assert!(!store.is_empty());
    put(&store, "b", Ttl::hours(1)).await;
    assert_eq!(store.len(), 1);
    assert_eq!(format!("{store:?}"), format!("MemoryStore {{ entries: 1, bytes: {} }}", store.bytes()));
    let large = store.put(&key("a"), "four".into(), PutOptions::new(Ttl::hours(1))).await;
    assert_eq!(large.unwrap_err().kind(), ErrorKind::TooLarge);
    let debug = format!("{:?}", MemoryConfig::new().with_max_entries(NonZeroUsize::new(7).unwrap()));
    assert!(debug.starts_with("MemoryConfig {") && debug.contains('7'), "{debug}");
}

#[tokio::test]
async fn an_entry_ends_on_its_millisecond_and_a_sweep_gives_it_back() {
    let (store, clock) = manual();
    put(&store, "a", Ttl::seconds(10)).await;
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(value(&store, "a").await, Some("a".into()));
    clock.advance(Duration::from_millis(1));
    assert_eq!(value(&store, "a").await, None);
    assert_eq!(store.len(), 1);
    clock.advance(Duration::from_millis(1_024));
    assert_eq!(store.sweep(), 1);
    assert_eq!((store.len(), store.bytes()), (0, 0));
}

#[tokio::test]
async fn a_refresh_under_the_read_lock_is_seen_by_the_sweep() {
    let (store, clock) = manual();
    put(&store, "a", Ttl::seconds(10)).await;
    clock.advance(Duration::from_secs(9));
    let sliding = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::seconds(10)));
    assert!(store.get(&key("a"), sliding).await.unwrap().is_some());
    clock.advance(Duration::from_secs(9));
    assert_eq!(store.sweep(), 0);
    assert_eq!(value(&store, "a").await, Some("a".into()));
    clock.advance(Duration::from_secs(3));
    assert_eq!(store.sweep(), 1);
}

#[tokio::test]
async fn a_deadline_made_sooner_is_swept_sooner() {
    let (store, clock) = manual();
    for (name, soon) in [("reset", true), ("expire", true), ("put", true), ("stays", false)] {
        put(&store, name, Ttl::hours(10)).await;
        match name {
            "reset" => {
                let reset = GetOptions::new().with_refresh(Refresh::reset(Ttl::seconds(5)));
                let entry =
                    store.get(&key(name), reset.with_returning(Returning::DEADLINE)).await.unwrap().unwrap();
                let left = entry.deadline.unwrap().remaining(store.now()).unwrap();
                assert_eq!(left, Duration::from_secs(5));
            }
            "expire" => {
                let change = ExpiryChange::Set(Expiry::After(Ttl::seconds(5)));
                assert!(store.expire(&key(name), change, Default::default()).await.unwrap().is_applied());
            }
            "put" => put(&store, name, Ttl::seconds(5)).await,
            _ => assert!(!soon),
        }
    }
    clock.advance(Duration::from_secs(7));
    assert_eq!(store.sweep(), 3);
    assert_eq!(value(&store, "stays").await, Some("stays".into()));
}

#[tokio::test]
async fn a_scan_lists_every_key_once_in_full_pages() {
    let (store, clock) = manual();
    for n in 0..1000 {
        put(&store, &format!("{}:{n}", if n % 2 == 0 { "even" } else { "odd" }), Ttl::seconds(1 + n % 2))
            .await;
    }
    clock.advance(Duration::from_secs(1));
    for (prefix, count) in [("odd:", 500), ("even:", 0), ("", 500), ("odd:1", 56)] {
        let mut options = ScanOptions::new(prefix).with_limit(NonZeroUsize::new(7).unwrap());
        let mut keys = Vec::new();
        loop {
            let page = store.scan(options.clone()).await.unwrap();
            keys.extend(page.items.into_iter().map(|item| item.key));
            let Some(next) = page.next else { break };
            assert_eq!(keys.len() % 7, 0, "a page that is not the last is full");
            options = options.with_cursor(next);
        }
        let listed = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!((listed, keys.len()), (count, count), "{prefix}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_store_is_refused() {
    let (store, _) = manual();
    let (other, _) = manual();
    put(&store, "a", Ttl::seconds(1)).await;
    put(&store, "b", Ttl::seconds(1)).await;
    let options = ScanOptions::new("").with_limit(NonZeroUsize::MIN);
    let next = store.scan(options.clone()).await.unwrap().next.unwrap();
    assert!(store.scan(options.clone().with_cursor(next.clone())).await.is_ok());
    let refused = other.scan(options.with_cursor(next)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidCursor);
}

#[tokio::test]
async fn two_stores_create_different_versions() {
    let mut versions = HashSet::new();
    for _ in 0..2 {
        let (store, _) = manual();
        // The first versions of every shard.
        for n in 0..200 {
            let options = PutOptions::new(Ttl::seconds(10)).with_returning(Returning::VERSION);
            let put = store.put(&key(&format!("k{n}")), "v".into(), options).await.unwrap();
            assert!(versions.insert(put.applied().unwrap().version.unwrap()), "k{n}");
        }
    }
}
