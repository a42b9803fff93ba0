//! `Observe`: every metric and every span, and nothing secret in them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Waker};

use metrics::{LocalRecorderGuard, Unit};
use ttl_core::options::{
    Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem,
    Refresh, Returning, ScanOptions,
};
use ttl_core::{ErrorKind, Expiry, Patch, Record, Ttl, TtlStore};
use ttl_layers::{KeysInSpans, LayerExt, MeasuredValues, Observe, ReadOnly};

use crate::metrics::Metrics;
use crate::recorder::{Fault, Recorder, items, key, keys, kind, kinds, lasting};
use crate::traces::Traces;

struct Observed {
    recorder: Arc<Recorder>,
    metrics: &'static Metrics,
    store: Arc<dyn TtlStore>,
    _guard: LocalRecorderGuard<'static>,
}

fn observed(layer: &Observe) -> Observed {
    let metrics: &'static Metrics = Box::leak(Box::default());
    let guard = metrics.begin();
    let recorder = Recorder::new();
    let store = recorder.clone().layer(layer).unwrap();
    Observed { recorder, metrics, store, _guard: guard }
}

#[track_caller]
fn assert_metrics<const N: usize>(metrics: &Metrics, expected: [(&str, u64); N]) {
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(metrics.take(), expected);
}

#[tokio::test]
async fn gets_count_hits_misses_and_bytes() {
    let Observed { recorder, metrics, store, _guard, .. } = observed(&Observe::new());
    recorder.memory().put_many(items([("a", "four")])).await;
    let get = async |name: &str| store.get(&key(name), GetOptions::new()).await.unwrap().is_some();
    assert!(get("a").await && get("a").await && !get("none").await);
    assert_metrics(
        metrics,
        [
            ("db.client.operation.duration get", 3),
            ("ttl_store.operations get hit", 2),
            ("ttl_store.operations get miss", 1),
            ("ttl_store.read_bytes get", 8),
        ],
    );
    assert!(store.get(&key("a"), GetOptions::nothing()).await.unwrap().is_some());
    assert_metrics(metrics, [("db.client.operation.duration get", 1), ("ttl_store.operations get hit", 1)]);
}

#[tokio::test]
async fn writes_count_outcomes_and_bytes() {
    let Observed { metrics, store, _guard, .. } = observed(&Observe::new());
    let once = lasting().with_condition(ttl_core::options::Condition::IfAbsent).with_previous();
    let version = ttl_core::Version::random();
    let never = lasting().with_condition(ttl_core::options::Condition::IfVersion(version));
    let put = async |options| store.put(&key("a"), "four".into(), options).await.unwrap();
    assert!(put(once.clone()).await.is_applied());
    assert!(put(once).await.is_refused());
    assert!(store.put(&key("b"), "four".into(), never).await.unwrap().is_absent());
    assert_metrics(
        metrics,
        [
            ("db.client.operation.duration put", 3),
            ("ttl_store.operations put absent", 1),
            ("ttl_store.operations put applied", 1),
            ("ttl_store.operations put refused", 1),
            ("ttl_store.read_bytes put", 4),
            ("ttl_store.written_bytes put", 4),
        ],
    );
    let later = ExpiryChange::Set(Expiry::After(Ttl::hours(2)));
    assert!(store.expire(&key("a"), later, ExpireOptions::new()).await.unwrap().is_applied());
    assert!(store.expire(&key("b"), later, ExpireOptions::new()).await.unwrap().is_absent());
    assert!(store.delete(&key("a"), DeleteOptions::take()).await.unwrap().is_applied());
    assert!(store.delete(&key("a"), DeleteOptions::new()).await.unwrap().is_absent());
    assert_metrics(
        metrics,
        [
            ("db.client.operation.duration delete", 2),
            ("db.client.operation.duration expire", 2),
            ("ttl_store.operations delete absent", 1),
            ("ttl_store.operations delete applied", 1),
            ("ttl_store.operations expire absent", 1),
            ("ttl_store.operations expire applied", 1),
            ("ttl_store.read_bytes delete", 4),
            ("ttl_store.refreshes expire", 1),
        ],
    );
    let create = PatchOptions::new().with_create(Create::new(Ttl::hours(1)));
    let patch = Patch::new().increment_within("n", 1, ..=1);
    assert!(store.patch(&key("n"), &patch, create.clone()).await.unwrap().is_applied());
    assert!(store.patch(&key("n"), &patch, create).await.unwrap().is_refused());
    assert_metrics(
        metrics,
        [
            ("db.client.operation.duration patch", 2),
            ("ttl_store.operations patch applied", 1),
            ("ttl_store.operations patch refused", 1),
        ],
    );
}

