//! Checks that every layer passes, and that the broken layers of the zoo fail. Each returns the fault.

use std::sync::Arc;

use ttl_core::options::{
    Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, ScanOptions,
};
use ttl_core::{ErrorKind, Expiry, Patch, Record, Ttl, TtlStore};
use ttl_layers::{Layer, LayerExt};

use crate::recorder::{Fault, Recorder, items, key, keys, lasting};

pub(crate) type Check = Result<(), String>;

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
