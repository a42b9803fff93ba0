//! A million entries that expire at once: the time to reclaim them, and the pauses of a reader meanwhile.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use dashmap::DashMap;
use ttl_benches::arguments::Scale;
use ttl_benches::pauses::{Subject, read_while_expiring};
use ttl_benches::report::{Measured, Report};
use ttl_benches::rounds::{Rounds, Sample};
use ttl_benches::wait::wait;
use ttl_benches::workload::{Workload, power};
use ttl_core::options::PutOptions;
use ttl_core::{Expiry, Key, ManualClock, Ttl, TtlStore as _, Value};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

const PURPOSE: &str =
    "many entries that expire at once: the time to reclaim them, and the pauses of a reader";

/// A full store, and how to reclaim what has expired in it.
type Reclaiming = (&'static str, Box<dyn FnOnce()>);

/// Fills all contestants with entries that live for `life`. Ours has a clock that is moved instead.
fn full_stores(keys: &[Key], value: &Bytes, life: Duration) -> Vec<Reclaiming> {
    let copy = || Bytes::copy_from_slice(value);
    let clock = Arc::new(ManualClock::new());
    let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
    let ours = MemoryStore::new(&config);
    for key in keys {
        let put = wait(ours.put(key, Value::Blob(copy()), PutOptions::new(Ttl::minutes(1))));
        assert!(put.expect("the memory driver writes").is_applied());
    }
    // Two ticks of the sweeper after the deadline.
    clock.advance(Duration::from_millis(60_000 + 2 * 1_024));
    let future = moka::future::Cache::builder().time_to_live(life).build();
    keys.iter().for_each(|key| wait(future.insert(key.as_str().to_owned(), copy())));
    let sync = moka::sync::Cache::builder().time_to_live(life).build();
    keys.iter().for_each(|key| sync.insert(key.as_str().to_owned(), copy()));
    let map: DashMap<String, (Bytes, Instant)> = DashMap::new();
    for key in keys {
        map.insert(key.as_str().to_owned(), (copy(), Instant::now() + life));
    }
    let expected = keys.len();
    vec![
        ("ttl-store", Box::new(move || assert_eq!(ours.sweep(), expected))),
        (
            "moka::future",
            Box::new(move || {
                while future.entry_count() > 0 {
                    wait(future.run_pending_tasks());
                }
            }),
        ),
        (
            "moka::sync",
            Box::new(move || {
                while sync.entry_count() > 0 {
                    sync.run_pending_tasks();
                }
            }),
        ),
        (
            "dashmap, retain",
            Box::new(move || {
                let now = Instant::now();
                map.retain(|_, entry| entry.1 > now);
                assert!(map.is_empty());
            }),
        ),
    ]
}

fn reclaim(report: &mut Report, workload: &Workload, rounds: usize, life: Duration) {
    report.say("reclaiming: all entries have expired, and nothing was reclaimed yet");
    let (keys, value): (Vec<Key>, Bytes) = (workload.all().collect(), workload.value());
    let (mut names, mut samples) = (Vec::new(), Rounds::new(4));
    for _ in 0..rounds {
        let mut stores: Vec<Option<Reclaiming>> =
            full_stores(&keys, &value, life).into_iter().map(Some).collect();
        names = stores.iter().flatten().map(|(name, _)| *name).collect();
        sleep(life + Duration::from_millis(20));
        for at in samples.order() {
            let (_, work) = stores[at].take().expect("each contestant has one turn");
            samples.record(at, Sample::of_thread(keys.len(), work));
        }
    }
    let workload = format!("{} entries, keys 32 B, values 100 B", power(workload.entries));
    let measured = Measured { operation: "reclaim", workload: &workload, metric: "cpu", unit: "ns" };
    report.compared(measured, &names, &samples.compared(|sample| sample.cpu));
}

/// Returns the contestants, which all hold entries that expire at `end`, and others that do not.
fn subject(at: usize, keys: &[Key], live: &[Key], value: &Bytes, end: Instant) -> Subject {
    let remaining = end.saturating_duration_since(Instant::now());
    let copy = |keys: &[Key]| -> Vec<(Key, Bytes)> {
        keys.iter().map(|key| (key.clone(), Bytes::copy_from_slice(value))).collect()
    };
    match at {
        0 => {
            let store = Arc::new(MemoryStore::new(&MemoryConfig::new()));
            let at = SystemTime::now() + remaining;
            let ends = [(keys, Expiry::At(at)), (live, Expiry::After(Ttl::hours(1)))];
            for (keys, expiry) in ends {
                for (key, value) in copy(keys) {
                    let put = wait(store.put(&key, Value::Blob(value), PutOptions::new(expiry)));
                    assert!(put.expect("the memory driver writes").is_applied());
                }
            }
            Subject::ours(store)
        }
        1 | 2 => {
            let cache = moka::future::Cache::builder().expire_after(Subject::lifetimes(end)).build();
            for (keys, short) in [(keys, true), (live, false)] {
                for (key, value) in copy(keys) {
                    wait(cache.insert(key.as_str().to_owned(), (value, short)));
                }
            }
            wait(cache.run_pending_tasks());
            Subject::moka(cache, at == 2)
        }
        _ => {
            let map: Arc<DashMap<String, (Bytes, Instant)>> = Arc::default();
            for (keys, end) in [(keys, end), (live, end + Duration::from_secs(3_600))] {
                for (key, value) in copy(keys) {
                    map.insert(key.as_str().to_owned(), (value, end));
                }
            }
            Subject::map(map)
        }
    }
}

fn pauses(report: &mut Report, workload: &Workload, rounds: usize, life: Duration) {
    report.say("pauses: one thread reads entries that live, while the others expire and are reclaimed");
    report.say("of a call during which the reader was preempted, only the processor time counts");
    let keys: Vec<Key> = workload.all().collect();
    let live: Vec<Key> = workload.absent(1, 10_000);
    let value = workload.value();
    let (mut names, mut samples) = (["", "", "", ""], Rounds::new(4));
    for _ in 0..rounds {
        for at in samples.order() {
            let end = Instant::now() + life;
            let subject = subject(at, &keys, &live, &value, end);
            names[at] = subject.name();
            samples.record(at, read_while_expiring(subject, &live, end));
        }
    }
    let workload = format!("{} entries, one reader", power(workload.entries));
    let mut show = |name: &str, value: fn(&ttl_benches::pauses::Pauses) -> f64| {
        let operation = format!("pause of a reader, {name}");
        let measured = Measured { operation: &operation, workload: &workload, metric: "wall", unit: "us" };
        report.compared(measured, &names, &samples.compared(value));
    };
    show("median", |pauses| pauses.median);
    show("99.9 %", |pauses| pauses.high);
    show("99.999 %", |pauses| pauses.higher);
    show("longest", |pauses| pauses.longest);
}

fn main() {
    let scale = Scale::from_arguments(PURPOSE);
    let mut report = Report::begin("expiry", PURPOSE, scale);
    let workload = Workload::new(scale.pick(100_000, 1_000_000));
    let rounds = 7;
    reclaim(&mut report, &workload, rounds, Duration::from_millis(scale.pick(1_000, 8_000) as u64));
    pauses(&mut report, &workload, rounds, Duration::from_millis(scale.pick(600, 6_000) as u64));
    report.finish();
}
