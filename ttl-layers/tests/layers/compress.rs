//! `Compress`: values above the threshold are stored compressed, and every store reads every other one.

use std::sync::Arc;

use ttl_core::options::{
    Create, DeleteOptions, ExpireOptions, ExpiryChange, Fields, GetOptions, PatchOptions, Projection,
    PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{
    Effect, Entry, ErrorKind, Expiry, Kind, Lifespan, Outcome, Patch, Record, Ttl, TtlStore, Value,
};
use ttl_layers::{Compress, LayerExt};
use ttl_memory::{MemoryConfig, MemoryStore};

use crate::recorder::{Fault, Recorder, key, keys, kind, kinds, lasting};

fn layered(layer: Compress) -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(layer).unwrap();
    (recorder, store)
}

fn over_100() -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    layered(Compress::zstd().over(100))
}

/// Returns text that becomes smaller.
fn long() -> String {
    "a long text, ".repeat(40)
}

fn long_record() -> Record {
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

async fn put(store: &dyn TtlStore, name: &str, value: impl Into<Value>) {
    assert!(store.put(&key(name), value.into(), lasting()).await.unwrap().is_applied());
}

async fn value(store: &dyn TtlStore, name: &str) -> Option<Value> {
    store.get(&key(name), GetOptions::new()).await.unwrap()?.value
}

fn is_compressed(stored: &Value) -> bool {
    match stored {
        Value::Blob(bytes) => bytes.starts_with(b"\xF5tz\x01"),
        Value::Record(record) => record.contains("~z") && record.len() == 1,
    }
}

fn fields(names: &[&str]) -> Projection {
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
async fn a_read_is_one_request_and_the_kind_is_checked_by_the_inner_store() {
    let (recorder, store) = over_100();
    put(&*store, "r", long_record()).await;
    put(&*store, "small", Record::new().with("n", 2)).await;
    put(&*store, "b", long()).await;
    recorder.calls();
    let read = async |name: &str, projection| {
        let options = GetOptions::new().with_projection(projection);
        store.get(&key(name), options).await.map(|entry| entry.and_then(|entry| entry.value))
    };
    let n = |n: i32| Some(Value::from(Record::new().with("n", n)));
    assert_eq!(read("r", fields(&["n", "missing"])).await.unwrap(), n(1));
    assert_eq!(read("small", fields(&["n"])).await.unwrap(), n(2));
    assert_eq!(read("r", fields(&["~z"])).await.unwrap(), Some(Record::new().into()));
    assert_eq!(read("r", Projection::Nothing).await.unwrap(), None);
    assert_eq!(read("b", fields(&["n"])).await.unwrap_err().kind(), ErrorKind::WrongKind);
    let blob = GetOptions::new().with_kind(Kind::Blob);
    assert_eq!(kind(store.get(&key("r"), blob).await), ErrorKind::WrongKind);
    assert_eq!(recorder.methods(), ["get"; 6]);
    let many = store.get_many(&keys(["r", "b", "none"]), GetOptions::new()).await;
    let many: Vec<_> = many.into_iter().map(|entry| entry.unwrap().and_then(|entry| entry.value)).collect();
    assert_eq!(many, [Some(long_record().into()), Some(long().into()), None]);
    assert_eq!(recorder.methods(), ["get_many"]);
}

#[tokio::test]
async fn more_fields_than_one_call_can_name_are_read_from_the_whole_record() {
    let (recorder, store) = over_100();
    put(&*store, "k", long_record()).await;
    let names: Vec<String> = (0..999).map(|n| format!("f{n}")).chain(["n".to_owned()]).collect();
    let projection = Projection::Fields(Fields::new(names).unwrap());
    recorder.calls();
    let entry = store.get(&key("k"), GetOptions::new().with_projection(projection)).await.unwrap();
    assert_eq!(entry.unwrap().value, Some(Record::new().with("n", 1).into()));
    assert_eq!(recorder.methods(), ["get"]);
}

#[tokio::test]
async fn a_refresh_that_is_due_is_a_second_request() {
    let (recorder, store) = over_100();
    put(&*store, "k", long()).await;
    recorder.calls();
    let refresh = |hours| GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(hours)));
    let entry = store.get(&key("k"), refresh(2)).await.unwrap().unwrap();
    assert_eq!((entry.value, entry.deadline, entry.version), (Some(long().into()), None, None));
    assert_eq!(recorder.methods(), ["get", "expire"]);
    let _ = store.get(&key("k"), refresh(1)).await.unwrap();
    assert_eq!(recorder.methods(), ["get"], "not due");
    let slack = Refresh::extend_only(Ttl::hours(3)).with_slack(Ttl::minutes(1));
    let entry = store.get(&key("k"), GetOptions::new().with_refresh(slack)).await.unwrap().unwrap();
    assert!(entry.refresh_error.is_none());
    assert_eq!(recorder.methods(), ["get", "get"], "the second one is a read of nothing");
    let nothing = GetOptions::nothing().with_refresh(Refresh::reset(Ttl::hours(4)));
    let _ = store.get(&key("k"), nothing).await.unwrap();
    assert_eq!(recorder.methods(), ["get"]);
    put(&*store, "other", long()).await;
    recorder.calls();
    let many = store.get_many(&keys(["k", "none", "other"]), refresh(5)).await;
    assert_eq!(many.iter().filter(|entry| entry.as_ref().unwrap().is_some()).count(), 2);
    assert_eq!(recorder.methods(), ["get_many", "expire", "expire"]);
}

