//! Layers on top of each other.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::options::{GetOptions, PutOptions};
use ttl_core::{ErrorKind, Ttl, TtlStore};
use ttl_layers::{CircuitBreaker, CircuitState, LayerExt, LimitSize, Prefix, Retry, Timeout};

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
