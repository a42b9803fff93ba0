//! `CircuitBreaker`: the transitions of the circuit, with a clock that the tests move.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use ttl_core::options::{DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, ScanOptions};
use ttl_core::{Entry, ErrorKind, Expiry, Patch, Result, TtlStore};
use ttl_layers::{CircuitBreaker, CircuitState, LayerExt};

use crate::recorder::{Fault, Recorder, items, key, keys, kind, kinds, lasting};

const OUT: ErrorKind = ErrorKind::Unavailable;

/// A circuit that opens after three outages, for ten seconds.
fn broken() -> (Arc<Recorder>, CircuitBreaker, Arc<dyn TtlStore>) {
    let recorder = Recorder::new();
    let breaker = CircuitBreaker::new().with_outages(3).with_open_for(Duration::from_secs(10));
    let breaker = breaker.with_clock(recorder.clock());
    let store = recorder.clone().layer(&breaker).unwrap();
    (recorder, breaker, store)
}

async fn get(store: &dyn TtlStore) -> Result<Option<Entry>> {
    store.get(&key("a"), GetOptions::new()).await
}

/// Lets the circuit open.
async fn open(recorder: &Recorder, store: &dyn TtlStore) {
    recorder.fail(3, OUT);
    for _ in 0..3 {
        assert_eq!(kind(get(store).await), OUT);
    }
    recorder.calls();
}

#[tokio::test]
async fn consecutive_outages_open_the_circuit() {
    for outage in [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::OutcomeUnknown] {
        let (recorder, breaker, store) = broken();
        recorder.fail(3, outage);
        for _ in 0..3 {
            assert_eq!((breaker.state(), breaker.times_opened()), (CircuitState::Closed, 0));
            assert_eq!(kind(store.put(&key("a"), "v".into(), lasting()).await), outage);
        }
        assert_eq!((breaker.state(), breaker.times_opened()), (CircuitState::Open, 1), "{outage}");
    }
}

#[tokio::test]
async fn an_answer_between_outages_keeps_the_circuit_closed() {
    let (recorder, breaker, store) = broken();
    let fault = |kind| Some(Fault::Fails(kind));
    for answer in
        [None, fault(ErrorKind::Contention), fault(ErrorKind::PermissionDenied), fault(ErrorKind::Corrupt)]
    {
        recorder.script([fault(OUT), fault(OUT), answer, fault(OUT), fault(OUT), None]);
        for _ in 0..6 {
            let _ = get(&*store).await;
        }
        assert_eq!(breaker.state(), CircuitState::Closed);
    }
}

#[tokio::test]
async fn errors_of_the_caller_do_not_count() {
    let (recorder, breaker, store) = broken();
    let fault = |kind| Some(Fault::Fails(kind));
    let caller =
        [ErrorKind::TooLarge, ErrorKind::InvalidExpiry, ErrorKind::Unsupported, ErrorKind::InvalidCursor];
    recorder.script(caller.map(fault));
    for _ in caller {
        assert!(get(&*store).await.is_err());
    }
    assert_eq!(breaker.state(), CircuitState::Closed, "they are no outages");
    recorder.script([fault(OUT), fault(OUT), fault(ErrorKind::TooLarge), fault(OUT)]);
    for _ in 0..4 {
        assert!(get(&*store).await.is_err());
    }
    assert_eq!(breaker.state(), CircuitState::Open, "they are no answers either");
}

#[tokio::test]
async fn an_open_circuit_fails_every_call_at_once() {
    let (recorder, _, store) = broken();
    open(&recorder, &*store).await;
    recorder.advance(9);
    let error = get(&*store).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (OUT, true));
    assert_eq!(
        (error.operation(), error.backend(), error.key()),
        (Some("get"), Some("memory"), Some(&key("a")))
    );
    assert!(error.message().contains("is open") && error.message().contains("nothing was sent"), "{error}");
    assert_eq!(kind(store.put(&key("a"), "v".into(), lasting()).await), OUT);
    let change = ExpiryChange::Set(Expiry::Never);
    assert_eq!(kind(store.expire(&key("a"), change, ExpireOptions::new()).await), OUT);
    assert_eq!(kind(store.patch(&key("a"), &Patch::new(), PatchOptions::new()).await), OUT);
    assert_eq!(kind(store.delete(&key("a"), DeleteOptions::new()).await), OUT);
    assert_eq!(kind(store.scan(ScanOptions::new("")).await), OUT);
    let got = store.get_many(&keys(["a", "b"]), GetOptions::new()).await;
    assert_eq!(got[1].as_ref().unwrap_err().key(), Some(&key("b")));
    assert_eq!(kinds(&store.put_many(items([("a", "1"), ("b", "2")])).await), [Some(OUT); 2]);
    assert_eq!(kinds(&store.delete_many(&keys(["a", "b"]), DeleteOptions::new()).await), [Some(OUT); 2]);
    assert!(recorder.calls().is_empty());
}

