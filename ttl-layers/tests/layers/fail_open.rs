//! `FailOpen`: outages are hidden, counted and logged, and nothing else is.

use std::sync::Arc;
use std::time::Duration;

use tracing::Level;
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem,
    PutOptions, Returning, ScanOptions,
};
use ttl_core::{ErrorKind, Expiry, Kind, ManualClock, Patch, Ttl, TtlStore, Version};
use ttl_layers::{CircuitBreaker, FailOpen, LayerExt, LimitSize};

use crate::recorder::{Fault, Recorder, items, key, keys, kind, kinds, lasting, text};
use crate::traces::Traces;

const OUTAGES: [ErrorKind; 3] = [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::OutcomeUnknown];

fn open() -> (Arc<Recorder>, FailOpen, Arc<dyn TtlStore>) {
    let (recorder, layer) = (Recorder::new(), FailOpen::new());
    let store = recorder.clone().layer(&layer).unwrap();
    (recorder, layer, store)
}

/// Returns the counts of gets, scans, puts, expires and deletes.
fn counts(layer: &FailOpen) -> [u64; 5] {
    let counts = layer.counts();
    [counts.gets, counts.scans, counts.puts, counts.expires, counts.deletes]
}

#[tokio::test]
async fn an_outage_hides_the_entries_and_loses_the_writes() {
    let change = ExpiryChange::Set(Expiry::After(Ttl::hours(2)));
    for outage in OUTAGES {
        let (recorder, layer, store) = open();
        recorder.memory().put_many(items([("a", "old")])).await;
        recorder.fail(6, outage);
        assert!(store.get(&key("a"), GetOptions::new()).await.unwrap().is_none());
        let put = store.put(&key("a"), "new".into(), lasting()).await.unwrap().applied().unwrap();
        assert!(put.created && put.deadline.is_none() && put.version.is_none() && put.previous.is_none());
        assert!(store.expire(&key("a"), change, ExpireOptions::new()).await.unwrap().is_absent());
        assert!(store.delete(&key("a"), DeleteOptions::new()).await.unwrap().is_absent());
        let page = store.scan(ScanOptions::new("")).await.unwrap();
        assert!(page.items.is_empty() && page.next.is_none());
        assert!(store.get(&key("b"), GetOptions::new()).await.unwrap().is_none());
        assert_eq!(counts(&layer), [2, 1, 1, 1, 1], "{outage}");
        assert_eq!((layer.counts().reads(), layer.counts().writes()), (3, 3));
        assert_eq!(recorder.methods(), ["get", "put", "expire", "delete", "scan", "get"]);
        assert_eq!(text(&*store, "a").await.as_deref(), Some("old"), "the lost writes changed nothing");
    }
}

#[tokio::test]
async fn a_lost_put_reports_a_deadline_in_the_past() {
    let (recorder, _, store) = open();
    recorder.fail(2, ErrorKind::Unavailable);
    let options = lasting().with_returning(Returning::all());
    let put = store.put(&key("a"), "new".into(), options.clone()).await.unwrap().applied().unwrap();
    assert!(put.deadline.unwrap().is_expired(store.now()));
    assert!(put.version.is_none() && put.created_at.is_none());
    let items = vec![PutItem::new(key("a"), "1", lasting()), PutItem::new(key("b"), "2", options)];
    let put: Vec<_> = store.put_many(items).await.into_iter().map(|put| put.unwrap().applied()).collect();
    let deadlines: Vec<_> = put.into_iter().map(|put| put.unwrap().deadline).collect();
    assert!(deadlines[0].is_none() && deadlines[1].unwrap().is_expired(store.now()));
}