#[tokio::test]
async fn a_failed_refresh_does_not_fail_the_read() {
    let (recorder, store) = over_100();
    put(&*store, "k", long()).await;
    let plain = Refresh::reset(Ttl::hours(2));
    for refresh in [plain, plain.with_slack(Ttl::seconds(1))] {
        recorder.script([None, Some(Fault::Fails(ErrorKind::Unavailable))]);
        let options = GetOptions::new().with_refresh(refresh);
        let entry = store.get(&key("k"), options.clone()).await.unwrap().unwrap();
        assert_eq!(entry.value, Some(long().into()));
        let error = entry.refresh_error.unwrap();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Unavailable, Some(&key("k"))));
        recorder.script([None, Some(Fault::Fails(ErrorKind::Unavailable))]);
        let entry = store.get_many(&keys(["k"]), options).await.remove(0).unwrap().unwrap();
        assert_eq!(entry.refresh_error.unwrap().kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn a_slack_near_the_cap_is_exact() {
    let (recorder, store) = over_100();
    let lifespan = Lifespan::from(Ttl::seconds(10)).with_max_lifetime(Ttl::seconds(12));
    let _ = store.put(&key("k"), "v".into(), PutOptions::new(lifespan)).await.unwrap();
    // The cap leaves a move of 2 s.
    for (slack, expected) in [(3, 10), (2, 12)] {
        let refresh = Refresh::extend_only(Ttl::hours(1)).with_slack(Ttl::seconds(slack));
        let options = GetOptions::new().with_refresh(refresh).with_returning(Returning::DEADLINE);
        let entry = store.get(&key("k"), options).await.unwrap().unwrap();
        let left = entry.deadline.unwrap().remaining(recorder.now()).unwrap();
        assert_eq!(left.as_secs(), expected, "slack of {slack} s");
    }
}

#[tokio::test]
async fn a_patch_reads_and_patches_the_stored_form() {
    let (recorder, store) = over_100();
    let increment = Patch::new().increment("n", 1);
    let all = Returning::DEADLINE | Returning::VERSION | Returning::CREATED_AT;
    let lifespan = Lifespan::from(Ttl::hours(1)).with_max_lifetime(Ttl::hours(2));
    let options = PutOptions::new(lifespan).with_returning(all);
    let created = store.put(&key("k"), long_record().into(), options).await.unwrap().applied().unwrap();
    recorder.advance(60);
    recorder.calls();
    // Compressed, and compressed again.
    let options = PatchOptions::new().with_returning(all);
    let done = store.patch(&key("k"), &increment, options).await.unwrap().applied().unwrap();
    assert_eq!(recorder.methods(), ["get", "patch"]);
    assert_eq!((done.fields, done.effects), (Record::new().with("n", 2), vec![Effect::Done]));
    assert!(!done.created && done.version != created.version);
    assert_eq!((done.deadline, done.created_at), (created.deadline, created.created_at));
    assert_eq!(value(&*store, "k").await, Some(long_record().with("n", 2).into()));
    assert!(is_compressed(&value(recorder.memory(), "k").await.unwrap()));
    // From compressed to plain.
    let short = Patch::new().set("text", "short").increment("n", 1);
    let done = store.patch(&key("k"), &short, options_of(all)).await.unwrap().applied().unwrap();
    let record = Record::new().with("text", "short").with("n", 3);
    assert_eq!((done.fields, done.deadline), (record.clone(), created.deadline));
    assert_eq!(value(recorder.memory(), "k").await, Some(record.clone().into()));
    // Plain, and still plain: the patch itself is sent.
    let refresh = options_of(all).with_refresh(Refresh::reset(Ttl::hours(9)));
    let done = store.patch(&key("k"), &increment, refresh).await.unwrap().applied().unwrap();
    assert_eq!(done.fields, Record::new().with("n", 4));
    assert_eq!(done.created_at, created.created_at);
    let left = done.deadline.unwrap().remaining(recorder.now()).unwrap();
    assert_eq!(left.as_secs(), 7_200 - 60, "the cap stays");
    // From plain to compressed.
    let longer = Patch::new().set("text", long());
    let done = store.patch(&key("k"), &longer, options_of(all)).await.unwrap().applied().unwrap();
    assert_eq!((done.fields.len(), done.created_at), (1, created.created_at));
    assert_eq!(value(&*store, "k").await, Some(long_record().with("n", 4).into()));
    assert!(is_compressed(&value(recorder.memory(), "k").await.unwrap()));
}

fn options_of(returning: Returning) -> PatchOptions {
    PatchOptions::new().with_returning(returning)
}

#[tokio::test]
async fn a_patch_creates_refuses_and_fails_as_ever() {
    let (recorder, store) = over_100();
    let create = || PatchOptions::new().with_create(Create::new(Ttl::hours(1)).with_initial(long_record()));
    let within = Patch::new().increment_within("n", 1, ..=2);
    assert!(store.patch(&key("k"), &within, PatchOptions::new()).await.unwrap().is_absent());
    assert_eq!(recorder.methods(), ["get"]);
    let refused = Patch::new().increment_within("n", 9, ..=2);
    assert_eq!(store.patch(&key("k"), &refused, create()).await.unwrap(), Outcome::Refused(None));
    let done = store.patch(&key("k"), &within, create()).await.unwrap().applied().unwrap();
    assert!(done.created);
    assert!(is_compressed(&value(recorder.memory(), "k").await.unwrap()));
    let outcome = store.patch(&key("k"), &within, options_of(Returning::DEADLINE)).await.unwrap();
    let there = outcome.refused().unwrap();
    assert_eq!((there.fields, there.version), (Record::new().with("n", 2), None));
    assert!(there.deadline.is_some() && there.effects.is_empty());
    let append = Patch::new().append("text", 1);
    assert_eq!(kind(store.patch(&key("k"), &append, PatchOptions::new()).await), ErrorKind::WrongFieldType);
    put(&*store, "b", long()).await;
    assert_eq!(kind(store.patch(&key("b"), &within, PatchOptions::new()).await), ErrorKind::WrongKind);
    let stale = PatchOptions::new().with_if_version(ttl_core::Version::from_u128(1));
    assert_eq!(store.patch(&key("b"), &within, stale).await.unwrap(), Outcome::Refused(None));
}

#[tokio::test]
async fn wide_records_keep_a_form_that_one_patch_can_write() {
    // A patch has 1000 operations: too few to unset so many fields, or to set them.
    let wide = (0..1_200).fold(Record::new(), |all, n| all.with(format!("f{n}"), n));
    for (writer, patcher) in [
        (Compress::zstd().over(1 << 20), Compress::zstd().over(0)),
        (Compress::zstd().over(0), Compress::zstd().over(1 << 20)),
    ] {
        let (recorder, writing) = layered(writer);
        let patching = recorder.clone().layer(patcher).unwrap();
        put(&*writing, "k", wide.clone()).await;
        let patch = Patch::new().increment("f7", 1);
        let done = patching.patch(&key("k"), &patch, PatchOptions::new()).await.unwrap().applied().unwrap();
        assert_eq!(done.fields, Record::new().with("f7", 8));
        assert_eq!(value(&*patching, "k").await, Some(wide.clone().with("f7", 8).into()));
    }
}

#[tokio::test]
async fn a_patch_is_repeated_after_a_conflict() {
    let (recorder, store) = over_100();
    put(&*store, "k", long_record()).await;
    let gate = Arc::new(tokio::sync::Notify::new());
    recorder.script([None, Some(Fault::Waits(Arc::clone(&gate)))]);
    let patching = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let patch = Patch::new().increment("n", 1);
            store.patch(&key("k"), &patch, PatchOptions::new()).await
        })
    };
    while recorder.calls().iter().all(|(method, _)| *method != "patch") {
        tokio::task::yield_now().await;
    }
    let other = recorder.memory().clone();
    let writer: Arc<dyn TtlStore> = Arc::new(other).layer(Compress::gzip().over(0)).unwrap();
    put(&*writer, "k", long_record().with("n", 10)).await;
    gate.notify_one();
    let done = patching.await.unwrap().unwrap().applied().unwrap();
    assert_eq!(done.fields, Record::new().with("n", 11));
    assert_eq!(recorder.methods(), ["get", "patch"]);
}

