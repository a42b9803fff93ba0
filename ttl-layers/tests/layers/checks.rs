//! Checks that every layer passes, and that the broken layers of the zoo fail. Each returns the fault.

use std::sync::Arc;

use ttl_core::options::{
    Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Refresh, Returning,
    ScanOptions,
};
use ttl_core::{Entry, ErrorKind, Expiry, Patch, Record, Result, Ttl, TtlStore, Value};
use ttl_layers::{Layer, LayerExt};

use crate::recorder::{Fault, Recorder, items, key, keys, lasting};

pub(crate) type Check = std::result::Result<(), String>;

#[expect(clippy::needless_pass_by_value, reason = "the callers compare temporary values")]
fn expect<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, expected: T) -> Check {
    if seen == expected { Ok(()) } else { Err(format!("{what}: expected {expected:?}, seen {seen:?}")) }
}

fn layered(layer: &dyn Layer) -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(layer).unwrap();
    (recorder, store)
}

/// Checks that each method is one call of the same method of the inner store, and that the results of that
/// call reach the caller.
pub(crate) async fn one_call_each(layer: &dyn Layer) -> Check {
    let (recorder, store) = layered(layer);
    expect("now", store.now(), recorder.now())?;
    let put = store.put(&key("a"), Record::new().with("n", 1).into(), lasting()).await.unwrap();
    expect("put", put.applied().map(|put| put.created), Some(true))?;
    let create = PatchOptions::new().with_create(Create::new(Ttl::hours(1)));
    let patch = Patch::new().increment("n", 1);
    let patched =
        store.patch(&key("a"), &patch, create).await.unwrap().applied().map(|patched| patched.fields);
    expect("patch", patched, Some(Record::new().with("n", 2)))?;
    let longer = ExpiryChange::Set(Expiry::After(Ttl::hours(2)));
    let expired = store.expire(&key("a"), longer, ExpireOptions::new()).await.unwrap().applied();
    expect("expire", expired.map(|expired| expired.changed), Some(true))?;
    let extended = store.expire(&key("a"), ExpiryChange::Extend(Ttl::hours(1)), ExpireOptions::new()).await;
    expect("extend", extended.unwrap().applied().map(|extended| extended.changed), Some(true))?;
    let got = store.get(&key("a"), GetOptions::new()).await.unwrap().and_then(|entry| entry.value);
    expect("get", got, Some(Record::new().with("n", 2).into()))?;
    let put = store.put_many(items([("b", "1"), ("c", "2")])).await;
    expect("put_many", put.iter().filter(|put| put.as_ref().unwrap().is_applied()).count(), 2)?;
    let got = store.get_many(&keys(["c", "none", "b"]), GetOptions::new()).await;
    let got: Vec<bool> = got.iter().map(|got| got.as_ref().unwrap().is_some()).collect();
    expect("get_many", got, vec![true, false, true])?;
    let page = store.scan(ScanOptions::new("")).await.unwrap();
    expect("scan", page.items.len(), 3)?;
    let taken = store.delete(&key("a"), DeleteOptions::take()).await.unwrap().applied().flatten();
    expect("delete", taken.is_some(), true)?;
    let deleted = store.delete_many(&keys(["b", "none"]), DeleteOptions::new()).await;
    let deleted: Vec<bool> = deleted.iter().map(|deleted| deleted.as_ref().unwrap().is_applied()).collect();
    expect("delete_many", deleted, vec![true, false])?;
    let methods = "put patch expire expire get put_many get_many scan delete delete_many";
    expect("the inner calls", recorder.methods(), methods.split(' ').collect())
}

/// Checks that no write whose outcome is unknown reaches the inner store again.
pub(crate) async fn unknown_writes_are_not_repeated(layer: &dyn Layer) -> Check {
    let unknown = || Some(Fault::AppliedAndFails(ErrorKind::OutcomeUnknown));
    let (recorder, store) = layered(layer);
    recorder.script([unknown()]);
    let put = store.put(&key("a"), "v".into(), lasting()).await;
    expect("put", put.err().map(|error| error.kind()), Some(ErrorKind::OutcomeUnknown))?;
    recorder.script([unknown()]);
    let patch = Patch::new().increment("n", 1);
    let create = PatchOptions::new().with_create(Create::new(Ttl::hours(1)));
    let patched = store.patch(&key("counter"), &patch, create).await;
    expect("patch", patched.err().map(|error| error.kind()), Some(ErrorKind::OutcomeUnknown))?;
    recorder.script([unknown()]);
    let change = ExpiryChange::Extend(Ttl::hours(1));
    let extended = store.expire(&key("a"), change, ExpireOptions::new()).await;
    expect("expire", extended.err().map(|error| error.kind()), Some(ErrorKind::OutcomeUnknown))?;
    recorder.script([unknown()]);
    let deleted = store.delete(&key("a"), DeleteOptions::take()).await;
    expect("delete", deleted.err().map(|error| error.kind()), Some(ErrorKind::OutcomeUnknown))?;
    recorder.script([unknown()]);
    store.put_many(items([("b", "1")])).await;
    recorder.script([unknown()]);
    store.delete_many(&keys(["b"]), DeleteOptions::new()).await;
    expect(
        "the inner calls",
        recorder.methods(),
        vec!["put", "patch", "expire", "delete", "put_many", "delete_many"],
    )
}

