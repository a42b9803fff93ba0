//! The hit ratio of the memory driver with a limit of entries, and of caches with the same capacity.

use std::num::NonZeroUsize;

use bytes::Bytes;
use foyer_memory::CacheBuilder;
use ttl_benches::arguments::Scale;
use ttl_benches::peers::LIFETIME;
use ttl_benches::report::{Measured, Report};
use ttl_benches::rounds::Rounds;
use ttl_benches::wait::wait;
use ttl_benches::workload::{Distribution, Workload, power};
use ttl_core::options::{GetOptions, PutOptions};
use ttl_core::{Key, Ttl, TtlStore as _, Value};
use ttl_memory::{MemoryConfig, MemoryStore};

const PURPOSE: &str = "the hit ratio at capacity: a read that misses is followed by a put";

const NAMES: [&str; 4] = ["ttl-store", "moka::future", "quick_cache", "foyer"];

/// Reads the keys of the sequence, puts those that are absent, and returns the hits of the second half in percent.
fn hits(
    keys: &[Key],
    sequence: &[usize],
    mut get: impl FnMut(&Key) -> bool,
    mut put: impl FnMut(&Key),
) -> f64 {
    let (half, mut hits) = (sequence.len() / 2, 0);
    for (at, number) in sequence.iter().enumerate() {
        let key = &keys[*number];
        if !get(key) {
            put(key);
        } else if at >= half {
            hits += 1;
        }
    }
    f64::from(hits) * 100.0 / half as f64
}

fn run(contestant: usize, keys: &[Key], sequence: &[usize], capacity: usize, value: &Bytes) -> f64 {
    let text = |key: &Key| key.as_str().to_owned();
    match contestant {
        0 => {
            let limit = NonZeroUsize::new(capacity).expect("the capacity is above zero");
            let store = MemoryStore::new(&MemoryConfig::new().with_max_entries(limit));
            let get = |key: &Key| {
                wait(store.get(key, GetOptions::new())).expect("the memory driver reads").is_some()
            };
            let put = |key: &Key| {
                let options = PutOptions::new(Ttl::seconds(LIFETIME.as_secs()));
                let put = wait(store.put(key, Value::Blob(Bytes::copy_from_slice(value)), options));
                assert!(put.expect("the memory driver writes").is_applied());
            };
            hits(keys, sequence, get, put)
        }
        1 => {
            let builder = moka::future::Cache::builder().max_capacity(capacity as u64);
            let cache: moka::future::Cache<String, Bytes> = builder.time_to_live(LIFETIME).build();
            let get = |key: &Key| wait(cache.get(key.as_str())).is_some();
            hits(keys, sequence, get, |key| wait(cache.insert(text(key), value.clone())))
        }
        2 => {
            let cache = quick_cache::sync::Cache::<String, Bytes>::new(capacity);
            let get = |key: &Key| cache.get(key.as_str()).is_some();
            hits(keys, sequence, get, |key| cache.insert(text(key), value.clone()))
        }
        _ => {
            let cache: foyer_memory::Cache<String, Bytes> = CacheBuilder::new(capacity).build();
            let get = |key: &Key| cache.get(key.as_str()).is_some();
            hits(keys, sequence, get, |key| drop(cache.insert(text(key), value.clone())))
        }
    }
}

fn main() {
    let scale = Scale::from_arguments(PURPOSE);
    let mut report = Report::begin("hit_ratio", PURPOSE, scale);
    let workload = Workload::new(scale.pick(100_000, 1_000_000));
    let reads = workload.entries * scale.pick(2, 10);
    let keys: Vec<Key> = workload.all().collect();
    let value = workload.value();
    for exponent in [0.9, 1.0] {
        for percent in [1, 5, 10] {
            let capacity = workload.entries * percent / 100;
            let mut rounds = Rounds::new(NAMES.len());
            for seed in 0..3 {
                let sequence = workload.choose(Distribution::Zipf(exponent), seed, reads);
                for at in rounds.order() {
                    rounds.record(at, run(at, &keys, &sequence, capacity, &value));
                }
            }
            let workload = format!(
                "{} keys, zipf {exponent:.1}, capacity {percent} %, {} reads",
                power(workload.entries),
                power(reads)
            );
            let measured =
                Measured { operation: "hit ratio", workload: &workload, metric: "hits", unit: "%" };
            report.compared(measured, &NAMES, &rounds.compared(|hits| *hits));
        }
    }
    report.finish();
}
