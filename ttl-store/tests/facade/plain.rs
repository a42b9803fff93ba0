//! The common operations on plain keys.

use std::time::Duration;

use ttl_store::options::{Create, Returning};
use ttl_store::{Deadline, Expiry, Kind, Lifespan, Patch, Record, Ttl, Value};

use crate::support::{Fixture, TTL};

#[tokio::test]
async fn blobs_and_records_come_and_go() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    assert!(store.put("k", "text", TTL).await.unwrap().created);
    assert_eq!(store.get("k").await.unwrap(), Some(Value::from("text")));
    assert!(store.contains("k").await.unwrap());
    let record = Record::new().with("n", 1);
    assert!(!store.put("k", record.clone(), Expiry::Never).await.unwrap().created);
    assert_eq!(store.deadline("k").await.unwrap(), Some(Deadline::NEVER));
    assert_eq!(store.get_fields("k", ["n", "missing"]).await.unwrap(), Some(record));
    let patched = store.patch("k", Patch::new().increment("n", 4)).await.unwrap().unwrap();
    assert_eq!(patched.fields, Record::new().with("n", 5));
    let taken = store.take("k").await.unwrap().unwrap();
    assert_eq!(taken.kind(), Kind::Record);
    assert_eq!(store.take("k").await.unwrap(), None);
    assert!(!store.delete("k").await.unwrap());
    let create = Create::new(TTL).with_initial(Record::new().with("n", 1));
    let outcome = store.patch_or_create("k", Patch::new().increment("n", 1), create).await.unwrap();
    assert_eq!((outcome.created, outcome.fields), (true, Record::new().with("n", 2)));
    assert!(store.delete("k").await.unwrap());
}

#[tokio::test]
async fn conditions() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    assert!(store.replace("k", "0", TTL).await.unwrap().is_absent());
    assert!(store.create("k", "1", TTL).await.unwrap().is_applied());
    assert!(store.create("k", "x", TTL).await.unwrap().is_refused());
    assert!(store.replace("k", "2", TTL).await.unwrap().is_applied());
    let version = store.get_item("k", Returning::VERSION).await.unwrap().unwrap().version.unwrap();
    let swapped = store.compare_and_swap("k", version, "3", TTL).await.unwrap();
    assert!(swapped.applied().unwrap().version.is_some());
    assert!(store.compare_and_swap("k", version, "x", TTL).await.unwrap().is_refused());
    assert_eq!(store.get("k").await.unwrap(), Some(Value::from("3")));
}

#[tokio::test]
async fn deadlines() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store.put("k", "v", Lifespan::from(TTL).with_max_lifetime(Ttl::minutes(3))).await.unwrap();
    fixture.advance(10);
    assert_eq!(store.remaining("k").await.unwrap(), Some(Duration::from_secs(50)));
    assert!(!store.touch("k", Ttl::seconds(5)).await.unwrap().unwrap().changed);
    assert!(store.touch("k", TTL).await.unwrap().unwrap().changed);
    assert!(store.extend_by("k", Ttl::seconds(5)).await.unwrap().unwrap().changed);
    assert_eq!(store.remaining("k").await.unwrap(), Some(Duration::from_secs(65)));
    store.persist("k").await.unwrap().unwrap();
    assert_eq!(store.remaining("k").await.unwrap(), Some(Duration::from_secs(170)), "the cap holds");
    store.set_expiry("k", Ttl::seconds(1)).await.unwrap().unwrap();
    fixture.advance(1);
    assert_eq!(store.get("k").await.unwrap(), None);
    assert_eq!(store.touch("k", TTL).await.unwrap(), None);
}

#[tokio::test]
async fn batches() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let put = store.put_many([("a", "1"), ("", "x"), ("@b", "2")], TTL).await;
    assert!(put[0].is_ok() && put[1].is_err() && put[2].is_ok());
    let got = store.get_many(["@b", "missing", "a", ""]).await;
    assert_eq!(got[0].as_ref().unwrap(), &Some(Value::from("2")));
    assert_eq!(got[1].as_ref().unwrap(), &None);
    assert_eq!(got[2].as_ref().unwrap(), &Some(Value::from("1")));
    assert!(got[3].is_err());
    let deleted: Vec<_> = store.delete_many(["a", "a"]).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(deleted, [true, false]);
}

#[tokio::test]
async fn debug_prints_no_value() {
    let fixture = Fixture::new();
    fixture.store.put("k", "s3cret", TTL).await.unwrap();
    let blob = fixture.store.get("k").await.unwrap();
    assert!(!format!("{blob:?}").contains("s3cret"));
}
