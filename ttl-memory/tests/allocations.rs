//! Allocations and bytes, counted by the allocator: those of an operation and of an entry, the reported size, and the
//! memory that is freed.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::measure;
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

#[test]
fn a_get_allocates_its_future_and_nothing_else() {
    let store: Arc<dyn TtlStore> = Arc::new(manual().0);
    let key = key(1);
    put(&*store, &key, vec![7; 100].into());
    // The first reader of a blob makes `Bytes` count its users.
    assert_eq!(measure(|| get(&*store, &key)).count_total, 2);
    assert_eq!(measure(|| get(&*store, &key)).count_total, 1);
    let sliding = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(1)));
    let refreshed = measure(|| assert!(ready(store.get(&key, sliding)).unwrap().is_some()));
    assert_eq!(refreshed.count_total, 1);
    let absent = measure(|| assert!(ready(store.get(&self::key(2), GetOptions::new())).unwrap().is_none()));
    // The key's text and the key; the future.
    assert!(absent.count_total <= 3, "{absent:?}");
}

#[test]
fn a_put_allocates_its_future_and_the_entry() {
    let (store, _) = manual();
    let keys: Vec<Key> = (0..ENTRIES).map(key).collect();
    for key in &keys {
        put(&store, key, vec![7; 100].into());
    }
    let value = Value::from(vec![8; 100]);
    let overwrite = measure(|| put(&store, &keys[0], value));
    assert_eq!(overwrite.count_total, 1);
    let value = Value::from(vec![8; 100]);
    let shared = value.clone();
    let copied = measure(|| put(&store, &keys[0], value));
    assert_eq!(copied.count_total, 2, "a shared blob is copied");
    drop(shared);
    let fresh: Vec<(Key, Value)> = (0..ENTRIES).map(|n| (key(ENTRIES + n), vec![8; 100].into())).collect();
    let fresh = measure(|| fresh.into_iter().for_each(|(key, value)| put(&store, &key, value)));
    // With the growth of tables and wheels.
    let each = fresh.count_total as f64 / ENTRIES as f64;
    assert!(each < 2.1, "{each} allocations a put");
}

#[test]
fn an_entry_takes_at_most_104_bytes_beside_key_and_value_and_the_account_is_right() {
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
        assert!(beside <= 104.0, "{beside} B beside key and value");
        assert!(off < 0.05, "{account} B reported, {live} B held");

        let read = measure(|| {
            keys.iter().for_each(|key| get(&store, key));
            account = store.bytes();
        });
        let live = live + read.bytes_current as f64;
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