/// Checks that a scan lists the keys that the caller used, and finds them by the caller's prefix.
pub(crate) async fn scans_list_the_callers_keys(layer: &dyn Layer) -> Check {
    let (_, store) = layered(layer);
    store.put_many(items([("user:1", "a"), ("user:2", "b"), ("other", "c")])).await;
    let page = store.scan(ScanOptions::new("user:")).await.unwrap();
    let mut listed: Vec<String> = page.items.iter().map(|item| item.key.to_string()).collect();
    listed.sort();
    expect("the listed keys", listed, ["user:1", "user:2"].map(str::to_owned).into())
}

/// Checks that a layer that reads before some writes sends no write again whose outcome is unknown.
pub(crate) async fn unknown_writes_after_reads_are_not_repeated(layer: &dyn Layer) -> Check {
    let unknown = || Some(Fault::AppliedAndFails(ErrorKind::OutcomeUnknown));
    let (recorder, store) = layered(layer);
    let put = store.put(&key("a"), Record::new().with("n", 1).into(), lasting()).await.unwrap();
    expect("put", put.is_applied(), true)?;
    recorder.script([None, unknown()]);
    let patched = store.patch(&key("a"), &Patch::new().increment("n", 1), PatchOptions::new()).await;
    expect("patch", patched.err().map(|error| error.kind()), Some(ErrorKind::OutcomeUnknown))?;
    recorder.script([None, unknown()]);
    let taken = store.delete(&key("a"), DeleteOptions::take()).await;
    expect("take", taken.err().map(|error| error.kind()), Some(ErrorKind::OutcomeUnknown))?;
    expect("the inner calls", recorder.methods(), vec!["put", "get", "patch", "get", "delete"])
}

/// Returns the blob under a key of the inner store.
async fn stored(recorder: &Recorder, name: &str) -> Vec<u8> {
    let entry = recorder.memory().get(&key(name), GetOptions::new()).await.unwrap().unwrap();
    entry.value.unwrap().into_blob().unwrap().to_vec()
}

async fn store_raw(recorder: &Recorder, name: &str, value: impl Into<Value>) {
    let put = recorder.memory().put(&key(name), value.into(), lasting()).await;
    assert!(put.unwrap().is_applied());
}

fn error_of(read: Result<Option<Entry>>) -> Option<ErrorKind> {
    read.err().map(|error| error.kind())
}

/// Checks that a layer that encrypts does not accept the ciphertext of another entry.
pub(crate) async fn swapped_ciphertexts_are_corrupt(layer: &dyn Layer) -> Check {
    let (recorder, store) = layered(layer);
    store.put_many(items([("a", "of a"), ("b", "of b")])).await;
    let (of_a, of_b) = (stored(&recorder, "a").await, stored(&recorder, "b").await);
    store_raw(&recorder, "a", of_b).await;
    store_raw(&recorder, "b", of_a).await;
    for name in ["a", "b"] {
        let read = store.get(&key(name), GetOptions::new()).await;
        expect("a swapped entry", error_of(read), Some(ErrorKind::Corrupt))?;
    }
    Ok(())
}

/// Checks that a layer that encrypts does not accept plaintext.
pub(crate) async fn plaintext_is_corrupt(layer: &dyn Layer) -> Check {
    let (recorder, store) = layered(layer);
    store_raw(&recorder, "blob", "forged").await;
    store_raw(&recorder, "record", Record::new().with("role", "admin")).await;
    for name in ["blob", "record"] {
        let read = store.get(&key(name), GetOptions::new()).await;
        expect(name, error_of(read), Some(ErrorKind::Corrupt))?;
    }
    Ok(())
}

/// Checks that a read that cannot decode the entry does not refresh it (R1).
pub(crate) async fn what_cannot_be_decoded_is_not_refreshed(layer: &dyn Layer) -> Check {
    let (recorder, store) = layered(layer);
    let long = "a long text, ".repeat(10);
    let put = store.put(&key("a"), long.into(), lasting()).await.unwrap();
    expect("put", put.is_applied(), true)?;
    let mut damaged = stored(&recorder, "a").await;
    if let Some(last) = damaged.last_mut() {
        *last ^= 1;
    }
    store_raw(&recorder, "a", damaged).await;
    let refresh = GetOptions::new().with_refresh(Refresh::reset(Ttl::hours(9)));
    let read = store.get(&key("a"), refresh.clone()).await;
    expect("get", error_of(read), Some(ErrorKind::Corrupt))?;
    let read = store.get_many(&keys(["a"]), refresh).await.remove(0);
    expect("get_many", error_of(read), Some(ErrorKind::Corrupt))?;
    let deadline = GetOptions::nothing().with_returning(Returning::DEADLINE);
    let entry = recorder.memory().get(&key("a"), deadline).await.unwrap().unwrap();
    let left = entry.deadline.unwrap().remaining(recorder.now());
    expect("the time left", left, Some(Ttl::hours(1).as_duration()))
}
