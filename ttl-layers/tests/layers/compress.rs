//! `Compress`: values above the threshold are stored compressed, and every store reads every other one.

use std::sync::Arc;

use ttl_core::options::{
    Create, DeleteOptions, Fields, GetOptions, PatchOptions, Projection, PutItem, ScanOptions,
};
use ttl_core::{ErrorKind, Kind, Patch, Record, Ttl, TtlStore, Value};
use ttl_layers::{Compress, LayerExt};
use ttl_memory::{MemoryConfig, MemoryStore};

use crate::recorder::{Recorder, key, kind, kinds, lasting};

pub(crate) fn layered(layer: Compress) -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(layer).unwrap();
    (recorder, store)
}

pub(crate) fn over_100() -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    layered(Compress::zstd().over(100))
}

/// Returns text that becomes smaller.
pub(crate) fn long() -> String {
    "a long text, ".repeat(40)
}

pub(crate) fn long_record() -> Record {
    Record::new().with("text", long()).with("n", 1)
}

/// Returns bytes that do not become smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(&mut next).take(bytes).collect()
}

pub(crate) async fn put(store: &dyn TtlStore, name: &str, value: impl Into<Value>) {
    assert!(store.put(&key(name), value.into(), lasting()).await.unwrap().is_applied());
}

pub(crate) async fn value(store: &dyn TtlStore, name: &str) -> Option<Value> {
    store.get(&key(name), GetOptions::new()).await.unwrap()?.value
}

pub(crate) fn is_compressed(stored: &Value) -> bool {
    match stored {
        Value::Blob(bytes) => bytes.starts_with(b"\xF5tz\x01"),
        Value::Record(record) => record.contains("~z") && record.len() == 1,
    }
}

pub(crate) fn fields(names: &[&str]) -> Projection {
    Projection::Fields(Fields::new(names.iter().copied()).unwrap())
}

#[tokio::test]
async fn values_above_the_threshold_are_stored_compressed() {
    for layer in [Compress::zstd(), Compress::gzip(), Compress::gzip().with_level(9)] {
        let (recorder, store) = layered(layer.over(100));
        for (name, given, compressed) in [
            ("at", Value::from("x".repeat(100)), false),
            ("over", Value::from("x".repeat(101)), true),
            ("record", long_record().into(), true),
            ("small record", Record::new().with("n", 1).into(), false),
            ("noise", noise(1_000).into(), false),
            ("empty", "".into(), false),
            ("empty record", Record::new().into(), false),
        ] {
            put(&*store, name, given.clone()).await;
            let stored = value(recorder.memory(), name).await.unwrap();
            assert_eq!(is_compressed(&stored), compressed, "{name} with {layer:?}");
            assert_eq!(stored.kind(), given.kind(), "{name}");
            assert!(stored.size_bytes() <= given.size_bytes(), "{name}");
            assert_eq!(value(&*store, name).await, Some(given), "{name} with {layer:?}");
        }
    }
}

#[tokio::test]
async fn a_threshold_of_zero_tries_every_value() {
    let (recorder, store) = layered(Compress::gzip().over(0));
    put(&*store, "k", "x".repeat(60)).await;
    assert!(is_compressed(&value(recorder.memory(), "k").await.unwrap()));
    for bytes in 0..40 {
        put(&*store, "k", noise(bytes)).await;
        assert_eq!(value(&*store, "k").await, Some(noise(bytes).into()));
    }
}

#[tokio::test]
async fn every_setting_reads_every_other_and_plain_entries() {
    let recorder = Recorder::new();
    let plain: Arc<dyn TtlStore> = recorder.clone();
    let stores = [
        plain.clone(),
        plain.clone().layer(Compress::zstd().over(0).with_level(19)).unwrap(),
        plain.clone().layer(Compress::gzip().over(0)).unwrap(),
        plain.clone().layer(Compress::zstd().over(1 << 20)).unwrap(),
    ];
    for (at, writer) in stores.iter().enumerate() {
        for given in [Value::from(long()), long_record().into(), "".into(), Record::new().into()] {
            put(&**writer, "k", given.clone()).await;
            for reader in &stores[1..] {
                assert_eq!(value(&**reader, "k").await, Some(given.clone()), "written by {at}");
            }
        }
    }
    // Without the layer, the uncompressed entries can be read.
    put(&*stores[1], "k", noise(500)).await;
    assert_eq!(value(&*plain, "k").await, Some(noise(500).into()));
}

