//! `LimitSize`: values and patches that are too large are refused without a call.

use std::sync::Arc;

use ttl_core::options::{Create, PatchOptions, PutItem};
use ttl_core::{ErrorKind, Patch, Record, Ttl, TtlStore, Value};
use ttl_layers::{GrowingPatches, LayerExt, LimitSize};

use crate::recorder::{Recorder, items, key, kind, kinds, lasting, text};

const LIMIT: u64 = 100;

fn limited() -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(LimitSize::new(LIMIT)).unwrap();
    (recorder, store)
}

fn record_of(bytes: usize) -> Record {
    Record::new().with("t", "x".repeat(bytes - Record::new().with("t", "").to_json_text().len()))
}

#[test]
fn the_limit_is_declared_and_never_raised() {
    let (_, store) = limited();
    assert_eq!(store.capabilities(), Recorder::new().capabilities().with_max_value_bytes(LIMIT));
    let above = store.clone().layer(LimitSize::new(LIMIT + 1)).unwrap();
    let below = store.layer(LimitSize::new(LIMIT - 1)).unwrap();
    let limit = |store: Arc<dyn TtlStore>| store.capabilities().max_value_bytes;
    assert_eq!((limit(above), limit(below)), (LIMIT, LIMIT - 1));
}

#[tokio::test]
async fn a_put_is_limited_exactly() {
    let (recorder, store) = limited();
    let fits = [Value::from(vec![7; 100]), record_of(100).into()];
    for value in fits {
        assert!(store.put(&key("k"), value, lasting()).await.unwrap().is_applied());
    }
    assert_eq!(recorder.methods(), ["put", "put"]);
    for value in [Value::from(vec![7; 101]), record_of(101).into()] {
        let error = store.put(&key("k"), value, lasting()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "put on memory: too large: the value has 101 bytes: expected at most 100 on this store"
        );
        assert_eq!(error.key(), Some(&key("k")));
    }
    assert!(recorder.calls().is_empty());
}

#[tokio::test]
async fn a_large_item_fails_alone() {
    let (recorder, store) = limited();
    let mut batch = items([("a", "1"), ("c", "3")]);
    batch.insert(1, PutItem::new(key("b"), vec![7; 101], lasting()));
    assert_eq!(kinds(&store.put_many(batch).await), [None, Some(ErrorKind::TooLarge), None]);
    assert_eq!(recorder.calls(), [("put_many", vec!["a".to_owned(), "c".to_owned()])]);
    assert_eq!(text(recorder.memory(), "c").await.as_deref(), Some("3"));
    let large = vec![PutItem::new(key("b"), vec![7; 101], lasting())];
    assert_eq!(kinds(&store.put_many(large).await), [Some(ErrorKind::TooLarge)]);
    assert!(recorder.calls().is_empty(), "nothing remains to be sent");
}

#[tokio::test]
async fn a_patch_is_limited_by_its_content() {
    let (recorder, store) = limited();
    let long = "x".repeat(60);
    let large = [
        Patch::new().set("t", "x".repeat(100)),
        Patch::new().set("a", &long).set("b", &long),
        Patch::new().append("list", &long).append("list", &long),
    ];
    for patch in large {
        assert_eq!(kind(store.patch(&key("k"), &patch, PatchOptions::new()).await), ErrorKind::TooLarge);
    }
    assert!(recorder.calls().is_empty());
    let small = [
        Patch::new().set("a", &long).set("a", &long),
        Patch::new().set("a", &long).unset("a").set("b", &long),
        Patch::new().append("list", &long).pop_front("list").append("list", &long),
    ];
    for patch in small {
        assert!(store.patch(&key("k"), &patch, PatchOptions::new()).await.unwrap().is_absent());
    }
    assert_eq!(recorder.methods(), ["patch"; 3]);
}

#[tokio::test]
async fn a_patch_that_would_create_too_much_is_refused() {
    let (recorder, store) = limited();
    let create =
        |bytes| PatchOptions::new().with_create(Create::new(Ttl::hours(1)).with_initial(record_of(bytes)));
    // The record and the field `,"n":1` have 7 bytes more.
    let patch = Patch::new().increment("n", 1);
    assert_eq!(kind(store.patch(&key("k"), &patch, create(95)).await), ErrorKind::TooLarge);
    assert!(recorder.calls().is_empty());
    assert!(store.patch(&key("k"), &patch, create(94)).await.unwrap().is_applied());
}

#[tokio::test]
async fn patches_that_grow_are_forwarded_or_denied() {
    let (recorder, store) = limited();
    let _ = store.put(&key("k"), record_of(90).into(), lasting()).await.unwrap();
    let patch = Patch::new().set("more", "12345");
    assert!(store.patch(&key("k"), &patch, PatchOptions::new()).await.unwrap().is_applied());

    let layer = LimitSize::new(LIMIT).with_growing_patches(GrowingPatches::Denied);
    let strict = recorder.clone().layer(layer).unwrap();
    assert!(!strict.capabilities().patch);
    recorder.calls();
    assert_eq!(kind(strict.patch(&key("k"), &patch, PatchOptions::new()).await), ErrorKind::Unsupported);
    assert!(recorder.calls().is_empty());
}

#[tokio::test]
async fn an_invalid_patch_keeps_its_own_error() {
    let (_, store) = limited();
    let patch = Patch::new().set("ttl:reserved", 1);
    assert_eq!(kind(store.patch(&key("k"), &patch, PatchOptions::new()).await), ErrorKind::InvalidField);
}
