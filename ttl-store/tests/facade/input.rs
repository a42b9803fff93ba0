//! Invalid input is rejected with its own error kind before anything is sent, and nothing is changed.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use serde_json::json;
use ttl_store::options::{GetOptions, PutOptions, Returning};
use ttl_store::{ErrorKind, Json, Patch, Raw, Record, Result, Ttl, Version};

use crate::support::{Fixture, Session, TTL, session};

fn refused<T: Debug>(fixture: &Fixture, result: Result<T>, kind: ErrorKind) {
    assert_eq!(result.unwrap_err().kind(), kind);
    assert_eq!(fixture.calls(), [], "something was sent");
}

#[tokio::test]
async fn bad_keys() {
    let fixture = Fixture::new();
    let records = fixture.store.records::<Session>("s", TTL).build().unwrap();
    let counters = fixture.store.counters("s", TTL).build().unwrap();
    let leases = fixture.store.leases("s", TTL).unwrap();
    let (kind, value) = (ErrorKind::InvalidKey, session("/"));
    for key in ["", &"k".repeat(1020)] {
        refused(&fixture, records.get(key).await, kind);
        refused(&fixture, records.peek(key).await, kind);
        refused(&fixture, records.get_item(key, Returning::all()).await, kind);
        refused(&fixture, records.get_fields(key, ["page"]).await, kind);
        refused(&fixture, records.contains(key).await, kind);
        refused(&fixture, records.deadline(key).await, kind);
        refused(&fixture, records.remaining(key).await, kind);
        refused(&fixture, records.put(key, &value).await, kind);
        refused(&fixture, records.put_with_expiry(key, &value, TTL).await, kind);
        refused(&fixture, records.create(key, &value).await, kind);
        refused(&fixture, records.replace(key, &value).await, kind);
        refused(&fixture, records.compare_and_swap(key, Version::random(), &value).await, kind);
        refused(&fixture, records.patch(key, Patch::new()).await, kind);
        refused(&fixture, records.patch_if(key, Version::random(), Patch::new()).await, kind);
        refused(&fixture, records.patch_or_create(key, Patch::new(), &value).await, kind);
        refused(&fixture, records.delete(key).await, kind);
        refused(&fixture, records.delete_if(key, Version::random()).await, kind);
        refused(&fixture, records.take(key).await, kind);
        refused(&fixture, records.touch(key).await, kind);
        refused(&fixture, records.extend_by(key, TTL).await, kind);
        refused(&fixture, records.set_expiry(key, TTL).await, kind);
        refused(&fixture, records.persist(key).await, kind);
        refused(&fixture, counters.add(key, 1).await, kind);
        refused(&fixture, leases.acquire(key).await, kind);
    }
}

#[tokio::test]
async fn bad_plain_keys() {
    let fixture = Fixture::new();
    let (store, kind) = (&fixture.store, ErrorKind::InvalidKey);
    for key in ["", &"k".repeat(1025), &format!("@{}", "k".repeat(1023))] {
        refused(&fixture, store.get(key).await, kind);
        refused(&fixture, store.get_item(key, Returning::all()).await, kind);
        refused(&fixture, store.get_fields(key, ["page"]).await, kind);
        refused(&fixture, store.contains(key).await, kind);
        refused(&fixture, store.deadline(key).await, kind);
        refused(&fixture, store.remaining(key).await, kind);
        refused(&fixture, store.put(key, "v", TTL).await, kind);
        refused(&fixture, store.create(key, "v", TTL).await, kind);
        refused(&fixture, store.replace(key, "v", TTL).await, kind);
        refused(&fixture, store.compare_and_swap(key, Version::random(), "v", TTL).await, kind);
        refused(&fixture, store.patch(key, Patch::new()).await, kind);
        refused(
            &fixture,
            store.patch_or_create(key, Patch::new(), ttl_store::options::Create::new(TTL)).await,
            kind,
        );
        refused(&fixture, store.delete(key).await, kind);
        refused(&fixture, store.take(key).await, kind);
        refused(&fixture, store.touch(key, TTL).await, kind);
        refused(&fixture, store.extend_by(key, TTL).await, kind);
        refused(&fixture, store.set_expiry(key, TTL).await, kind);
        refused(&fixture, store.persist(key).await, kind);
    }
}