#[tokio::test]
async fn a_blob_that_begins_like_an_envelope_comes_back() {
    let (recorder, store) = over_100();
    let envelope = b"\xF5tz\x01\x02any".to_vec();
    let tail = [&envelope[..], &noise(500)].concat();
    let long_tail = [&envelope[..], long().as_bytes()].concat();
    for blob in [b"\xF5tz".to_vec(), b"\xF5tz\x02".to_vec(), envelope, tail, long_tail] {
        put(&*store, "k", blob.clone()).await;
        assert_eq!(value(&*store, "k").await, Some(blob.clone().into()));
        let stored = value(recorder.memory(), "k").await.unwrap().into_blob().unwrap();
        // Stored, or compressed if that is smaller; an envelope in either case.
        assert!(stored.starts_with(b"\xF5tz\x01\x00") || stored.starts_with(b"\xF5tz\x01\x02"));
        assert!(stored.len() <= blob.len() + 5);
    }
    put(&*store, "k", &b"\xF5t"[..]).await;
    assert_eq!(value(recorder.memory(), "k").await, Some(b"\xF5t"[..].into()));
}

#[tokio::test]
async fn the_field_of_the_layer_is_refused() {
    let (recorder, store) = over_100();
    let record = Record::new().with("~z", 1);
    let put = store.put(&key("k"), record.clone().into(), lasting()).await;
    let error = put.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::InvalidField, Some(&key("k"))));
    assert!(error.message().contains(r#""~z" is reserved by the layer Compress"#), "{error}");
    let batch =
        vec![PutItem::new(key("a"), "v", lasting()), PutItem::new(key("b"), record.clone(), lasting())];
    assert_eq!(kinds(&store.put_many(batch).await), [None, Some(ErrorKind::InvalidField)]);
    assert_eq!(recorder.methods(), ["put_many"]);
    for patch in [Patch::new().set("~z", 1), Patch::new().unset("~z")] {
        let patched = store.patch(&key("k"), &patch, PatchOptions::new()).await;
        assert_eq!(kind(patched), ErrorKind::InvalidField);
    }
    assert!(recorder.calls().is_empty());
    let create = PatchOptions::new().with_create(Create::new(Ttl::hours(1)).with_initial(record));
    let patched = store.patch(&key("k"), &Patch::new(), create).await;
    assert_eq!(kind(patched), ErrorKind::InvalidField);
    assert_eq!(value(&*store, "k").await, None);
}

#[tokio::test]
async fn a_damaged_entry_is_corrupt_and_stays_until_it_is_deleted() {
    let (recorder, store) = over_100();
    let damaged = [
        Value::from(&b"\xF5tz\x01\x02damaged"[..]),
        Value::from(&b"\xF5tz\x01\x09unknown"[..]),
        Record::new().with("~z", "not base64!").into(),
        Record::new().with("~z", 7).into(),
        Record::new().with("~z", "9XR6AQBbXQ").into(), // a stored "[]"
        Record::new().with("~z", "9XR6AQB7fQ").with("n", 1).into(), // a stored "{}", and another field
    ];
    for stored in damaged {
        let is_record = stored.kind() == Kind::Record;
        put(recorder.memory(), "k", stored.clone()).await;
        assert_eq!(kind(store.get(&key("k"), GetOptions::new()).await), ErrorKind::Corrupt, "{stored:?}");
        assert_eq!(kind(store.delete(&key("k"), DeleteOptions::take()).await), ErrorKind::Corrupt);
        let patched = store.patch(&key("k"), &Patch::new().set("n", 1), PatchOptions::new()).await;
        assert_eq!(kind(patched), if is_record { ErrorKind::Corrupt } else { ErrorKind::WrongKind });
        let scan = ScanOptions::new("").with_projection(Projection::All);
        let page = store.scan(scan).await.unwrap();
        let error = page.items[0].entry.as_ref().unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(&key("k"))));
        assert_eq!(value(recorder.memory(), "k").await, Some(stored), "it is unchanged");
        let put = store.put(&key("k"), "v".into(), lasting().with_previous()).await.unwrap_err();
        assert_eq!(put.kind(), ErrorKind::OutcomeUnknown);
        assert!(std::error::Error::source(&put).unwrap().to_string().contains("corrupt"), "{put:?}");
        assert!(store.delete(&key("k"), DeleteOptions::new()).await.unwrap().is_applied());
    }
}

