//! `Retry`: which calls are repeated, how often, and in which order.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::options::{DeleteOptions, GetOptions, PatchOptions, ScanOptions};
use ttl_core::{ErrorKind, Patch, TtlStore};
use ttl_layers::{LayerExt, Retry, RetryCounts};

use crate::recorder::{Fault, Recorder, items, key, keys, kind, kinds, lasting, text};

const OUT: ErrorKind = ErrorKind::Unavailable;

/// Returns the settings of a layer that repeats at once.
fn at_once() -> Retry {
    Retry::new().with_backoff(Duration::ZERO, Duration::ZERO)
}

fn retrying(retry: &Retry) -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(retry).unwrap();
    (recorder, store)
}

fn counts(retry: &Retry) -> (u64, u64, u64) {
    let RetryCounts { retries, exhausted, over_budget, .. } = retry.counts();
    (retries, exhausted, over_budget)
}

#[tokio::test]
async fn temporary_errors_are_repeated() {
    let retry = at_once();
    let (recorder, store) = retrying(&retry);
    for kind in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Contention] {
        recorder.fail(2, kind);
        assert!(store.put(&key("a"), "v".into(), lasting()).await.unwrap().is_applied(), "{kind}");
        assert_eq!(recorder.methods(), ["put"; 3]);
    }
    recorder.fail(1, OUT);
    assert!(store.get(&key("a"), GetOptions::new()).await.unwrap().is_some());
    recorder.fail(1, OUT);
    assert_eq!(store.scan(ScanOptions::new("")).await.unwrap().items.len(), 1);
    recorder.fail(1, OUT);
    assert!(store.delete(&key("a"), DeleteOptions::new()).await.unwrap().is_applied());
    assert_eq!(recorder.methods(), ["get", "get", "scan", "scan", "delete", "delete"]);
    assert_eq!(counts(&retry), (9, 0, 0));
}

#[tokio::test]
async fn other_errors_are_not_repeated() {
    let retry = at_once();
    let (recorder, store) = retrying(&retry);
    for fault in
        [ErrorKind::OutcomeUnknown, ErrorKind::PermissionDenied, ErrorKind::Corrupt, ErrorKind::Backend]
    {
        recorder.fail(1, fault);
        assert_eq!(kind(store.put(&key("a"), "v".into(), lasting()).await), fault);
        assert_eq!(recorder.methods(), ["put"]);
        recorder.fail(1, fault);
        assert_eq!(kinds(&store.put_many(items([("a", "v")])).await), [Some(fault)]);
        assert_eq!(recorder.methods(), ["put_many"]);
    }
    assert_eq!(counts(&retry), (0, 0, 0));
}

#[tokio::test]
async fn an_increment_is_applied_once() {
    let (recorder, store) = retrying(&at_once());
    let record = ttl_core::Record::new().with("n", 0);
    let _ = store.put(&key("a"), record.into(), lasting()).await.unwrap();
    let applied = Fault::AppliedAndFails(ErrorKind::OutcomeUnknown);
    recorder.script([Some(Fault::Fails(OUT)), Some(applied)]);
    let patch = Patch::new().increment("n", 1);
    assert_eq!(kind(store.patch(&key("a"), &patch, PatchOptions::new()).await), ErrorKind::OutcomeUnknown);
    let value = recorder.memory().get(&key("a"), GetOptions::new()).await.unwrap().unwrap().value;
    assert_eq!(value, Some(ttl_core::Record::new().with("n", 1).into()));
}

#[tokio::test]
async fn attempts_are_limited() {
    let retry = at_once().with_attempts(4);
    let (recorder, store) = retrying(&retry);
    recorder.fail(4, OUT);
    assert_eq!(kind(store.get(&key("a"), GetOptions::new()).await), OUT);
    assert_eq!(recorder.methods(), ["get"; 4]);
    assert_eq!(counts(&retry), (3, 1, 0));
    let once = at_once().with_attempts(1);
    let (recorder, store) = retrying(&once);
    recorder.fail(1, OUT);
    assert_eq!(kind(store.get(&key("a"), GetOptions::new()).await), OUT);
    assert_eq!(counts(&once), (0, 1, 0));
}

