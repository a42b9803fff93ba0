//! Many tasks on many threads: refreshes under the read lock, rewrites, sweeps and evictions at the same time.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ttl_core::options::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions,
    Refresh, Returning,
};
use ttl_core::{Deadline, Expiry, Key, ManualClock, Outcome, Patch, Ttl, TtlStore, Value};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

const TASKS: u64 = 64;

fn key(n: u64) -> Key {
    Key::new(format!("key:{n}")).unwrap()
}

/// Pseudo-random numbers (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Checks that there was no error. The outcome does not matter here.
fn forget<T>(_: &Outcome<T>) {}

async fn all<F>(tasks: impl IntoIterator<Item = F>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn limited(clock: &Arc<ManualClock>) -> MemoryStore {
    let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
    MemoryStore::new(&config.with_max_entries(NonZeroUsize::new(200).unwrap()))
}

fn unlimited(clock: &Arc<ManualClock>) -> MemoryStore {
    MemoryStore::new(&MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual))
}

/// Reads, refreshes, rewrites, sweeps, deletes and evicts while the clock runs. Every returned entry is live at an
/// instant of its call, and has a value that was written under its key.
async fn nothing_is_seen_after_its_deadline(store: MemoryStore, clock: Arc<ManualClock>) {
    let seen = Arc::new(AtomicUsize::new(0));
    all((0..TASKS).map(|task| {
        let (store, clock, seen) = (store.clone(), Arc::clone(&clock), Arc::clone(&seen));
        async move {
            let mut numbers = Numbers(task + 1);
            for round in 0..400 {
                let n = numbers.below(300);
                let ttl = Ttl::millis(1 + numbers.below(3_000));
                let before = store.now();
                match numbers.below(8) {
                    0 | 1 => {
                        let value = Value::from(n.to_string());
                        forget(&store.put(&key(n), value, PutOptions::new(ttl)).await.unwrap());
                    }
                    2 => forget(&store.delete(&key(n), DeleteOptions::new()).await.unwrap()),
                    3 if task == 0 => drop(store.sweep()),
                    4 => {
                        let change = ExpiryChange::Set(Expiry::After(ttl));
                        forget(&store.expire(&key(n), change, ExpireOptions::new()).await.unwrap());
                    }
                    choice => {
                        let refresh = match choice {
                            5 => Some(Refresh::extend_only(ttl)),
                            6 => Some(Refresh::reset(ttl)),
                            _ => None,
                        };
                        let options =
                            GetOptions::new().with_refresh(refresh).with_returning(Returning::all());
                        if let Some(entry) = store.get(&key(n), options).await.unwrap() {
                            assert!(!entry.deadline.unwrap().is_expired(before));
                            assert_eq!(entry.value, Some(n.to_string().into()));
                            seen.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
                if round % 4 == 0 {
                    clock.advance(Duration::from_millis(numbers.below(20)));
                }
            }
        }
    }))
    .await;
    assert!(seen.load(Ordering::Relaxed) > 100, "nothing was ever seen");
    clock.advance(Duration::from_secs(10));
    store.sweep();
    assert_eq!((store.len(), store.bytes()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_seen_after_its_deadline_without_limits() {
    let clock = Arc::new(ManualClock::new());
    nothing_is_seen_after_its_deadline(unlimited(&clock), clock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_seen_after_its_deadline_with_eviction() {
    let clock = Arc::new(ManualClock::new());
    let store = limited(&clock);
    nothing_is_seen_after_its_deadline(store, clock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_extending_refresh_never_shortens() {
    let clock = Arc::new(ManualClock::new());
    let store = unlimited(&clock);
    for n in 0..8 {
        let outcome = store.put(&key(n), "v".into(), PutOptions::new(Ttl::minutes(1))).await.unwrap();
        assert!(outcome.is_applied());
    }
    all((0..TASKS).map(|task| {
        let (store, clock) = (store.clone(), Arc::clone(&clock));
        async move {
            let mut numbers = Numbers(task + 1);
            let mut last = [Deadline::from_epoch_millis(0); 8];
            for _ in 0..400 {
                let n = numbers.below(8);
                let refresh = Refresh::extend_only(Ttl::millis(40_000 + numbers.below(40_000)));
                let options = GetOptions::new().with_refresh(refresh).with_returning(Returning::DEADLINE);
                let asked = Deadline::after(store.now(), refresh.ttl);
                let deadline = store.get(&key(n), options).await.unwrap().unwrap().deadline.unwrap();
                assert!(deadline >= asked && deadline >= last[n as usize], "{deadline:?}");
                last[n as usize] = deadline;
                if numbers.below(50) == 0 {
                    clock.advance(Duration::from_millis(10));
                }
                if numbers.below(100) == 0 {
                    store.sweep();
                }
            }
        }
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_was_seen_dead_stays_dead() {
    for round in 0..100 {
        let clock = Arc::new(ManualClock::new());
        let store = unlimited(&clock);
        let created = store.put(&key(round), "v".into(), PutOptions::new(Ttl::millis(20))).await.unwrap();
        assert!(created.is_applied());
        let dead = Arc::new(AtomicBool::new(false));
        let ticking = (0..1).map(|_| {
            let clock = Arc::clone(&clock);
            let ticks: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
                for _ in 0..100 {
                    clock.advance(Duration::from_millis(1));
                    tokio::task::yield_now().await;
                }
            });
            ticks
        });
        let readers = (0..6).map(|_| {
            let (store, dead) = (store.clone(), Arc::clone(&dead));
            let reads: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
                let sliding = GetOptions::nothing().with_refresh(Refresh::extend_only(Ttl::millis(2)));
                for _ in 0..200 {
                    let was_dead = dead.load(Ordering::SeqCst);
                    let seen = store.get(&key(round), sliding.clone()).await.unwrap().is_some();
                    assert!(!(was_dead && seen), "revived");
                    if !seen {
                        dead.store(true, Ordering::SeqCst);
                    }
                    tokio::task::yield_now().await;
                }
            });
            reads
        });
        all(ticking.chain(readers)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_increment_is_lost() {
    let clock = Arc::new(ManualClock::new());
    let store = unlimited(&clock);
    all((0..TASKS).map(|task| {
        let (store, clock) = (store.clone(), Arc::clone(&clock));
        async move {
            let options = PatchOptions::new()
                .with_create(Create::new(Ttl::seconds(30)))
                .with_refresh(Refresh::extend_only(Ttl::seconds(30)));
            for n in 0..200 {
                let patch = Patch::new().increment("n", 1).append("tasks", task);
                assert!(store.patch(&key(n % 4), &patch, options.clone()).await.unwrap().is_applied());
                if n % 10 == 0 {
                    clock.advance(Duration::from_millis(7));
                    store.sweep();
                }
            }
        }
    }))
    .await;
    for n in 0..4 {
        let entry = store.get(&key(n), GetOptions::new()).await.unwrap().unwrap();
        let record = entry.value.unwrap().into_record().unwrap();
        assert_eq!(record.get("n").unwrap().as_u64(), Some(TASKS * 50));
        assert_eq!(record.get("tasks").unwrap().as_array().unwrap().len() as u64, TASKS * 50);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creators_and_of_many_takers_one_wins() {
    let clock = Arc::new(ManualClock::new());
    let store = unlimited(&clock);
    for round in 0..50 {
        let (created, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // A ghost of the round before lies there.
        clock.advance(Duration::from_secs(2));
        all((0..TASKS).map(|task| {
            let (store, created) = (store.clone(), Arc::clone(&created));
            async move {
                let options = PutOptions::new(Ttl::seconds(1)).with_condition(Condition::IfAbsent);
                let outcome = store.put(&key(1), task.to_string().into(), options).await.unwrap();
                created.fetch_add(usize::from(outcome.is_applied()), Ordering::Relaxed);
            }
        }))
        .await;
        assert_eq!(created.load(Ordering::Relaxed), 1, "round {round}");
        if round % 2 == 0 {
            continue;
        }
        all((0..TASKS).map(|_| {
            let (store, taken) = (store.clone(), Arc::clone(&taken));
            async move {
                match store.delete(&key(1), DeleteOptions::take()).await.unwrap() {
                    Outcome::Applied(entry) => {
                        assert!(entry.unwrap().value.is_some());
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                    Outcome::Absent | Outcome::Refused(_) => {}
                }
            }
        }))
        .await;
        assert_eq!(taken.load(Ordering::Relaxed), 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn versions_are_never_made_twice() {
    let clock = Arc::new(ManualClock::new());
    let store = limited(&clock);
    let versions = Arc::new(std::sync::Mutex::new(std::collections::HashSet::new()));
    all((0..TASKS).map(|task| {
        let (store, versions) = (store.clone(), Arc::clone(&versions));
        async move {
            for n in 0..100 {
                let options = PutOptions::new(Ttl::seconds(1)).with_returning(Returning::VERSION);
                let outcome = store.put(&key((task + n) % 50), "v".into(), options).await.unwrap();
                let version = outcome.applied().unwrap().version.unwrap();
                assert!(versions.lock().unwrap().insert(version), "{version:?} came twice");
            }
        }
    }))
    .await;
}
