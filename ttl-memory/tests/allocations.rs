//! Allocations and bytes, counted by the allocator: those of an operation and of an entry, the reported size, and the
//! memory that is freed.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::measure;
use ttl_core::driver::SyncStore;
use ttl_core::options::{GetOptions, PutOptions, Refresh};
use ttl_core::{Key, ManualClock, Ttl, TtlStore, Value};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

const ENTRIES: usize = 100_000;
const HALF_HOUR: Ttl = Ttl::minutes(30);

fn manual() -> (MemoryStore, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
    (MemoryStore::new(&config), clock)
}

fn key(n: usize) -> Key {
    Key::new(format!("session:{n:024}")).unwrap()
}

fn put(store: &dyn TtlStore, key: &Key, value: Value) {
    assert!(ready(store.put(key, value, PutOptions::new(HALF_HOUR))).unwrap().is_applied());
}

fn get(store: &dyn TtlStore, key: &Key) {
    assert!(black_box(ready(store.get(key, GetOptions::new()))).unwrap().is_some());
}

/// Runs a future that never waits.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the memory driver does not wait"),
    }
}

/// Runs a call without a future.
fn sync(store: &dyn TtlStore) -> &dyn SyncStore {
    store.as_sync().expect("the memory driver never waits")
}

/// Returns the number of allocations.
fn allocations(call: impl FnOnce()) -> u64 {
    measure(call).count_total
}

#[test]
fn a_get_allocates_a_handle_and_its_future() {
    let store: Arc<dyn TtlStore> = Arc::new(manual().0);
    let keys = [key(1), key(2), key(3)];
    put(&*store, &keys[0], vec![7; 100].into());
    put(&*store, &keys[1], vec![7; 1_000].into());
    let sliding = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(1)));
    let sync_get = |key, options: &GetOptions| drop(black_box(sync(&store).get(key, options)));
    // A small blob: the handle.
    assert_eq!(allocations(|| get(&*store, &keys[0])), 2);
    assert_eq!(allocations(|| sync_get(&keys[0], &GetOptions::new())), 1);
    assert_eq!(allocations(|| sync_get(&keys[0], &sliding)), 1);
    // A large blob: its first reader makes `Bytes` count its users.
    assert_eq!(allocations(|| get(&*store, &keys[1])), 2);
    assert_eq!(allocations(|| get(&*store, &keys[1])), 1);
    assert_eq!(allocations(|| sync_get(&keys[1], &sliding)), 0);
    // Nothing is returned.
    assert_eq!(allocations(|| sync_get(&keys[0], &GetOptions::nothing())), 0);
    assert_eq!(allocations(|| sync_get(&keys[2], &sliding)), 0);
}

#[test]
fn a_put_allocates_the_entry_and_its_future() {
    let (store, _) = manual();
    let keys: Vec<Key> = (0..ENTRIES).map(key).collect();
    for key in &keys {
        put(&store, key, vec![7; 100].into());
    }
    let options = PutOptions::new(HALF_HOUR);
    let value = |len| Value::from(vec![8; len]);
    let sync_put = |key, value| drop(black_box(sync(&store).put(key, value, &options)));
    let new = value(100);
    assert_eq!(allocations(|| put(&store, &keys[0], new)), 1, "the entry is rewritten in place");
    let new = value(100);
    assert_eq!(allocations(|| sync_put(&keys[0], new)), 0);
    let new = value(101);
    assert_eq!(allocations(|| sync_put(&keys[0], new)), 1, "another size needs another entry");
    let new = value(1_000);
    assert_eq!(allocations(|| sync_put(&keys[0], new)), 2, "a large blob has a handle");
    let new = value(1_000);
    assert_eq!(allocations(|| sync_put(&keys[0], new)), 0, "the next large blob takes over the handle");
    let new = value(1_000);
    let shared = new.clone();
    assert_eq!(allocations(|| sync_put(&keys[0], new)), 1, "a shared blob is copied");
    drop(shared);
    let fresh: Vec<(Key, Value)> = (0..ENTRIES).map(|n| (key(ENTRIES + n), value(100))).collect();
    let fresh = measure(|| fresh.into_iter().for_each(|(key, value)| put(&store, &key, value)));
    // With the growth of tables and wheels.
    let each = fresh.count_total as f64 / ENTRIES as f64;
    assert!(each < 2.1, "{each} allocations a put");
}

#[test]
fn an_entry_takes_at_most_96_bytes_beside_key_and_value_and_the_account_is_right() {
    // A table doubles its buckets when seven eighths are full: just after that, entries pay most.
    for entries in [60_000, 100_000, 125_000] {
        let (store, _) = manual();
        let keys: Vec<Key> = (0..entries).map(key).collect();
        let mut account = 0;
        let filled = measure(|| {
            keys.iter().for_each(|key| put(&store, key, vec![7; 100].into()));
            account = store.bytes();
        });
        let live = filled.bytes_current as f64;
        let beside = live / entries as f64 - 132.0;
        let off = (account as f64 / live - 1.0).abs();
        println!(
            "{entries} entries: {beside:.1} B beside key and value, the account is {:.2} % off",
            off * 100.0
        );
        assert!(beside <= 96.0, "{beside} B beside key and value");
        assert!(off < 0.05, "{account} B reported, {live} B held");

        let read = measure(|| {
            keys.iter().for_each(|key| get(&store, key));
            account = store.bytes();
        });
        let live = live + read.bytes_current as f64;
        assert_eq!(read.bytes_current, 0, "a small blob is in its entry, and takes no more after a read");
        let off = (account as f64 / live - 1.0).abs();
        assert!(off < 0.05, "after a read: {account} B reported, {live} B held");
    }
}

#[test]
fn what_has_expired_is_given_back_without_traffic() {
    let (store, clock) = manual();
    let keys: Vec<Key> = (0..ENTRIES).map(key).collect();
    let empty = measure(|| assert_eq!(store.len(), 0)).bytes_current;
    let mut held = 0;
    let filled = measure(|| keys.iter().for_each(|key| put(&store, key, vec![7; 100].into()))).bytes_current;
    clock.advance(HALF_HOUR.as_duration());
    // Two ticks later, as the sweeper would come by.
    clock.advance(Duration::from_millis(2 * 1024));
    let swept = measure(|| held = store.sweep()).bytes_current;
    assert_eq!((held, store.len(), store.bytes(), empty), (ENTRIES, 0, 0, 0));
    let left = (filled + swept) as f64 / filled as f64;
    println!("{:.2} % of {filled} B are still held", left * 100.0);
    assert!(left < 0.01, "{} of {filled} B are still held", filled + swept);
}