#[tokio::test]
async fn a_probe_that_is_answered_closes_the_circuit() {
    let (recorder, breaker, store) = broken();
    open(&recorder, &*store).await;
    recorder.advance(10);
    assert!(get(&*store).await.unwrap().is_none());
    assert_eq!(breaker.state(), CircuitState::Closed);
    // The count of outages starts again.
    recorder.fail(2, OUT);
    for _ in 0..2 {
        assert_eq!(kind(get(&*store).await), OUT);
    }
    assert_eq!((breaker.state(), breaker.times_opened()), (CircuitState::Closed, 1));
    assert_eq!(recorder.methods(), ["get"; 3]);
}

#[tokio::test]
async fn a_probe_that_fails_opens_the_circuit_for_the_whole_time() {
    let (recorder, breaker, store) = broken();
    open(&recorder, &*store).await;
    recorder.advance(15);
    recorder.fail(1, ErrorKind::Timeout);
    assert_eq!(kind(get(&*store).await), ErrorKind::Timeout);
    assert_eq!((breaker.state(), breaker.times_opened()), (CircuitState::Open, 2));
    recorder.advance(9);
    assert_eq!(kind(get(&*store).await), OUT);
    assert_eq!(recorder.methods(), ["get"]);
    recorder.advance(1);
    assert!(get(&*store).await.is_ok());
}

#[tokio::test]
async fn one_probe_is_made_at_a_time() {
    let (recorder, breaker, store) = broken();
    open(&recorder, &*store).await;
    recorder.advance(10);
    recorder.script([Some(Fault::Hangs)]);
    let probe_key = key("probe");
    let mut probe = store.get(&probe_key, GetOptions::new());
    assert!(matches!(probe.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    let error = get(&*store).await.unwrap_err();
    assert!(error.kind() == OUT && error.message().contains("half-open"), "{error}");
    assert_eq!(recorder.calls(), [("get", vec!["probe".to_owned()])]);
    // A dropped probe has no result, and the next call becomes the probe.
    drop(probe);
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    assert!(get(&*store).await.is_ok());
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test]
async fn a_probe_with_an_error_of_the_caller_decides_nothing() {
    let (recorder, breaker, store) = broken();
    open(&recorder, &*store).await;
    recorder.advance(10);
    recorder.fail(1, ErrorKind::TooLarge);
    assert_eq!(kind(get(&*store).await), ErrorKind::TooLarge);
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    recorder.fail(1, OUT);
    assert_eq!(kind(get(&*store).await), OUT);
    assert_eq!(breaker.state(), CircuitState::Open);
}

#[tokio::test]
async fn results_of_calls_from_before_do_not_count() {
    let (recorder, breaker, store) = broken();
    let (late_key, gate) = (key("late"), Arc::new(Notify::new()));
    recorder.script([Some(Fault::Hangs), Some(Fault::Waits(Arc::clone(&gate)))]);
    let mut dropped = store.get(&late_key, GetOptions::new());
    assert!(dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut late = store.get(&late_key, GetOptions::new());
    assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    open(&recorder, &*store).await;
    recorder.advance(10);
    recorder.script([Some(Fault::Hangs)]);
    let mut probe = store.get(&late_key, GetOptions::new());
    assert!(probe.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(dropped);
    gate.notify_one();
    assert!(late.await.unwrap().is_none());
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
    assert_eq!(kind(get(&*store).await), OUT, "the probe is still under way");
    drop(probe);
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
}

#[tokio::test]
async fn a_batch_is_one_call_and_one_answer_suffices() {
    let (recorder, breaker, store) = broken();
    let batches = [[Some(OUT), None], [None, Some(OUT)], [None, Some(OUT)], [None, Some(OUT)]];
    recorder.script(batches.map(|batch| Some(Fault::Items(batch.into()))));
    for _ in batches {
        store.get_many(&keys(["a", "b"]), GetOptions::new()).await;
    }
    assert_eq!(breaker.state(), CircuitState::Closed);
    recorder.fail(3, OUT);
    for calls in 1..=3 {
        assert_eq!(breaker.state(), CircuitState::Closed, "{calls}");
        store.put_many(items([("a", "1"), ("b", "2")])).await;
    }
    assert_eq!(breaker.state(), CircuitState::Open);
}

#[tokio::test]
async fn the_stores_of_the_same_settings_share_a_circuit() {
    let (recorder, breaker, store) = broken();
    let (other_recorder, other) = {
        let recorder = Recorder::new();
        (recorder.clone(), recorder.layer(breaker.clone()).unwrap())
    };
    open(&recorder, &*store).await;
    assert_eq!(kind(get(&*other).await), OUT);
    assert!(other_recorder.calls().is_empty());
}