#[tokio::test]
async fn refreshes_of_live_entries_count() {
    let Observed { metrics, store, _guard, .. } = observed(&Observe::new());
    let refresh = Refresh::reset(Ttl::hours(3));
    let put = lasting().with_existing_deadline(ExistingDeadline::Refresh(refresh));
    let patch = PatchOptions::new().with_refresh(refresh);
    let get = GetOptions::nothing().with_refresh(refresh);
    // The first put creates the entry.
    for _ in 0..2 {
        let _ = store.put(&key("a"), Record::new().into(), put.clone()).await.unwrap();
    }
    let _ = store.patch(&key("a"), &Patch::new(), patch.clone()).await.unwrap();
    let _ = store.patch(&key("none"), &Patch::new(), patch).await.unwrap();
    for name in ["a", "a", "none"] {
        let _ = store.get(&key(name), get.clone()).await.unwrap();
    }
    let refreshes: Vec<_> = metrics.take().into_iter().filter(|(name, _)| name.contains("refresh")).collect();
    let expected = [("get", 2), ("patch", 1), ("put", 1)];
    assert_eq!(refreshes, expected.map(|(name, count)| (format!("ttl_store.refreshes {name}"), count)));
}

#[tokio::test]
async fn failed_refreshes_count_by_kind() {
    let metrics: &'static Metrics = Box::leak(Box::default());
    let _guard = metrics.begin();
    let recorder = Recorder::new();
    recorder.memory().put_many(items([("a", "four")])).await;
    // This layer refuses refreshes.
    let store = recorder.layer(ReadOnly::new()).unwrap().layer(Observe::new()).unwrap();
    let get = GetOptions::new().with_refresh(Refresh::reset(Ttl::hours(3)));
    assert!(store.get(&key("a"), get.clone()).await.unwrap().is_some());
    store.get_many(&keys(["a", "a", "none"]), get).await;
    assert_metrics(
        metrics,
        [
            ("db.client.operation.duration BATCH get", 1),
            ("db.client.operation.duration get", 1),
            ("ttl_store.operations BATCH get hit", 2),
            ("ttl_store.operations BATCH get miss", 1),
            ("ttl_store.operations get hit", 1),
            ("ttl_store.read_bytes BATCH get", 8),
            ("ttl_store.read_bytes get", 4),
            ("ttl_store.refresh_errors BATCH get permission_denied", 2),
            ("ttl_store.refresh_errors get permission_denied", 1),
        ],
    );
}

#[tokio::test]
async fn batches_count_each_key_and_are_one_call() {
    let Observed { recorder, metrics, store, _guard, .. } = observed(&Observe::new());
    store.put_many(items([("a", "1"), ("b", "22"), ("c", "333")])).await;
    let out = Some(ErrorKind::Unavailable);
    recorder.script([Some(Fault::Items(vec![None, out, None, Some(ErrorKind::Corrupt)]))]);
    let got = store.get_many(&keys(["a", "b", "none", "c"]), GetOptions::new()).await;
    assert_eq!(kinds(&got), [None, out, None, Some(ErrorKind::Corrupt)]);
    store.delete_many(&keys(["a", "none"]), DeleteOptions::new()).await;
    assert_metrics(
        metrics,
        [
            ("db.client.operation.duration BATCH delete", 1),
            ("db.client.operation.duration BATCH get unavailable", 1),
            ("db.client.operation.duration BATCH put", 1),
            ("ttl_store.operations BATCH delete absent", 1),
            ("ttl_store.operations BATCH delete applied", 1),
            ("ttl_store.operations BATCH get corrupt error", 1),
            ("ttl_store.operations BATCH get hit", 1),
            ("ttl_store.operations BATCH get miss", 1),
            ("ttl_store.operations BATCH get unavailable error", 1),
            ("ttl_store.operations BATCH put applied", 3),
            ("ttl_store.read_bytes BATCH get", 1),
            ("ttl_store.written_bytes BATCH put", 6),
        ],
    );
    // A batch of one key is a single operation, and one of none has no outcome.
    store.put_many(items([("a", "1")])).await;
    store.get_many(&[], GetOptions::new()).await;
    assert_metrics(
        metrics,
        [
            ("db.client.operation.duration BATCH get", 1),
            ("db.client.operation.duration put", 1),
            ("ttl_store.operations put applied", 1),
            ("ttl_store.written_bytes put", 1),
        ],
    );
}