#[tokio::test]
async fn bad_values() {
    let fixture = Fixture::new();
    let store = &fixture.store;

    let numbers = store.records::<f64>("n", TTL).build().unwrap();
    refused(&fixture, numbers.put("k", &1.0).await, ErrorKind::InvalidField);
    refused(&fixture, numbers.patch_or_create("k", Patch::new(), &1.0).await, ErrorKind::InvalidField);

    let maps = store.records::<BTreeMap<String, f64>>("m", TTL).build().unwrap();
    for bad in [
        BTreeMap::from([("x".to_owned(), f64::NAN)]),
        BTreeMap::from([("ttl:version".to_owned(), 1.0)]),
        BTreeMap::from([(String::new(), 1.0)]),
        BTreeMap::from([("n".repeat(256), 1.0)]),
    ] {
        refused(&fixture, maps.put("k", &bad).await, ErrorKind::InvalidField);
        refused(&fixture, maps.create("k", &bad).await, ErrorKind::InvalidField);
        refused(&fixture, maps.put_with_expiry("k", &bad, TTL).await, ErrorKind::InvalidField);
    }
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let any = store.records::<serde_json::Value>("any", TTL).build().unwrap();
    refused(&fixture, any.put("k", &json!({ "deep": deep })).await, ErrorKind::InvalidField);

    let floats = store.blobs::<f64, _>("f", TTL, Json).build().unwrap();
    refused(&fixture, floats.put("k", &f64::INFINITY).await, ErrorKind::Codec);
    let tuples = store.blobs::<BTreeMap<(u8, u8), u8>, _>("t", TTL, Json).build().unwrap();
    refused(&fixture, tuples.put("k", &BTreeMap::from([((1, 2), 3)])).await, ErrorKind::Codec);
}

#[tokio::test]
async fn bad_patches_are_kept_until_they_are_used() {
    let fixture = Fixture::new();
    let records = fixture.store.records::<Session>("s", TTL).build().unwrap();
    let full = (0..=1000).fold(Patch::new(), |patch, n| patch.set(format!("f{n}"), n));
    for (patch, kind) in [
        (Patch::new().set("page", "/").set("ttl:version", 1), ErrorKind::InvalidField),
        (Patch::new().set("", 1), ErrorKind::InvalidField),
        (Patch::new().increment("hits", f64::NAN), ErrorKind::InvalidField),
        (full, ErrorKind::TooLarge),
    ] {
        refused(&fixture, records.patch("k", patch.clone()).await, kind);
        refused(&fixture, records.patch_if("k", Version::random(), patch.clone()).await, kind);
        refused(&fixture, records.patch_or_create("k", patch.clone(), &session("/")).await, kind);
        refused(&fixture, fixture.store.patch("k", patch).await, kind);
    }
    refused(&fixture, records.get_fields("k", ["ttl:version"]).await, ErrorKind::InvalidField);
    let many = (0..=1000).map(|n| format!("f{n}"));
    refused(&fixture, records.get_fields("k", many).await, ErrorKind::TooLarge);
}

#[tokio::test]
async fn what_does_not_fit_changes_nothing() {
    let fixture = Fixture::new();
    let records = fixture.store.records("s", TTL).build().unwrap();
    records.put("k", &session("/")).await.unwrap();
    let before = records.get_item("k", Returning::all()).await.unwrap().unwrap();

    let too_far = fixture.store.now() + Ttl::MAX.as_duration() + Duration::from_secs(1);
    let kind = |error: ttl_store::Error| error.kind();
    assert_eq!(
        records.put_with_expiry("k", &session("/x"), too_far).await.map_err(kind),
        Err(ErrorKind::InvalidExpiry)
    );
    assert_eq!(records.set_expiry("k", too_far).await.map_err(kind), Err(ErrorKind::InvalidExpiry));
    assert_eq!(records.extend_by("k", Ttl::MAX).await.map_err(kind), Err(ErrorKind::InvalidExpiry));
    for (patch, expected) in [
        (Patch::new().set("page", "/x").append("hits", 1), ErrorKind::WrongFieldType),
        (Patch::new().set("page", "/x").increment("page", 1), ErrorKind::WrongFieldType),
        (Patch::new().set("hits", i64::MAX).increment("hits", 1), ErrorKind::Overflow),
    ] {
        assert_eq!(records.patch("k", patch).await.map_err(kind), Err(expected));
    }
    let after = records.get_item("k", Returning::all()).await.unwrap().unwrap();
    assert_eq!((after.value, after.deadline, after.version), (before.value, before.deadline, before.version));
}