#[tokio::test]
async fn the_lost_items_of_a_batch_are_replaced() {
    let (recorder, layer, store) = open();
    let out = Some(ErrorKind::Timeout);
    let some = || Some(Fault::Items(vec![None, out, Some(ErrorKind::Corrupt)]));
    recorder.script([some(), some(), some()]);
    let put = store.put_many(items([("a", "1"), ("b", "2"), ("c", "3")])).await;
    assert_eq!(kinds(&put), [None, None, Some(ErrorKind::Corrupt)]);
    let got = store.get_many(&keys(["a", "b", "c"]), GetOptions::new()).await;
    assert_eq!(kinds(&got), [None, None, Some(ErrorKind::Corrupt)]);
    assert!(got[0].as_ref().unwrap().is_some() && got[1].as_ref().unwrap().is_none());
    let deleted = store.delete_many(&keys(["a", "b", "c"]), DeleteOptions::new()).await;
    assert!(deleted[0].as_ref().unwrap().is_applied() && deleted[1].as_ref().unwrap().is_absent());
    assert_eq!(deleted[2].as_ref().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(counts(&layer), [1, 0, 1, 0, 1]);
    recorder.fail(1, ErrorKind::Unavailable);
    assert_eq!(kinds(&store.put_many(items([("a", "1"), ("b", "2")])).await), [None, None]);
    assert_eq!(counts(&layer), [1, 0, 3, 0, 1]);
    assert_eq!(recorder.methods(), ["put_many", "get_many", "delete_many", "put_many"]);
}

#[tokio::test]
async fn conditions_and_patches_are_refused_before_a_call() {
    let (recorder, layer, store) = open();
    let denied = ErrorKind::Unsupported;
    let version = Version::random();
    let capabilities = store.capabilities();
    assert!(!capabilities.conditions && !capabilities.patch);
    assert_eq!(capabilities.with_conditions(true).with_patch(true), recorder.capabilities());
    let puts = [
        lasting().with_condition(Condition::IfAbsent),
        lasting().with_condition(Condition::IfPresent),
        lasting().with_condition(Condition::IfVersion(version)),
        lasting().with_previous(),
    ];
    for put in puts {
        let error = store.put(&key("a"), "v".into(), put.clone()).await.unwrap_err();
        assert_eq!((error.kind(), error.operation(), error.key()), (denied, Some("put"), Some(&key("a"))));
        let items = vec![PutItem::new(key("b"), "v", put)];
        assert_eq!(kinds(&store.put_many(items).await), [Some(denied)]);
    }
    let change = ExpiryChange::Extend(Ttl::hours(1));
    let expire = ExpireOptions::new().with_if_version(version);
    assert_eq!(kind(store.expire(&key("a"), change, expire).await), denied);
    let deletes = [
        DeleteOptions::take(),
        DeleteOptions::new().with_kind(Kind::Blob),
        DeleteOptions::new().with_if_version(version),
    ];
    for delete in deletes {
        assert_eq!(kind(store.delete(&key("a"), delete.clone()).await), denied);
        let deleted = store.delete_many(&keys(["a", "b"]), delete).await;
        assert_eq!(kinds(&deleted), [Some(denied); 2]);
        assert_eq!(deleted[1].as_ref().unwrap_err().key(), Some(&key("b")));
    }
    let create = PatchOptions::new().with_create(Create::new(Ttl::hours(1)));
    assert_eq!(kind(store.patch(&key("a"), &Patch::new().increment("n", 1), create).await), denied);
    assert!(recorder.calls().is_empty());
    // The other items of a batch are sent.
    let mut mixed = items([("a", "1"), ("b", "2")]);
    mixed[0].options = lasting().with_previous();
    assert_eq!(kinds(&store.put_many(mixed).await), [Some(denied), None]);
    assert_eq!(recorder.calls(), [("put_many", vec!["b".to_owned()])]);
    assert_eq!(counts(&layer), [0; 5]);
}

#[tokio::test]
async fn invalid_input_is_not_lost() {
    let (recorder, layer) = (Recorder::new(), FailOpen::new());
    // As an open circuit does, the recorder fails before the inner store checks the input.
    let store = recorder.clone().layer(LimitSize::new(4)).unwrap();
    let store = store.layer(CircuitBreaker::new().with_outages(1)).unwrap().layer(&layer).unwrap();
    recorder.fail(1, ErrorKind::Unavailable);
    assert!(store.get(&key("a"), GetOptions::new()).await.unwrap().is_none());
    let far = Expiry::At(store.now() + Ttl::MAX.as_duration() + Duration::from_secs(1));
    assert_eq!(kind(store.put(&key("a"), "large".into(), lasting()).await), ErrorKind::TooLarge);
    assert_eq!(kind(store.put(&key("a"), "v".into(), PutOptions::new(far)).await), ErrorKind::InvalidExpiry);
    let expired = store.expire(&key("a"), ExpiryChange::Set(far), ExpireOptions::new()).await;
    assert_eq!(kind(expired), ErrorKind::InvalidExpiry);
    let put = store.put_many(items([("a", "large"), ("b", "fits")])).await;
    assert_eq!(kinds(&put), [Some(ErrorKind::TooLarge), None]);
    assert_eq!(put[0].as_ref().unwrap_err().key(), Some(&key("a")));
    assert_eq!(counts(&layer), [1, 0, 1, 0, 0]);
    assert_eq!(recorder.methods(), ["get"]);
}

#[tokio::test]
async fn a_healthy_store_answers_for_itself() {
    let (recorder, layer, store) = open();
    let put = store.put(&key("a"), "1".into(), lasting().with_returning(Returning::all())).await.unwrap();
    let put = put.applied().unwrap();
    assert!(put.created && put.version.is_some() && !put.deadline.unwrap().is_expired(store.now()));
    assert!(!store.put(&key("a"), "2".into(), lasting()).await.unwrap().applied().unwrap().created);
    assert!(store.delete(&key("a"), DeleteOptions::new()).await.unwrap().is_applied());
    assert_eq!(recorder.methods(), ["put", "put", "delete"]);
    assert_eq!(counts(&layer), [0; 5]);
}

#[tokio::test]
async fn clones_share_the_counts() {
    let (recorder, layer, store) = open();
    let other_recorder = Recorder::new();
    let other = other_recorder.clone().layer(layer.clone()).unwrap();
    recorder.fail(1, ErrorKind::Unavailable);
    other_recorder.fail(1, ErrorKind::Unavailable);
    for store in [store, other] {
        assert!(store.get(&key("a"), GetOptions::new()).await.unwrap().is_none());
    }
    assert_eq!(layer.counts().gets, 2);
}

#[tokio::test]
async fn losses_are_logged_and_warnings_are_limited() {
    let (clock, recorder) = (Arc::new(ManualClock::new()), Recorder::new());
    let layer = FailOpen::new().with_log_interval(Duration::from_secs(30)).with_clock(clock.clone());
    let store = recorder.clone().layer(&layer).unwrap();
    let (traces, _guard) = Traces::begin();
    recorder.fail(100, ErrorKind::Unavailable);
    let s3cret = key("s3cret");
    for _ in 0..3 {
        assert!(store.get(&s3cret, GetOptions::new()).await.unwrap().is_none());
    }
    clock.advance(Duration::from_secs(29));
    store.put_many(items([("s3cret", "s3cret"), ("b", "2")])).await;
    assert_eq!((traces.events(Level::WARN).len(), traces.events(Level::DEBUG).len()), (1, 3));
    clock.advance(Duration::from_secs(1));
    assert!(store.delete(&s3cret, DeleteOptions::new()).await.unwrap().is_absent());
    let warnings = traces.events(Level::WARN);
    let field = |at: usize, name: &str| warnings[at][name].clone();
    assert_eq!(warnings.len(), 2);
    assert_eq!((field(0, "lost_reads"), field(0, "lost_writes")), ("1".into(), "0".into()));
    assert_eq!((field(1, "lost_reads"), field(1, "lost_writes")), ("2".into(), "3".into()));
    assert_eq!((field(1, "operation"), field(1, "backend")), ("delete".into(), "memory".into()));
    assert!(field(1, "message").contains("unavailable"), "{warnings:?}");
    assert!(!format!("{warnings:?}").contains("s3cret"));
}