#[tokio::test]
async fn scans_count_pages_entries_and_bytes() {
    let Observed { metrics, store, _guard, .. } = observed(&Observe::new());
    store.put_many(items([("a", "1"), ("b", "22"), ("c", "333")])).await;
    metrics.take();
    let whole = ScanOptions::new("").with_projection(ttl_core::options::Projection::All);
    assert_eq!(store.scan(whole).await.unwrap().items.len(), 3);
    assert_eq!(store.scan(ScanOptions::new("")).await.unwrap().items.len(), 3);
    assert_metrics(
        metrics,
        [
            ("db.client.operation.duration scan", 2),
            ("ttl_store.operations scan page", 2),
            ("ttl_store.read_bytes scan", 6),
            ("ttl_store.scanned_entries scan", 6),
        ],
    );
}

#[tokio::test]
async fn errors_count_by_kind_and_write_nothing() {
    let Observed { recorder, metrics, store, _guard, .. } = observed(&Observe::new());
    recorder.fail(1, ErrorKind::OutcomeUnknown);
    assert_eq!(kind(store.put(&key("a"), "four".into(), lasting()).await), ErrorKind::OutcomeUnknown);
    recorder.fail(1, ErrorKind::Timeout);
    assert_eq!(kind(store.scan(ScanOptions::new("")).await), ErrorKind::Timeout);
    assert_metrics(
        metrics,
        [
            ("db.client.operation.duration put outcome_unknown", 1),
            ("db.client.operation.duration scan timeout", 1),
            ("ttl_store.operations put outcome_unknown error", 1),
            ("ttl_store.operations scan timeout error", 1),
        ],
    );
}

