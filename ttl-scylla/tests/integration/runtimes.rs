//! Stores and the program's runtimes: none of them ends with one, and none of them needs one.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use libtest_mimic::Trial;
use tokio::runtime::{Builder, Runtime};
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{DeleteOptions, GetOptions, PatchOptions, PutOptions, Refresh, ScanOptions};
use ttl_core::{Patch, Record, Ttl, TtlStore};
use ttl_scylla::{Mode, ScyllaConfig, ScyllaStore};

use crate::space::{Space, in_both, in_mode};
use crate::support::{LONG, applied, blob, key};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let mut trials = Vec::new();
    trials.extend(in_both("runtimes::a_store_outlives_the_runtime_that_made_it", server, |space| {
        apart(move || outlives(&space))
    }));
    trials.extend(in_both("runtimes::a_runtime_that_ends_breaks_no_calls_of_others", server, |space| {
        apart(move || together(&space))
    }));
    trials.extend(in_both("runtimes::no_runtime_is_needed", server, |space| apart(move || without(&space))));
    trials.push(in_mode(Mode::Strict, "runtimes::what_is_left_last_is_of_no_account", server, |space| {
        apart(move || order(&space))
    }));
    trials
}

/// Runs a trial on a thread that has no runtime.
async fn apart(trial: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(move || thread::spawn(trial).join().unwrap()).await.unwrap();
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn connect(config: &ScyllaConfig) -> ScyllaStore {
    runtime().block_on(ScyllaStore::connect(config)).unwrap()
}

/// Every kind of operation.
async fn all(store: &ScyllaStore, mode: Mode, name: &str) {
    let record = Record::new().with("n", 1);
    applied(store.put(&key(name), record.into(), PutOptions::new(LONG)).await);
    let later = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(2)));
    let entry = store.get(&key(name), later).await.unwrap().unwrap();
    assert!(entry.refresh_error.is_none(), "{entry:?}");
    if mode == Mode::Strict {
        applied(store.patch(&key(name), &Patch::new().increment("n", 1), PatchOptions::new()).await);
    }
    assert!(!store.scan(ScanOptions::new("")).await.unwrap().items.is_empty());
    assert!(store.get_many(&[key(name)], GetOptions::new()).await.remove(0).unwrap().is_some());
    applied(store.delete(&key(name), DeleteOptions::new()).await);
    assert!(store.get(&key(name), GetOptions::new()).await.unwrap().is_none());
}

fn outlives(space: &Space) {
    let store = connect(&space.config);
    for name in ["a", "b", "c"] {
        runtime().block_on(all(&store, space.mode, name));
    }
}

fn together(space: &Space) {
    let store = connect(&space.config);
    let (long, name) = (store.clone(), space.name());
    let (other, rounds) = (name.clone(), 30);
    // Each of these runtimes ends while a call is under way.
    let short = thread::spawn(move || {
        for _ in 0..rounds {
            let runtime = runtime();
            runtime.block_on(async {
                let (store, name) = (store.clone(), other.clone());
                tokio::spawn(async move { store.put(&key(&name), blob("v"), PutOptions::new(LONG)).await });
                tokio::task::yield_now().await;
            });
        }
    });
    runtime().block_on(async {
        let name = key(&format!("{name}-of-the-other"));
        while !short.is_finished() {
            applied(long.put(&name, blob("w"), PutOptions::new(LONG)).await);
            assert!(long.get(&name, GetOptions::new()).await.unwrap().is_some());
        }
    });
    short.join().unwrap();
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut context, mut future) = (Context::from_waker(&waker), pin!(future));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn without(space: &Space) {
    let store = block_on(ScyllaStore::connect(&space.config)).unwrap();
    block_on(all(&store, space.mode, "a"));
    let shared = block_on(ScyllaStore::from_session(store.session(), &space.config)).unwrap();
    drop(store);
    block_on(all(&shared, space.mode, "b"));
}

/// Stores and sessions may be dropped inside of a runtime and outside, before it and after it.
fn order(space: &Space) {
    let first = runtime();
    let store = first.block_on(ScyllaStore::connect(&space.config)).unwrap();
    let session = store.session();
    first.block_on(async { drop(store) });
    drop(first);
    let table = space.config.table_name();
    runtime().block_on(session.query_unpaged(format!("SELECT key FROM {table}"), ())).unwrap();
    drop(session);
    let store = connect(&space.config);
    let last = runtime();
    let under_way = store.clone();
    last.spawn(async move { under_way.put(&key("k"), blob("v"), PutOptions::new(LONG)).await });
    drop(store);
    drop(last);
}