#[tokio::test]
async fn the_budget_is_shared_and_earned_back() {
    let retry = at_once().with_attempts(10).with_budget(3, 2);
    let (recorder, store) = retrying(&retry);
    let (other_recorder, other) = retrying(&retry.clone());
    recorder.fail(10, OUT);
    assert_eq!(kind(store.get(&key("a"), GetOptions::new()).await), OUT);
    assert_eq!(recorder.methods(), ["get"; 4], "three retries are in the budget");
    other_recorder.fail(1, OUT);
    assert_eq!(kind(other.get(&key("a"), GetOptions::new()).await), OUT);
    assert_eq!(other_recorder.methods(), ["get"]);
    assert_eq!(counts(&retry), (3, 0, 2));
    for _ in 0..2 {
        other.get(&key("a"), GetOptions::new()).await.unwrap();
    }
    recorder.fail(1, OUT);
    assert!(store.get(&key("a"), GetOptions::new()).await.unwrap().is_none());
    assert_eq!(counts(&retry), (4, 0, 2));
}

#[tokio::test]
async fn a_success_after_a_retry_earns_nothing() {
    let retry = at_once().with_budget(1, 1);
    let (recorder, store) = retrying(&retry);
    recorder.fail(1, OUT);
    assert!(store.get(&key("a"), GetOptions::new()).await.is_ok());
    recorder.fail(1, OUT);
    assert_eq!(kind(store.get(&key("a"), GetOptions::new()).await), OUT);
    assert_eq!(counts(&retry), (1, 0, 1));
}

#[tokio::test]
async fn a_batch_repeats_its_failed_items_in_order() {
    let retry = at_once();
    let (recorder, store) = retrying(&retry);
    let corrupt = Some(ErrorKind::Corrupt);
    recorder.script([
        Some(Fault::Items(vec![Some(OUT), None, Some(OUT), corrupt])),
        Some(Fault::Items(vec![None, Some(OUT)])),
    ]);
    let put = store.put_many(items([("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")])).await;
    assert_eq!(kinds(&put), [None, None, None, corrupt]);
    let sent: Vec<String> = recorder.calls().into_iter().map(|(_, keys)| keys.concat()).collect();
    assert_eq!(sent, ["abcd", "ac", "c"]);
    assert_eq!(text(&*store, "c").await.as_deref(), Some("3"));
    assert_eq!(counts(&retry), (2, 0, 0));
    recorder.calls();
    recorder.script([Some(Fault::Items(vec![None, Some(OUT), None]))]);
    let got = store.get_many(&keys(["a", "b", "none"]), GetOptions::new()).await;
    let found: Vec<bool> = got.into_iter().map(|got| got.unwrap().is_some()).collect();
    assert_eq!(found, [true, true, false]);
    recorder.script([Some(Fault::Items(vec![Some(OUT), None]))]);
    let deleted = store.delete_many(&keys(["a", "none"]), DeleteOptions::new()).await;
    assert!(deleted[0].as_ref().unwrap().is_applied() && deleted[1].as_ref().unwrap().is_absent());
    let sent: Vec<String> = recorder.calls().into_iter().map(|(_, keys)| keys.join(" ")).collect();
    assert_eq!(sent, ["a b none", "b", "a none", "a"]);
}

#[tokio::test]
async fn a_write_is_not_repeated_after_a_later_write_of_its_key() {
    let (recorder, store) = retrying(&at_once());
    recorder.script([Some(Fault::Items(vec![Some(OUT), None, Some(OUT)]))]);
    let put = store.put_many(items([("a", "older"), ("a", "newer"), ("b", "1")])).await;
    assert_eq!(kinds(&put), [Some(OUT), None, None]);
    assert_eq!(text(&*store, "a").await.as_deref(), Some("newer"));
    // Both failed, so both are repeated, in order.
    recorder.script([Some(Fault::Items(vec![Some(OUT), Some(OUT)]))]);
    assert_eq!(kinds(&store.put_many(items([("a", "older"), ("a", "newest")])).await), [None, None]);
    assert_eq!(text(&*store, "a").await.as_deref(), Some("newest"));
    // The later write may have been applied.
    let unknown = Some(ErrorKind::OutcomeUnknown);
    recorder.script([Some(Fault::Items(vec![Some(OUT), unknown]))]);
    recorder.calls();
    let deleted = store.delete_many(&keys(["a", "a"]), DeleteOptions::new()).await;
    assert_eq!(kinds(&deleted), [Some(OUT), unknown]);
    assert_eq!(recorder.methods(), ["delete_many"]);
}

#[tokio::test]
async fn a_call_is_repeated_after_its_wait() {
    let retry = Retry::new().with_backoff(Duration::from_micros(10), Duration::from_micros(10));
    let (recorder, store) = retrying(&retry);
    recorder.fail(2, OUT);
    assert!(store.get(&key("a"), GetOptions::new()).await.unwrap().is_none());
    assert_eq!(recorder.methods(), ["get"; 3]);
}
