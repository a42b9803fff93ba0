//! `Timeout`: late reads and late writes, without a test that waits for long.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use ttl_core::options::{DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, ScanOptions};
use ttl_core::{ErrorKind, Expiry, Key, Patch, TtlStore};
use ttl_layers::{LayerExt, Timeout};

use crate::recorder::{Fault, Recorder, items, key, keys, kind, kinds, lasting, text};

/// Returns a store whose calls never end, below the shortest limit.
fn late() -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    let recorder = Recorder::new();
    recorder.script(vec![Some(Fault::Hangs); 20]);
    let store = recorder.clone().layer(Timeout::new(Duration::from_nanos(1))).unwrap();
    (recorder, store)
}

#[tokio::test]
async fn a_late_read_is_a_timeout() {
    let (recorder, store) = late();
    let error = store.get(&key("a"), GetOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Timeout, true));
    assert_eq!(
        (error.operation(), error.backend(), error.key()),
        (Some("get"), Some("memory"), Some(&key("a")))
    );
    assert!(error.message().contains("within the limit of 1ns"), "{error}");
    assert_eq!(kind(store.scan(ScanOptions::new("")).await), ErrorKind::Timeout);
    let many = store.get_many(&keys(["a", "b"]), GetOptions::new()).await;
    assert_eq!(kinds(&many), [Some(ErrorKind::Timeout); 2]);
    assert_eq!(many[1].as_ref().unwrap_err().key(), Some(&key("b")));
    assert_eq!(recorder.methods(), ["get", "scan", "get_many"]);
}

#[tokio::test]
async fn a_late_write_has_an_unknown_outcome() {
    let (recorder, store) = late();
    let unknown = ErrorKind::OutcomeUnknown;
    let error = store.put(&key("a"), "v".into(), lasting()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable(), error.key()), (unknown, false, Some(&key("a"))));
    let change = ExpiryChange::Set(Expiry::Never);
    assert_eq!(kind(store.expire(&key("a"), change, ExpireOptions::new()).await), unknown);
    assert_eq!(kind(store.patch(&key("a"), &Patch::new(), PatchOptions::new()).await), unknown);
    assert_eq!(kind(store.delete(&key("a"), DeleteOptions::new()).await), unknown);
    let put = store.put_many(items([("a", "1"), ("b", "2")])).await;
    assert_eq!(kinds(&put), [Some(unknown); 2]);
    let found: Vec<&Key> = put.iter().map(|put| put.as_ref().unwrap_err().key().unwrap()).collect();
    assert_eq!(found, [&key("a"), &key("b")]);
    let deleted = store.delete_many(&keys(["a", "b"]), DeleteOptions::new()).await;
    assert_eq!(kinds(&deleted), [Some(unknown); 2]);
    assert_eq!(recorder.methods(), ["put", "expire", "patch", "delete", "put_many", "delete_many"]);
}

#[tokio::test]
async fn a_call_that_is_ready_at_once_is_never_late() {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(Timeout::new(Duration::from_nanos(1))).unwrap();
    for _ in 0..100 {
        assert!(store.put(&key("a"), "v".into(), lasting()).await.unwrap().is_applied());
    }
    assert_eq!(text(&*store, "a").await.as_deref(), Some("v"));
}

#[tokio::test]
async fn a_call_that_waits_returns_its_result_within_the_limit() {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(Timeout::new(Duration::from_secs(3_600))).unwrap();
    let gate = Arc::new(Notify::new());
    recorder.script([Some(Fault::Waits(Arc::clone(&gate)))]);
    let a = key("a");
    let mut put = store.put(&a, "v".into(), lasting());
    assert!(put.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    gate.notify_one();
    assert!(put.await.unwrap().is_applied());
}

#[tokio::test]
async fn errors_of_the_inner_store_pass_unchanged() {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(Timeout::new(Duration::from_secs(3_600))).unwrap();
    recorder.fail(2, ErrorKind::Unavailable);
    let error = store.put(&key("a"), "v".into(), lasting()).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, "a fault of the test"));
    assert_eq!(kind(store.get(&key("a"), GetOptions::new()).await), ErrorKind::Unavailable);
}

#[test]
fn no_runtime_is_needed() {
    let (_, store) = late();
    let read = block_on(store.get(&key("a"), GetOptions::new()));
    assert_eq!(kind(read), ErrorKind::Timeout);
}

/// Runs a future on this thread, parked between its wake-ups.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        std::thread::park();
    }
}