#[tokio::test]
async fn a_take_returns_the_value_of_the_version_that_it_deletes() {
    let (recorder, store) = over_100();
    put(&*store, "k", long_record()).await;
    recorder.calls();
    let n = DeleteOptions::new().with_projection(fields(&["n"]));
    let taken = store.delete(&key("k"), n).await.unwrap().applied().flatten().unwrap();
    assert_eq!(taken.value, Some(Record::new().with("n", 1).into()));
    assert_eq!(recorder.methods(), ["get", "delete"]);
    assert!(store.delete(&key("k"), DeleteOptions::take()).await.unwrap().is_absent());
    put(&*store, "k", long()).await;
    recorder.calls();
    let wrong = DeleteOptions::take().with_kind(Kind::Record);
    assert_eq!(kind(store.delete(&key("k"), wrong.clone()).await), ErrorKind::WrongKind);
    let stale = wrong.with_if_version(ttl_core::Version::from_u128(1));
    assert_eq!(store.delete(&key("k"), stale).await.unwrap().applied().flatten().map(|_: Entry| ()), None);
    assert_eq!(recorder.methods(), ["get", "get"]);
    let taken = store.delete_many(&keys(["k", "none", "k"]), DeleteOptions::take()).await;
    let taken: Vec<_> = taken.into_iter().map(|one| one.unwrap().applied().flatten()).collect();
    assert_eq!(taken[0].as_ref().and_then(|entry| entry.value.clone()), Some(long().into()));
    assert!(taken[1].is_none() && taken[2].is_none());
    let methods = recorder.methods();
    assert_eq!(methods[0], "get_many");
    assert!(methods[1..].iter().all(|method| *method == "delete"), "{methods:?}");
}

