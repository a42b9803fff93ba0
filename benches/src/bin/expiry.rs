//! A million entries that expire at once: the time to reclaim them, and the pauses of a reader meanwhile.

use std::any::Any;
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

/// A full store, and how to reclaim what has expired in it. The store is returned, so that its end is not timed.
type Reclaiming = (&'static str, Box<dyn FnOnce() -> Box<dyn Any>>);

fn ours(keys: &[Key], value: &Bytes) -> Reclaiming {
    let clock = Arc::new(ManualClock::new());
    let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
    let store = MemoryStore::new(&config);
    for key in keys {
        let value = Value::Blob(Bytes::copy_from_slice(value));
        let put = wait(store.put(key, value, PutOptions::new(Ttl::minutes(1))));
        assert!(put.expect("the memory driver writes").is_applied());
    }
    // Two ticks of the sweeper after the deadline.
    clock.advance(Duration::from_millis(60_000 + 2 * 1_024));
    let expected = keys.len();
    let reclaim = move || -> Box<dyn Any> {
        assert_eq!(store.sweep(), expected);
        Box::new(store)
    };
    ("ttl-store", Box::new(reclaim))
}

fn map(keys: &[Key], value: &Bytes, life: Duration) -> Reclaiming {
    let map: DashMap<String, (Bytes, Instant)> = DashMap::new();
    for key in keys {
        map.insert(key.as_str().to_owned(), (Bytes::copy_from_slice(value), Instant::now() + life));
    }
    let reclaim = move || -> Box<dyn Any> {
        let now = Instant::now();
        map.retain(|_, entry| entry.1 > now);
        assert!(map.is_empty());
        Box::new(map)
    };
    ("dashmap, retain", Box::new(reclaim))
}

fn future_cache(keys: &[Key], value: &Bytes, life: Duration) -> Reclaiming {
    let cache = moka::future::Cache::builder().time_to_live(life).build();
    keys.iter().for_each(|key| wait(cache.insert(key.as_str().to_owned(), Bytes::copy_from_slice(value))));
    let reclaim = move || -> Box<dyn Any> {
        while cache.entry_count() > 0 {
            wait(cache.run_pending_tasks());
        }
        Box::new(cache)
    };
    ("moka::future", Box::new(reclaim))
}

fn sync_cache(keys: &[Key], value: &Bytes, life: Duration) -> Reclaiming {
    let cache = moka::sync::Cache::builder().time_to_live(life).build();
    keys.iter().for_each(|key| cache.insert(key.as_str().to_owned(), Bytes::copy_from_slice(value)));
    let reclaim = move || -> Box<dyn Any> {
        while cache.entry_count() > 0 {
            cache.run_pending_tasks();
        }
        Box::new(cache)
    };
    ("moka::sync", Box::new(reclaim))
}

/// Compares the reclaiming of entries that live for `life`. Ours has a clock that is moved instead.
fn reclaim(report: &mut Report, entries: usize, rounds: usize, life: Duration, caches: bool) {
    report.say(format_args!(
        "reclaiming: all of {} entries have expired, and nothing was reclaimed yet",
        power(entries)
    ));
    let workload = Workload::new(entries);
    let (keys, value): (Vec<Key>, Bytes) = (workload.all().collect(), workload.value());
    let full = || {
        let mut stores = vec![ours(&keys, &value)];
        if caches {
            stores.extend([future_cache(&keys, &value, life), sync_cache(&keys, &value, life)]);
        }
        stores.push(map(&keys, &value, life));
        stores
    };
    let (mut names, mut samples) = (Vec::new(), Rounds::new(if caches { 4 } else { 2 }));
    for _ in 0..rounds {
        let mut stores: Vec<Option<Reclaiming>> = full().into_iter().map(Some).collect();
        names = stores.iter().flatten().map(|(name, _)| *name).collect();
        sleep(life + Duration::from_millis(20));
        for at in samples.order() {
            let (_, work) = stores[at].take().expect("each contestant has one turn");
            let mut empty = None;
            samples.record(at, Sample::of_thread(keys.len(), || empty = Some(work())));
            drop(empty);
        }
    }
    let workload = format!("{} entries, keys 32 B, values 100 B", power(entries));
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
    report
        .say("of a call in which the reader was preempted, and never waited, only the processor time counts");
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
    let entries = scale.pick(100_000, 1_000_000);
    let rounds = 7;
    reclaim(&mut report, entries, rounds, Duration::from_millis(scale.pick(1_000, 8_000) as u64), true);
    if scale.quick {
        // The caches need a lifetime that is longer than the time to fill them, which would take minutes.
        reclaim(&mut report, 1_000_000, 3, Duration::from_millis(20), false);
    }
    let life = Duration::from_millis(scale.pick(600, 6_000) as u64);
    pauses(&mut report, &Workload::new(entries), rounds, life);
    report.finish();
}
