//! The metrics of a cache: each kind of answer is counted, and no label contains a key, a value or a tag.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use ttl_cache::{Cache, LoadOptions, Near};
use ttl_core::Ttl;
use ttl_core::codec::Json;
use ttl_memory::MemoryStore;

async fn use_cache() {
    let store = Arc::new(MemoryStore::default());
    let cache: Cache<String, u64> = Cache::builder(store.clone(), "numbers", Ttl::minutes(1), Json)
        .near(Near::new(1).max_staleness(std::time::Duration::from_secs(3_600)))
        .build()
        .unwrap();
    let tagged = || LoadOptions::new().with_tags(["s3cret-tag"]);
    let number = |_| async { Ok::<_, std::io::Error>(73_519) };
    cache.get_or_load_with("s3cret-key", tagged(), number).await.unwrap();
    cache.get_or_load_with("s3cret-key", tagged(), number).await.unwrap();
    let keys = ["s3cret-key".to_owned(), "other".to_owned()];
    let loader = |missing: Vec<String>| async move {
        Ok::<_, std::io::Error>(missing.into_iter().map(|key| (key, 1)).collect::<Vec<_>>())
    };
    cache.get_many_or_load(&keys, loader).await.unwrap();
    let fails = |_| async { Err::<u64, _>(std::io::Error::other("no")) };
    cache.get_or_load("third", fails).await.unwrap_err();
}

#[test]
fn every_answer_is_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(use_cache());
    });
    let mut counted = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        let labels: Vec<_> =
            key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(number) => number.into_inner(),
            DebugValue::Histogram(_) => panic!("a cache has no histogram"),
        };
        counted.insert(format!("{}{}", key.name(), labels.concat()), value);
    }
    let text = format!("{counted:?}");
    assert!(!text.contains("s3cret") && !text.contains("73519"), "{text}");
    let count = |name: &str| counted.get(name).copied().unwrap_or_default();
    let requests = |result: &str| count(&format!("ttl_cache_requests_total cache=numbers result={result}"));
    assert_eq!(
        (requests("near_hit"), requests("hit"), requests("stale"), requests("miss")),
        (2.0, 0.0, 0.0, 3.0)
    );
    assert_eq!(count("ttl_cache_loads_total cache=numbers result=ok"), 2.0);
    assert_eq!(count("ttl_cache_loads_total cache=numbers result=error"), 1.0);
    assert_eq!(count("ttl_cache_near_entries cache=numbers"), 1.0);
    assert_eq!(count("ttl_cache_near_evictions_total cache=numbers"), 1.0);
}