#[tokio::test]
async fn a_put_returns_the_decoded_previous_value() {
    let (recorder, store) = over_100();
    put(&*store, "k", long_record()).await;
    recorder.calls();
    let options = lasting().with_previous();
    let done = store.put(&key("k"), long().into(), options.clone()).await.unwrap().applied().unwrap();
    assert_eq!(done.previous, Some(long_record().into()));
    let create = options.with_condition(ttl_core::options::Condition::IfAbsent);
    let found = store.put(&key("k"), "v".into(), create.clone()).await.unwrap().refused().unwrap();
    assert_eq!(found.previous, Some(long().into()));
    assert_eq!(recorder.methods(), ["put", "put"]);
    let done = store.put_many(vec![PutItem::new(key("k"), "v", create)]).await.remove(0).unwrap();
    assert_eq!(done.refused().unwrap().previous, Some(long().into()));
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

#[tokio::test]
async fn a_scan_decodes_its_items() {
    let (recorder, store) = over_100();
    put(&*store, "a", long_record()).await;
    put(&*store, "b", long()).await;
    recorder.calls();
    for (projection, expected) in [
        (Projection::All, [Some(long_record().into()), Some(Value::from(long()))]),
        (fields(&["n"]), [Some(Record::new().with("n", 1).into()), None]),
        (Projection::Nothing, [None, None]),
    ] {
        let page = store.scan(ScanOptions::new("").with_projection(projection)).await.unwrap();
        let mut items: Vec<_> =
            page.items.into_iter().map(|item| (item.key, item.entry.unwrap().value)).collect();
        items.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(items, [key("a"), key("b")].into_iter().zip(expected).collect::<Vec<_>>());
    }
    assert_eq!(recorder.methods(), ["scan"; 3]);
}

#[tokio::test]
async fn an_expire_is_forwarded() {
    let (recorder, store) = over_100();
    put(&*store, "k", long()).await;
    recorder.calls();
    let change = ExpiryChange::Set(Expiry::After(Ttl::hours(9)));
    assert!(store.expire(&key("k"), change, ExpireOptions::new()).await.unwrap().is_applied());
    assert_eq!(recorder.methods(), ["expire"]);
}

#[test]
fn two_compressions_are_refused() {
    let store = Recorder::new().layer(Compress::gzip()).unwrap();
    let error = store.layer(Compress::zstd()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("one compression is enough"), "{error}");
}