#[tokio::test]
async fn a_dropped_call_is_cancelled() {
    let Observed { recorder, metrics, store, _guard, .. } = observed(&Observe::new());
    let (traces, _traces) = Traces::begin();
    recorder.script([Some(Fault::Hangs), Some(Fault::Hangs)]);
    let (a, two) = (key("a"), keys(["a", "b"]));
    drop(store.get(&a, GetOptions::new()));
    assert_metrics(metrics, []);
    let mut hangs = store.get(&a, GetOptions::new());
    assert!(hangs.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_metrics(metrics, []);
    drop(hangs);
    let mut hangs = store.delete_many(&two, DeleteOptions::new());
    assert!(hangs.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(hangs);
    assert_metrics(
        metrics,
        [
            ("db.client.operation.duration BATCH delete cancelled", 1),
            ("db.client.operation.duration get cancelled", 1),
            ("ttl_store.operations BATCH delete cancelled cancelled", 2),
            ("ttl_store.operations get cancelled cancelled", 1),
        ],
    );
    let [get, delete] = traces.spans().try_into().unwrap();
    for span in [get, delete] {
        assert_eq!((&*span["error.type"], &*span["ttl_store.outcome"]), ("cancelled", "cancelled"));
    }
}

#[tokio::test]
async fn sizes_of_records_can_be_left_out() {
    let record = || Record::new().with("n", 1);
    for (measured, bytes) in [(MeasuredValues::All, 7 + 4), (MeasuredValues::Blobs, 4)] {
        let Observed { metrics, store, _guard, .. } =
            observed(&Observe::new().with_measured_values(measured));
        let blob = PutItem::new(key("b"), "four", lasting());
        store.put_many(vec![PutItem::new(key("r"), record(), lasting()), blob]).await;
        let written: Vec<_> = metrics.take().into_iter().filter(|(name, _)| name.contains("bytes")).collect();
        assert_eq!(written, [("ttl_store.written_bytes BATCH put".to_owned(), bytes)]);
    }
}

#[tokio::test]
async fn every_metric_has_the_system_and_the_name() {
    let Observed { metrics, store, _guard, .. } = observed(&Observe::new().with_name("sessions"));
    store.put_many(items([("s3cret-key", "s3cret-value")])).await;
    store.get(&key("s3cret-key"), GetOptions::new()).await.unwrap();
    let labels = metrics.labels.lock().unwrap().clone();
    let count = |name, value: &str| {
        labels.iter().filter(|label| *label == &(String::from(name), value.to_owned())).count()
    };
    assert_eq!(metrics.take().len(), 6);
    assert_eq!((count("db.system.name", "memory"), count("ttl_store.name", "sessions")), (6, 6));
    assert!(labels.iter().all(|(_, value)| !value.contains("s3cret")), "{labels:?}");
}

#[tokio::test]
async fn metrics_are_described_once_with_their_units() {
    let layer = Observe::new();
    let Observed { metrics, recorder, _guard, .. } = observed(&layer);
    recorder.layer(layer.clone()).unwrap();
    let described = metrics.described.lock().unwrap().clone();
    let of = |name: &str, unit| (name.to_owned(), Some(unit));
    assert_eq!(
        described,
        [
            of("db.client.operation.duration", Unit::Seconds),
            of("ttl_store.operations", Unit::Count),
            of("ttl_store.refreshes", Unit::Count),
            of("ttl_store.refresh_errors", Unit::Count),
            of("ttl_store.read_bytes", Unit::Bytes),
            of("ttl_store.written_bytes", Unit::Bytes),
            of("ttl_store.scanned_entries", Unit::Count),
        ]
    );
}

#[tokio::test]
async fn spans_describe_the_calls() {
    let Observed { recorder, store, _guard, .. } = observed(&Observe::new().with_name("sessions"));
    let (traces, _guard) = Traces::begin();
    store.get(&key("s3cret"), GetOptions::new().with_returning(Returning::VERSION)).await.unwrap();
    recorder.fail(1, ErrorKind::Timeout);
    assert!(store.delete(&key("s3cret"), DeleteOptions::new()).await.is_err());
    store.put_many(items([("s3cret", "s3cret"), ("b", "2")])).await;
    let fields = |pairs: &[(&str, &str)]| {
        let all = [("otel.kind", "client"), ("db.system.name", "memory"), ("ttl_store.name", "sessions")];
        let pairs = all.iter().chain(pairs).map(|(name, value)| (String::from(*name), String::from(*value)));
        pairs.collect::<BTreeMap<_, _>>()
    };
    let [get, delete, put] = traces.spans().try_into().unwrap();
    assert_eq!(
        get,
        fields(&[("otel.name", "get"), ("db.operation.name", "get"), ("ttl_store.outcome", "miss")])
    );
    assert_eq!(
        delete,
        fields(&[
            ("otel.name", "delete"),
            ("db.operation.name", "delete"),
            ("ttl_store.outcome", "error"),
            ("error.type", "timeout"),
            ("otel.status_code", "error"),
        ])
    );
    assert_eq!(
        put,
        fields(&[
            ("otel.name", "BATCH put"),
            ("db.operation.name", "BATCH put"),
            ("db.operation.batch.size", "2"),
        ])
    );
}

#[tokio::test]
async fn spans_contain_keys_on_request() {
    let Observed { store, _guard, .. } = observed(&Observe::new().with_keys(KeysInSpans::Shown));
    let (traces, _guard) = Traces::begin();
    store.get(&key("shown"), GetOptions::new()).await.unwrap();
    store.get_many(&keys(["hidden", "too"]), GetOptions::new()).await;
    let [get, batch] = traces.spans().try_into().unwrap();
    assert_eq!(get.get("ttl_store.key").map(String::as_str), Some("shown"));
    assert_eq!(batch.get("ttl_store.key"), None);
    assert!(!format!("{batch:?}").contains("hidden"));
}

#[tokio::test]
async fn the_store_of_the_calls_is_unchanged() {
    let Observed { recorder, store, _guard, .. } = observed(&Observe::new());
    assert_eq!(store.capabilities(), recorder.capabilities());
    store.get_many(&keys(["a", "b"]), GetOptions::new()).await;
    store.put_many(items([("a", "1"), ("b", "2")])).await;
    assert_eq!(recorder.methods(), ["get_many", "put_many"], "a batch stays a batch");
}
