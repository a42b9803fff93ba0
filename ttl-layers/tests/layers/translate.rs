//! What `Compress` and `Encrypt` have in common, on a store that compresses: requests, refreshes, patches, takes.

use std::sync::Arc;

use tokio::sync::Notify;
use ttl_core::options::{
    Create, DeleteOptions, ExpireOptions, ExpiryChange, Fields, GetOptions, PatchOptions, Projection,
    PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{
    Effect, Entry, ErrorKind, Expiry, Kind, Lifespan, Outcome, Patch, Record, Ttl, TtlStore, Value,
};
use ttl_layers::{Compress, LayerExt};

use crate::compress::{fields, is_compressed, layered, long, long_record, over_100, put, value};
use crate::recorder::{Fault, Recorder, key, keys, kind, lasting};

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

/// Waits until a call of this method has reached the recorder.
async fn reached(recorder: &Recorder, method: &str) {
    while recorder.calls().iter().all(|(called, _)| *called != method) {
        tokio::task::yield_now().await;
    }
}

/// Returns a store of another program on the same entries.
fn other_program(recorder: &Recorder) -> Arc<dyn TtlStore> {
    Arc::new(recorder.memory().clone()).layer(Compress::gzip().over(0)).unwrap()
}

#[tokio::test]
async fn a_take_that_meets_a_newer_value_reads_it_first() {
    let (recorder, store) = over_100();
    put(&*store, "k", "old").await;
    let gate = Arc::new(Notify::new());
    recorder.script([None, Some(Fault::Waits(Arc::clone(&gate)))]);
    let taking = tokio::spawn(async move { store.delete(&key("k"), DeleteOptions::take()).await });
    reached(&recorder, "delete").await;
    put(&*other_program(&recorder), "k", long()).await;
    gate.notify_one();
    let taken = taking.await.unwrap().unwrap().applied().flatten().unwrap();
    assert_eq!(taken.value, Some(long().into()));
    assert_eq!(recorder.methods(), ["get", "delete"]);
    assert_eq!(value(recorder.memory(), "k").await, None);
}

#[tokio::test]
async fn a_refresh_that_meets_a_newer_value_reads_it_first() {
    let plain = Refresh::extend_only(Ttl::hours(2));
    for (refresh, second) in [(plain, "expire"), (plain.with_slack(Ttl::seconds(1)), "get")] {
        for many in [false, true] {
            let (recorder, store) = over_100();
            put(&*store, "k", "old").await;
            recorder.calls();
            let gate = Arc::new(Notify::new());
            recorder.script([None, Some(Fault::Waits(Arc::clone(&gate)))]);
            let reading = tokio::spawn(async move {
                let options = GetOptions::new().with_refresh(refresh).with_returning(Returning::DEADLINE);
                if many {
                    store.get_many(&keys(["k"]), options).await.remove(0)
                } else {
                    store.get(&key("k"), options).await
                }
            });
            // The first call is the read.
            let mut calls = 0;
            while calls < 2 {
                calls += recorder.calls().len();
                tokio::task::yield_now().await;
            }
            put(&*other_program(&recorder), "k", long()).await;
            gate.notify_one();
            let entry = reading.await.unwrap().unwrap().unwrap();
            assert_eq!(entry.value, Some(long().into()), "{second}");
            let left = entry.deadline.unwrap().remaining(recorder.now());
            assert_eq!(left, Some(Ttl::hours(2).as_duration()), "{second}");
        }
    }
}
