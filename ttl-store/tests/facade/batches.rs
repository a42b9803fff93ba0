//! Batches: one result for each input, in order; an invalid item fails individually.

use std::collections::BTreeMap;

use ttl_store::{ErrorKind, Result};

use crate::support::{Fixture, Session, TTL, session};

fn kinds<T>(results: impl IntoIterator<Item = Result<T>>) -> Vec<Result<T, ErrorKind>> {
    results.into_iter().map(|result| result.map_err(|error| error.kind())).collect()
}

#[tokio::test]
async fn bad_keys_fail_alone_and_in_their_place() {
    let fixture = Fixture::new();
    let records = fixture.store.records("s", TTL).build().unwrap();
    let bad = Err(ErrorKind::InvalidKey);
    let items = [("a", session("/a")), ("", session("/")), ("b", session("/b"))];
    let put: Vec<_> =
        kinds(records.put_many(items).await).into_iter().map(|r| r.map(|m| m.created)).collect();
    assert_eq!(put, [Ok(true), bad, Ok(true)]);
    let got = kinds(records.get_many(["b", "", "missing", "a", "b"]).await);
    let (a, b) = (Ok(Some(session("/a"))), Ok(Some(session("/b"))));
    assert_eq!(got, [b.clone(), Err(ErrorKind::InvalidKey), Ok(None), a, b]);
    assert_eq!(
        kinds(records.delete_many(["", "a", "a", "missing"]).await),
        [bad, Ok(true), Ok(false), Ok(false)]
    );
    assert_eq!(kinds(records.get_many(["a", "b"]).await), [Ok(None), Ok(Some(session("/b")))]);
}

#[tokio::test]
async fn bad_values_fail_alone() {
    let fixture = Fixture::new();
    let maps = fixture.store.records::<BTreeMap<String, f64>>("m", TTL).build().unwrap();
    let (good, bad) = (BTreeMap::from([("x".to_owned(), 1.5)]), BTreeMap::from([("x".to_owned(), f64::NAN)]));
    let put = kinds(maps.put_many([("a", &good), ("b", &bad), ("c", &good)]).await);
    assert!(put[0].is_ok() && put[2].is_ok());
    assert_eq!(put[1], Err(ErrorKind::InvalidField));
    assert_eq!(maps.get("c").await.unwrap(), Some(good));
    assert_eq!(maps.get("b").await.unwrap(), None);
}

#[tokio::test]
async fn entries_of_something_else_fail_alone() {
    let fixture = Fixture::new();
    let records = fixture.store.records("s", TTL).build().unwrap();
    records.put("good", &session("/")).await.unwrap();
    let key = records.key("bad").unwrap();
    let put =
        fixture.store.driver().put(&key, "a blob".into(), ttl_store::options::PutOptions::new(TTL)).await;
    assert!(put.unwrap().is_applied());
    let got = kinds(records.get_many(["bad", "good"]).await);
    assert_eq!(got, [Err(ErrorKind::WrongKind), Ok(Some(session("/")))]);
}

#[tokio::test]
async fn the_last_of_two_items_with_one_key_stays() {
    let fixture = Fixture::new();
    let records = fixture.store.records("s", TTL).build().unwrap();
    records.put_many([("k", session("/1")), ("k", session("/2"))]).await.into_result().unwrap();
    assert_eq!(records.get("k").await.unwrap(), Some(session("/2")));
}

#[tokio::test]
async fn empty_batches_are_empty() {
    let fixture = Fixture::new();
    let records = fixture.store.records::<Session>("s", TTL).build().unwrap();
    assert!(records.get_many(Vec::<String>::new()).await.is_empty());
    assert!(records.delete_many(Vec::<String>::new()).await.is_empty());
    assert!(records.put_many(Vec::<(&str, Session)>::new()).await.is_empty());
}

#[tokio::test]
async fn a_hundred_and_fifty_documents() {
    let fixture = Fixture::new();
    let records = fixture.store.records("s", TTL).build().unwrap();
    let keys: Vec<String> = (0..150).map(|n| format!("document-{n}")).collect();
    let items = keys.iter().map(|key| (key, session(key)));
    assert!(records.put_many(items).await.iter().all(Result::is_ok));
    let got = records.get_many(&keys).await;
    for (key, got) in keys.iter().zip(got) {
        assert_eq!(got.unwrap().unwrap().page, *key);
    }
}