#[tokio::test]
async fn an_elapsed_put_leaves_nothing() {
    let fixture = Fixture::new();
    let records = fixture.store.records("s", TTL).build().unwrap();
    records.put("k", &session("/")).await.unwrap();
    records.put_with_expiry("k", &session("/x"), SystemTime::UNIX_EPOCH).await.unwrap();
    assert_eq!(records.get("k").await.unwrap(), None);
}

#[tokio::test]
async fn entries_of_something_else_are_errors_and_stay() {
    let fixture = Fixture::new();
    let driver = fixture.store.driver();
    let records = fixture.store.records::<Session>("s", TTL).build().unwrap();
    let key = records.key("k").unwrap();
    let put = || PutOptions::new(TTL);

    driver.put(&key, "a blob".into(), put()).await.unwrap().applied().unwrap();
    assert_eq!(records.get("k").await.unwrap_err().kind(), ErrorKind::WrongKind);
    assert_eq!(records.get_fields("k", ["page"]).await.unwrap_err().kind(), ErrorKind::WrongKind);
    assert_eq!(records.patch("k", Patch::new()).await.unwrap_err().kind(), ErrorKind::WrongKind);
    assert_eq!(records.take("k").await.unwrap_err().kind(), ErrorKind::WrongKind);
    assert!(records.contains("k").await.unwrap());

    let other = ttl_store::Record::new().with("page", 7);
    driver.put(&key, other.into(), put()).await.unwrap().applied().unwrap();
    let error = records.get("k").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation(), error.backend()),
        (ErrorKind::Codec, Some("get"), Some("shelf"))
    );
    assert_eq!(error.key(), Some(&key));
    assert!(!error.to_string().contains("@r:"), "{error}");
    assert_eq!(records.take("k").await.unwrap_err().kind(), ErrorKind::Codec);
    assert!(!records.contains("k").await.unwrap(), "a take deletes what it cannot decode, as documented");

    let texts = fixture.store.blobs::<String, _>("t", TTL, Raw).build().unwrap();
    driver.put(&texts.key("k").unwrap(), vec![0xff].into(), put()).await.unwrap().applied().unwrap();
    assert_eq!(texts.get("k").await.unwrap_err().kind(), ErrorKind::Codec);
}

/// Documented at `Counters`: no condition of a patch can require an integer.
#[tokio::test]
async fn a_counter_over_a_fraction_adds_and_cannot_say_the_sum() {
    let fixture = Fixture::new();
    let driver = fixture.store.driver();
    let counters = fixture.store.counters("n", TTL).build().unwrap();
    let key = counters.key("k").unwrap();
    let fraction = Record::new().with("count", 1.5);
    let _ = driver.put(&key, fraction.into(), PutOptions::new(TTL)).await.unwrap();
    assert_eq!(counters.get("k").await.unwrap_err().kind(), ErrorKind::Codec);
    assert_eq!(counters.add("k", 1).await.unwrap_err().kind(), ErrorKind::Codec);
    assert_eq!(counters.add_within("k", 1, ..=9).await.unwrap_err().kind(), ErrorKind::Codec);
    let stored = driver.get(&key, GetOptions::new()).await.unwrap().unwrap().value;
    assert_eq!(stored, Some(Record::new().with("count", 3.5).into()));
    counters.put("k", &7).await.unwrap();
    assert_eq!(counters.increment("k").await.unwrap(), 8);
}
