//! Two reads of one entry in the worst order. The second read interrupts the first one between reading the entry's state
//! and changing it, where the first one reads the clock.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ttl_core::options::{GetOptions, PutOptions, Refresh, Returning};
use ttl_core::{Clock, Key, Ttl, TtlStore};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

/// A clock that returns the times of a script, and runs an action before it returns the first.
#[derive(Default)]
struct Scripted {
    millis: Mutex<VecDeque<u64>>,
    before: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Scripted {
    fn tell(&self, millis: impl IntoIterator<Item = u64>) {
        *self.millis.lock().unwrap() = millis.into_iter().collect();
    }

    fn interrupt(&self, by: impl FnOnce() + Send + 'static) {
        *self.before.lock().unwrap() = Some(Box::new(by));
    }
}

impl Clock for Scripted {
    fn now(&self) -> SystemTime {
        let before = self.before.lock().unwrap().take();
        if let Some(before) = before {
            before();
        }
        // The last time stays.
        let mut millis = self.millis.lock().unwrap();
        let now = if millis.len() > 1 { millis.pop_front() } else { millis.front().copied() };
        UNIX_EPOCH + Duration::from_millis(now.unwrap_or(0))
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

/// Returns a store with one entry that expires at 100 ms.
async fn store() -> (MemoryStore, Arc<Scripted>, Key) {
    let clock = Arc::new(Scripted::default());
    clock.tell([0]);
    let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
    let (store, key) = (MemoryStore::new(&config), Key::new("key").unwrap());
    let outcome = store.put(&key, "v".into(), PutOptions::new(Ttl::millis(100))).await.unwrap();
    assert!(outcome.is_applied());
    (store, clock, key)
}

fn refresh(millis: u64) -> GetOptions {
    GetOptions::new()
        .with_refresh(Refresh::extend_only(Ttl::millis(millis)))
        .with_returning(Returning::DEADLINE)
}

/// Runs a get on a separate thread to its end.
fn get_elsewhere(store: &MemoryStore, key: &Key, options: GetOptions) -> Option<u64> {
    let (store, key) = (store.clone(), key.clone());
    let get = async move { store.get(&key, options).await.unwrap() };
    let run = || tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(get);
    let entry = std::thread::scope(|scope| scope.spawn(run).join()).unwrap();
    entry.map(|entry| entry.deadline.unwrap().as_epoch_millis())
}

#[tokio::test]
async fn a_refresh_does_not_revive_what_another_read_found_dead() {
    let (store, clock, key) = store().await;
    let (other, name) = (store.clone(), key.clone());
    // The first reader will have read 99 ms; until it acts, the second one reads 100 ms.
    clock.tell([100, 99, 101]);
    clock.interrupt(move || assert_eq!(get_elsewhere(&other, &name, refresh(10)), None));
    assert!(store.get(&key, refresh(50)).await.unwrap().is_none(), "refreshed after it was seen dead");
    assert_eq!(get_elsewhere(&store, &key, refresh(10)), None);
}

#[tokio::test]
async fn a_peek_and_a_scan_find_dead_for_everyone() {
    for scan in [false, true] {
        let (store, clock, key) = store().await;
        let (other, name) = (store.clone(), key.clone());
        let script = Arc::clone(&clock);
        clock.interrupt(move || {
            // A scan reads the clock once a shard.
            script.tell([100]);
            if scan {
                let scan = async move { other.scan(ttl_core::options::ScanOptions::new("")).await.unwrap() };
                let run = || tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(scan);
                let page = std::thread::scope(|scope| scope.spawn(run).join()).unwrap();
                assert!(page.items.is_empty());
            } else {
                let peek = GetOptions::nothing().with_returning(Returning::DEADLINE);
                assert_eq!(get_elsewhere(&other, &name, peek), None);
            }
            script.tell([99, 101]);
        });
        assert!(store.get(&key, refresh(50)).await.unwrap().is_none(), "revived, scan: {scan}");
    }
}

#[tokio::test]
async fn a_refresh_does_not_undo_a_longer_one() {
    let (store, clock, key) = store().await;
    let (other, name) = (store.clone(), key.clone());
    clock.tell([60, 60]);
    clock.interrupt(move || assert_eq!(get_elsewhere(&other, &name, refresh(200)), Some(260)));
    let entry = store.get(&key, refresh(100)).await.unwrap().unwrap();
    assert_eq!(entry.deadline.unwrap().as_epoch_millis(), 260);
    assert_eq!(get_elsewhere(&store, &key, refresh(1)), Some(260));
}