#[tokio::test]
async fn a_changed_bit_is_never_another_value() {
    let recorder = Recorder::new();
    for layer in [Compress::zstd().over(0), Compress::gzip().over(0)] {
        let store = recorder.clone().layer(layer).unwrap();
        put(&*store, "k", long()).await;
        let envelope = value(recorder.memory(), "k").await.unwrap().into_blob().unwrap();
        // The first three bytes say that it is an envelope; without them it is a plain blob.
        for bit in 8 * 3..8 * envelope.len() {
            let mut changed = envelope.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            put(recorder.memory(), "k", changed).await;
            match store.get(&key("k"), GetOptions::new()).await {
                // Such as the time in the header of gzip.
                Ok(entry) => assert_eq!(entry.unwrap().value, Some(long().into()), "bit {bit}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit}"),
            }
        }
    }
}

#[tokio::test]
async fn larger_values_than_a_read_expands_are_stored_plain() {
    let (recorder, store) = layered(Compress::zstd().over(0).with_max_expanded_bytes(1_000));
    put(&*store, "at", "x".repeat(1_000)).await;
    put(&*store, "over", "x".repeat(1_001)).await;
    assert!(is_compressed(&value(recorder.memory(), "at").await.unwrap()));
    assert!(!is_compressed(&value(recorder.memory(), "over").await.unwrap()));
    let wider = recorder.clone().layer(Compress::zstd().over(0)).unwrap();
    put(&*wider, "bomb", "x".repeat(1_001)).await;
    let error = store.get(&key("bomb"), GetOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("more than 1000 bytes, the limit `max_expanded_bytes`"), "{error}");
}

#[tokio::test]
async fn the_capabilities_are_honest() {
    let limited = |bytes| {
        let memory = MemoryStore::new(&MemoryConfig::new().with_max_value_bytes(bytes));
        Arc::new(memory).layer(Compress::gzip().over(0)).unwrap()
    };
    let store = limited(1_000);
    let capabilities = store.capabilities();
    assert!(capabilities.patch && capabilities.created_at && capabilities.unique_versions);
    assert_eq!((capabilities.max_value_bytes, capabilities.compresses_values), (995, true));
    // The largest value that has to be escaped.
    let mut blob = noise(995);
    blob[..3].copy_from_slice(b"\xF5tz");
    put(&*store, "k", blob).await;
    let record = |bytes: usize| Record::new().with("t", "x".repeat(bytes - 8));
    put(&*store, "k", record(995)).await;
    for value in [Value::from("x".repeat(996)), record(996).into()] {
        assert_eq!(kind(store.put(&key("k"), value, lasting()).await), ErrorKind::TooLarge);
    }
    let patch = Patch::new().set("u", "");
    assert_eq!(kind(store.patch(&key("k"), &patch, PatchOptions::new()).await), ErrorKind::TooLarge);
    let recorder = Recorder::new();
    let unlimited = recorder.clone().layer(Compress::zstd()).unwrap().capabilities();
    assert_eq!(unlimited, recorder.capabilities().with_compresses_values(true));
}

#[test]
fn two_compressions_are_refused() {
    let store = Recorder::new().layer(Compress::gzip()).unwrap();
    let error = store.layer(Compress::zstd()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("one compression is enough"), "{error}");
}
