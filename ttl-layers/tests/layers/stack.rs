//! Layers on top of each other.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::options::{DeleteOptions, GetOptions, PatchOptions, PutOptions, Refresh};
use ttl_core::{ErrorKind, Patch, Record, Ttl, TtlStore};
use ttl_layers::{
    CircuitBreaker, CircuitState, Compress, Encrypt, Keyring, LayerExt, LimitSize, Prefix, Retry, Timeout,
};

use crate::recorder::{Fault, Recorder, key, kind, lasting};

struct Stack {
    recorder: Arc<Recorder>,
    breaker: CircuitBreaker,
    retry: Retry,
    store: Arc<dyn TtlStore>,
}

fn stack() -> Stack {
    let recorder = Recorder::new();
    let breaker = CircuitBreaker::new().with_outages(2).with_clock(recorder.clock());
    let retry = Retry::new().with_attempts(5).with_backoff(Duration::ZERO, Duration::ZERO);
    let store = recorder.clone().layer(Prefix::new("p:")).unwrap();
    let store = store.layer(LimitSize::new(10)).unwrap();
    let store = store.layer(Timeout::new(Duration::from_nanos(1))).unwrap();
    let store = store.layer(&breaker).unwrap().layer(&retry).unwrap();
    Stack { recorder, breaker, retry, store }
}

#[tokio::test]
async fn late_reads_are_repeated_until_the_circuit_opens() {
    let stack = stack();
    stack.recorder.script(vec![Some(Fault::Hangs); 5]);
    let error = stack.store.get(&key("a"), GetOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Unavailable, Some(&key("a"))));
    assert_eq!(stack.breaker.state(), CircuitState::Open);
    assert_eq!(stack.recorder.methods(), ["get", "get"], "the open circuit stops the other attempts");
    assert_eq!(stack.retry.counts().retries, 4);
}

#[tokio::test]
async fn a_late_write_is_sent_once() {
    let stack = stack();
    stack.recorder.script([Some(Fault::Hangs)]);
    let put = stack.store.put(&key("a"), "v".into(), lasting()).await;
    assert_eq!(kind(put), ErrorKind::OutcomeUnknown);
    assert_eq!(stack.recorder.methods(), ["put"]);
}

#[tokio::test]
async fn refused_input_reaches_nothing_and_counts_as_nothing() {
    let stack = stack();
    let options = PutOptions::new(Ttl::hours(1));
    for _ in 0..3 {
        let put = stack.store.put(&key("a"), "twelve bytes".into(), options.clone()).await;
        assert_eq!(kind(put), ErrorKind::TooLarge);
    }
    assert_eq!(stack.breaker.state(), CircuitState::Closed);
    assert_eq!(stack.retry.counts().retries, 0);
    assert!(stack.recorder.calls().is_empty());
}

#[tokio::test]
async fn compression_and_encryption_together_send_the_documented_requests() {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(Encrypt::new("stack", Keyring::new("key", [7; 32]))).unwrap();
    let store = store.layer(Compress::zstd().over(0)).unwrap();
    let record = Record::new().with("text", "a long text, ".repeat(40)).with("n", 1);
    assert!(store.put(&key("a"), record.clone().into(), lasting()).await.unwrap().is_applied());
    assert_eq!(recorder.methods(), ["put"]);
    let refresh = GetOptions::new().with_refresh(Refresh::reset(Ttl::hours(2)));
    assert!(store.get(&key("a"), refresh).await.unwrap().is_some());
    assert_eq!(recorder.methods(), ["get", "expire"]);
    let patch = Patch::new().increment("n", 1);
    assert!(store.patch(&key("a"), &patch, PatchOptions::new()).await.unwrap().is_applied());
    assert_eq!(recorder.methods(), ["get", "get", "patch"]);
    let taken = store.delete(&key("a"), DeleteOptions::take()).await.unwrap().applied().flatten();
    assert_eq!(taken.unwrap().value, Some(record.with("n", 2).into()));
    assert_eq!(recorder.methods(), ["get", "delete"]);
}
