//! Places never see each other's entries, whatever their names (K2).

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use ttl_store::{ErrorKind, Raw, Store, Ttl};

use crate::support::{Fixture, TTL, session};

const NAMES: [&str; 10] = ["a", "aa", "@r", "@", "a*", "*", "[a]", "\0", "a\\", "é"];
const KEYS: [&str; 9] = ["k", ":k", "a:k", "@r:a:k", "@b:a:k", "r:a:k", "@@", "*", "\0"];

async fn fill(store: &Store) -> Vec<(String, BTreeSet<String>)> {
    let mut places = Vec::new();
    for key in KEYS {
        store.put(key, "plain", TTL).await.unwrap();
    }
    places.push(("plain".to_owned(), listed(store.keys()).await));
    for name in NAMES {
        let blobs = store.blobs::<String, _>(name, TTL, Raw).build().unwrap();
        let records = store.records(name, TTL).build().unwrap();
        let counters = store.counters(name, TTL).build().unwrap();
        let leases = store.leases(name, TTL).unwrap();
        for key in KEYS {
            assert!(blobs.put(key, &name.to_owned()).await.unwrap().created, "blob {key:?} of {name:?}");
            assert!(records.put(key, &session(name)).await.unwrap().created, "record {key:?} of {name:?}");
            assert_eq!(counters.increment(key).await.unwrap(), 1, "counter {key:?} of {name:?}");
            assert!(leases.acquire(key).await.unwrap().is_applied(), "lease {key:?} of {name:?}");
        }
        places.push((format!("blobs {name}"), listed(blobs.keys()).await));
        places.push((format!("records {name}"), listed(records.keys()).await));
        places.push((format!("counters {name}"), listed(counters.keys()).await));
        places.push((format!("leases {name}"), listed(leases.keys()).await));
    }
    places
}

async fn listed(pages: ttl_store::KeyPages) -> BTreeSet<String> {
    let mut pages = pages.with_limit(NonZeroUsize::new(4).unwrap());
    let mut all = BTreeSet::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        assert!(!page.is_empty() && page.len() <= 4);
        for key in page {
            assert!(all.insert(key), "a key came twice");
        }
    }
    assert_eq!(pages.next_page().await.unwrap(), None, "the end stays the end");
    all
}

#[tokio::test]
async fn no_entry_is_shared_and_every_listing_has_its_own_keys() {
    let fixture = Fixture::new();
    let expected: BTreeSet<String> = KEYS.into_iter().map(str::to_owned).collect();
    for (place, keys) in fill(&fixture.store).await {
        assert_eq!(keys, expected, "{place}");
    }
    // Once more, now that everything is there.
    assert_eq!(listed(fixture.store.keys()).await, expected);
    for name in NAMES {
        let blobs = fixture.store.blobs::<String, _>(name, TTL, Raw).build().unwrap();
        assert_eq!(listed(blobs.keys()).await, expected, "{name}");
        for key in KEYS {
            assert_eq!(blobs.get(key).await.unwrap().as_deref(), Some(name), "{key}");
            assert!(blobs.delete(key).await.unwrap());
        }
        assert!(listed(blobs.keys()).await.is_empty());
    }
    for key in KEYS {
        let value = fixture.store.get(key).await.unwrap().unwrap().into_blob().unwrap();
        assert_eq!(value, "plain");
    }
}

#[tokio::test]
async fn prefixes_of_listings_are_literal() {
    let fixture = Fixture::new();
    let blobs = fixture.store.blobs::<String, _>("a", TTL, Raw).build().unwrap();
    for key in ["user*1", "user1", "user*2", "@user"] {
        blobs.put(key, &String::new()).await.unwrap();
        fixture.store.put(key, "", TTL).await.unwrap();
    }
    let set = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>();
    for pages in [blobs.keys(), fixture.store.keys()] {
        assert_eq!(listed(pages.clone().with_prefix("user*")).await, set(&["user*1", "user*2"]));
        assert_eq!(listed(pages.clone().with_prefix("@")).await, set(&["@user"]));
        assert_eq!(listed(pages.with_prefix("x")).await, set(&[]));
    }
}

#[tokio::test]
async fn a_kept_cursor_goes_on_in_its_own_place_only() {
    let fixture = Fixture::new();
    let numbers = fixture.store.counters("n", TTL).build().unwrap();
    for key in ["a", "b", "c"] {
        numbers.increment(key).await.unwrap();
    }
    let two = NonZeroUsize::new(2).unwrap();
    let mut pages = numbers.keys().with_limit(two);
    assert_eq!(pages.next_page().await.unwrap().unwrap(), ["a", "b"]);
    let cursor = pages.cursor().unwrap().clone();
    let mut rest = numbers.keys().with_limit(two).with_cursor(cursor.clone());
    assert_eq!(rest.next_page().await.unwrap().unwrap(), ["c"]);
    assert_eq!(rest.cursor(), None);
    let elsewhere = fixture.store.counters("m", TTL).build().unwrap();
    let error = elsewhere.keys().with_cursor(cursor).next_page().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCursor);
}

#[tokio::test]
async fn expired_entries_are_not_listed() {
    let fixture = Fixture::new();
    let numbers = fixture.store.counters("n", TTL).build().unwrap();
    numbers.increment("old").await.unwrap();
    fixture.advance(30);
    numbers.increment("new").await.unwrap();
    fixture.advance(30);
    assert_eq!(listed(numbers.keys()).await.into_iter().collect::<Vec<_>>(), ["new"]);
}

#[tokio::test]
async fn who_opens_the_same_name_shares_the_entries() {
    let fixture = Fixture::new();
    let open = || fixture.store.counters("n", Ttl::seconds(5)).build().unwrap();
    open().increment("k").await.unwrap();
    assert_eq!(open().get("k").await.unwrap(), Some(1));
    assert_eq!(fixture.stored_keys().await, ["@n:n:k"]);
}
