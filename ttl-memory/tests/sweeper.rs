//! The background sweeper: it works without traffic and outside of any runtime, and it ends with the store.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use ttl_core::options::PutOptions;
use ttl_core::{Clock, Key, ManualClock, Ttl, TtlStore};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

fn put(store: &MemoryStore, n: usize, ttl: Ttl) {
    let key = Key::new(n.to_string()).unwrap();
    let put = store.put(&key, vec![0; 10].into(), PutOptions::new(ttl));
    match pin!(put).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => assert!(outcome.unwrap().is_applied()),
        Poll::Pending => panic!("the memory driver does not wait"),
    }
}

/// Waits until the condition holds, for at most half a minute.
fn comes_true(what: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(30) {
        if what() {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}

#[test]
fn expired_memory_is_given_back_without_traffic() {
    let store = MemoryStore::default();
    for n in 0..1_000 {
        put(&store, n, Ttl::millis(1 + n as u64 % 10));
    }
    assert!(comes_true(|| store.is_empty()), "{} of 1000 are still held", store.len());
    assert_eq!(store.bytes(), 0);
}

#[test]
fn the_last_handle_takes_the_inside_along() {
    // The store's inside holds the clock: when that is gone, so is the inside.
    let (store, clock) = with_clock(Reclaim::Background);
    put(&store, 1, Ttl::hours(1));
    let other = store.clone();
    drop(store);
    put(&other, 2, Ttl::hours(1));
    assert!(clock.upgrade().is_some());
    drop(other);
    assert!(comes_true(|| clock.upgrade().is_none()), "the store's inside has leaked");
}

/// The threads are counted by name. The kernel keeps only the first fifteen bytes of a name.
#[cfg(target_os = "linux")]
#[test]
fn the_threads_end_with_their_stores() {
    let sweepers = || {
        let names = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
            // A thread can end between the two.
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
        });
        names.filter(|name| name.trim_end() == "ttl-memory-swee").count()
    };
    let stores: Vec<_> = (0..10).map(|_| MemoryStore::default()).collect();
    for (n, store) in stores.iter().enumerate() {
        put(store, n, Ttl::hours(1));
    }
    assert!(comes_true(|| sweepers() >= 10));
    drop(stores);
    // Those of the other tests end too.
    assert!(comes_true(|| sweepers() == 0), "{} sweepers are left", sweepers());
}

#[test]
fn many_stores_come_and_go() {
    let clocks: Vec<Weak<dyn Clock>> = (0..50)
        .map(|n| {
            let (store, clock) = with_clock(Reclaim::Background);
            put(&store, n, Ttl::hours(1));
            clock
        })
        .collect();
    assert!(comes_true(|| clocks.iter().all(|clock| clock.upgrade().is_none())), "a store has leaked");
}

#[tokio::test]
async fn a_store_outlives_the_runtime_that_it_was_filled_on() {
    let store = thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = MemoryStore::default();
            put(&store, 1, Ttl::MIN);
            store
        })
    })
    .join()
    .unwrap();
    let store = Arc::new(store);
    let waiting = Arc::clone(&store);
    let emptied = tokio::task::spawn_blocking(move || comes_true(|| waiting.is_empty())).await.unwrap();
    assert!(emptied);
}

fn with_clock(reclaim: Reclaim) -> (MemoryStore, Weak<dyn Clock>) {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
    let weak = Arc::downgrade(&clock);
    (MemoryStore::new(&MemoryConfig::new().with_clock(clock).with_reclaim(reclaim)), weak)
}
