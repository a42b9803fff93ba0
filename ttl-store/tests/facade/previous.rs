//! Puts that return the previous value.

use ttl_store::{ErrorKind, Json, Ttl};

use crate::support::{Fixture, TTL, session};

#[tokio::test]
async fn a_swap_returns_what_it_replaced() {
    let fixture = Fixture::new();
    let records = fixture.store.records("s", TTL).build().unwrap();
    assert_eq!(records.swap("k", &session("/a")).await.unwrap(), None);
    assert_eq!(records.swap("k", &session("/b")).await.unwrap(), Some(session("/a")));
    fixture.advance(61);
    assert_eq!(records.swap("k", &session("/c")).await.unwrap(), None);

    let counters = fixture.store.counters("n", TTL).build().unwrap();
    counters.add("k", 5).await.unwrap();
    assert_eq!(counters.swap("k", &0).await.unwrap(), Some(5));
    assert_eq!(counters.peek("k").await.unwrap(), Some(0));

    assert_eq!(fixture.store.swap("k", "one", Ttl::hours(1)).await.unwrap(), None);
    assert_eq!(fixture.store.swap("k", "two", Ttl::hours(1)).await.unwrap(), Some("one".into()));
}

#[tokio::test]
async fn who_comes_late_gets_what_is_there() {
    let fixture = Fixture::new();
    let blobs = fixture.store.blobs::<String, _>("s", TTL, Json).build().unwrap();
    assert_eq!(blobs.create_or_get("k", &"first".to_owned()).await.unwrap(), None);
    assert_eq!(blobs.create_or_get("k", &"second".to_owned()).await.unwrap(), Some("first".to_owned()));
    assert_eq!(blobs.peek("k").await.unwrap(), Some("first".to_owned()));

    assert_eq!(fixture.store.create_or_get("k", "first", TTL).await.unwrap(), None);
    assert_eq!(fixture.store.create_or_get("k", "second", TTL).await.unwrap(), Some("first".into()));
}

#[tokio::test]
async fn what_does_not_fit_the_type_is_an_error_that_names_the_key() {
    let fixture = Fixture::new();
    let texts = fixture.store.blobs::<String, _>("s", TTL, Json).build().unwrap();
    let numbers = fixture.store.blobs::<u8, _>("s", TTL, Json).build().unwrap();
    texts.put("k", &"x".to_owned()).await.unwrap();
    let error = numbers.create_or_get("k", &1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Codec);
    assert_eq!(texts.peek("k").await.unwrap(), Some("x".to_owned()));
    assert_eq!(numbers.swap("k", &1).await.unwrap_err().kind(), ErrorKind::Codec);
    assert_eq!(numbers.peek("k").await.unwrap(), Some(1), "the new value is stored all the same");
}
