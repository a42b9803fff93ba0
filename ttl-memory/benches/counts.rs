//! Runs one operation many times, for callgrind: `counts OPERATION TIMES [ENTRIES]`.
//!
//! The count of an operation is the difference of two runs with different TIMES, divided by the difference. Everything
//! goes through `Arc<dyn TtlStore>`; keys have 32 bytes, values 100.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ttl_core::options::{GetOptions, PutOptions, Refresh};
use ttl_core::{Key, Ttl, TtlStore, Value};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

fn main() {
    // `cargo bench` and `cargo test --benches` hand over flags of their own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let number = |at: usize, or: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(or);
    let operation = words.first().map_or("get", String::as_str);
    let (times, entries) = (number(1, 1000), number(2, 10_000));

    let store: Arc<dyn TtlStore> =
        Arc::new(MemoryStore::new(&MemoryConfig::new().with_reclaim(Reclaim::Manual)));
    let keys: Vec<Key> = (0..entries).map(key).collect();
    let fresh: Vec<Key> = (entries..entries + times).map(key).collect();
    let values: Vec<Value> = (0..times).map(|_| Value::from(vec![7; 100])).collect();
    let minutes = PutOptions::new(Ttl::minutes(30));
    for key in &keys {
        assert!(ready(store.put(key, vec![7; 100].into(), minutes.clone())).unwrap().is_applied());
        assert!(ready(store.get(key, GetOptions::new())).unwrap().is_some());
    }
    let sliding = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::minutes(30)));
    // The same for every operation, so that the difference of two runs holds nothing else.
    let at = |n: usize| &keys[n * 7919 % entries];
    match operation {
        "nothing" => (0..times).for_each(|n| {
            black_box(at(n));
        }),
        "get" => (0..times).for_each(|n| drop(black_box(ready(store.get(at(n), GetOptions::new()))))),
        "refresh" => (0..times).for_each(|n| drop(black_box(ready(store.get(at(n), sliding.clone()))))),
        "overwrite" => values.into_iter().enumerate().for_each(|(n, value)| {
            drop(black_box(ready(store.put(at(n), value, minutes.clone()))));
        }),
        "put" => values.into_iter().zip(&fresh).for_each(|(value, key)| {
            drop(black_box(ready(store.put(key, value, minutes.clone()))));
        }),
        other => panic!("{other} is none of: nothing, get, refresh, overwrite, put"),
    }
    // Taking the store down is not part of any operation.
    std::mem::forget((store, keys));
}

fn key(n: usize) -> Key {
    Key::new(format!("session:{n:024}")).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a future that never waits.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the memory driver does not wait"),
    }
}
