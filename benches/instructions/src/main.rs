//! Runs one operation of the memory driver many times, for callgrind: `ttl-instructions OPERATION TIMES`.
//!
//! `scripts/instructions` counts what happens within `measured`. Everything goes through `Arc<dyn TtlStore>`; keys have 32
//! bytes, values 100. A crate of its own, so that it is built in seconds.

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ttl_core::driver::SyncStore;
use ttl_core::options::{DeleteOptions, GetOptions, PatchOptions, PutOptions, Refresh};
use ttl_core::{Key, Patch, Record, Ttl, TtlStore, Value};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

const ENTRIES: usize = 10_000;
const TTL: Ttl = Ttl::minutes(30);

/// The input of the operations.
struct Setup {
    store: Arc<dyn TtlStore>,
    stored: Vec<Key>,
    absent: Vec<Key>,
    values: Vec<Value>,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [operation, times] = words.as_slice() else { panic!("usage: ttl-instructions OPERATION TIMES") };
    let times: usize = times.parse().expect("TIMES is a number");
    let store: Arc<dyn TtlStore> =
        Arc::new(MemoryStore::new(&MemoryConfig::new().with_reclaim(Reclaim::Manual)));
    let stored: Vec<Key> = (0..ENTRIES).map(key).collect();
    for key in &stored {
        let value = match operation.as_str() {
            "increment" => Value::from(Record::new().with("count", 0)),
            _ => vec![7; 100].into(),
        };
        let put = sync(&*store).put(key, value, &PutOptions::new(TTL));
        assert!(put.is_ok_and(|put| put.is_applied()));
    }
    let absent = (ENTRIES..ENTRIES + times).map(key).collect();
    let values = (0..times).map(|_| vec![7; 100].into()).collect();
    let mut setup = Setup { store, stored, absent, values };
    measured(&mut setup, operation, times);
    // Freeing the memory belongs to no operation.
    std::mem::forget(setup);
}

fn key(n: usize) -> Key {
    Key::new(format!("session:{n:024}")).unwrap_or_else(|error| panic!("{error}"))
}

fn sync(store: &dyn TtlStore) -> &dyn SyncStore {
    store.as_sync().expect("the memory driver never waits")
}

/// Runs a future that never waits.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the memory driver does not wait"),
    }
}

/// The operation, `times` times. Only this is counted.
#[inline(never)]
fn measured(setup: &mut Setup, operation: &str, times: usize) {
    let Setup { store, stored, absent, values } = setup;
    let (store, at) = (&**store, |n: usize| &stored[n * 7919 % ENTRIES]);
    let sliding = GetOptions::new().with_refresh(Refresh::extend_only(TTL));
    let (put, patch) = (PutOptions::new(TTL), Patch::new().increment("count", 1));
    let each = |run: &mut dyn FnMut(usize)| (0..times).for_each(run);
    let mut value = || values.pop().unwrap_or_else(|| unreachable!("there is a value for each time"));
    match operation {
        "get" => each(&mut |n| drop(black_box(sync(store).get(at(n), &GetOptions::new())))),
        "get-future" => each(&mut |n| drop(black_box(ready(store.get(at(n), GetOptions::new()))))),
        "refresh" => each(&mut |n| drop(black_box(sync(store).get(at(n), &sliding)))),
        "miss" => each(&mut |n| drop(black_box(sync(store).get(&absent[n], &GetOptions::new())))),
        "overwrite" => each(&mut |n| drop(black_box(sync(store).put(at(n), value(), &put)))),
        "put" => each(&mut |n| drop(black_box(sync(store).put(&absent[n], value(), &put)))),
        "delete" => each(&mut |n| drop(black_box(sync(store).delete(at(n), &DeleteOptions::new())))),
        "increment" => each(&mut |n| drop(black_box(sync(store).patch(at(n), &patch, &PatchOptions::new())))),
        other => panic!("unknown operation {other:?}"),
    }
}
