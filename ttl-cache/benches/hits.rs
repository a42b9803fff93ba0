//! The cost of a hit, beside those of moka and `quick_cache` in the same run.
//!
//! Prints the median of several rounds in nanoseconds for each call, and the ratio to `quick_cache`. Keys are strings, as
//! in most programs, and the values are shared.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use ttl_cache::{Cache, Near};
use ttl_core::Ttl;
use ttl_core::codec::Json;
use ttl_memory::MemoryStore;

const KEYS: usize = 1_000;
const CALLS: usize = 200_000;
const ROUNDS: usize = 15;

/// Returns the median duration of a call, in nanoseconds.
fn measure(keys: &[String], mut call: impl FnMut(&str)) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for key in keys.iter().cycle().take(CALLS) {
                call(black_box(key));
            }
            start.elapsed().as_nanos() as f64 / CALLS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn main() {
    let keys: Vec<String> = (0..KEYS).map(|n| format!("user:{n}")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let store = Arc::new(MemoryStore::default());
    let far: Cache<String, String> =
        Cache::builder(store.clone(), "far", Ttl::hours(1), Json).build().unwrap();
    let near: Cache<String, String> = Cache::builder(store, "near", Ttl::hours(1), Json)
        .near(Near::new(2 * KEYS).max_staleness(std::time::Duration::from_secs(3_600)))
        .build()
        .unwrap();
    let moka: moka::future::Cache<String, Arc<String>> = moka::future::Cache::builder()
        .max_capacity(2 * KEYS as u64)
        .time_to_live(std::time::Duration::from_secs(3_600))
        .build();
    let quick: quick_cache::sync::Cache<String, Arc<String>> = quick_cache::sync::Cache::new(2 * KEYS);
    let load = |key: &str| {
        let value = key.to_owned();
        |_| async { Ok::<_, std::io::Error>(value) }
    };
    runtime.block_on(async {
        for key in &keys {
            far.get_or_load(key, load(key)).await.unwrap();
            near.get_or_load(key, load(key)).await.unwrap();
            moka.insert(key.clone(), Arc::new(key.clone())).await;
            quick.insert(key.clone(), Arc::new(key.clone()));
        }
    });
    let unexpected = || async { Err::<String, _>(std::io::Error::other("a hit was expected")) };
    let quick_get = measure(&keys, |key| drop(black_box(quick.get(key).unwrap())));
    let rows = [
        ("quick_cache get", quick_get),
        ("moka get", measure(&keys, |key| drop(black_box(moka.get(key).now_or_never().unwrap().unwrap())))),
        (
            "moka get_with",
            measure(&keys, |key| {
                let value = moka.get_with_by_ref(key, async { unreachable!("a hit was expected") });
                drop(black_box(value.now_or_never().unwrap()));
            }),
        ),
        (
            "near get",
            measure(&keys, |key| drop(black_box(near.get(key).now_or_never().unwrap().unwrap().unwrap()))),
        ),
        (
            "near get_or_load",
            measure(&keys, |key| {
                let value = near.get_or_load(key, move |_| unexpected());
                drop(black_box(value.now_or_never().unwrap().unwrap()));
            }),
        ),
        (
            "memory store get_or_load",
            measure(&keys, |key| {
                let value = far.get_or_load(key, move |_| unexpected());
                drop(black_box(value.now_or_never().unwrap().unwrap()));
            }),
        ),
    ];
    for (name, nanos) in rows {
        println!("{name:26} {nanos:8.1} ns {:6.2} x quick_cache", nanos / quick_get);
    }
}
