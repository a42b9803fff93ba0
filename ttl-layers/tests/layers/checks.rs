//! Checks that every layer passes, and that the broken layers of the zoo fail. Each returns the fault.

use std::sync::Arc;

use ttl_core::options::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Refresh,
    Returning, ScanOptions,
};
use ttl_core::{Entry, ErrorKind, Expiry, Outcome, Patch, Record, Result, Ttl, TtlStore, Value};
use ttl_layers::{Layer, LayerExt};

use crate::recorder::{Fault, Recorder, items, key, keys, kinds, lasting};

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

/// Returns the result, or the fault of a call that must succeed.
fn ok<T>(what: &str, result: Result<T, ttl_core::Error>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error}"))
}

/// Checks that each method is one call of the same method of the inner store, and that the results of that
/// call reach the caller. Calls that need a denied capability are left out.
pub(crate) async fn one_call_each(layer: &dyn Layer) -> Check {
    let (recorder, store) = layered(layer);
    let capabilities = store.capabilities();
    expect("now", store.now(), recorder.now())?;
    let put = ok("put", store.put(&key("a"), Record::new().with("n", 1).into(), lasting()).await)?;
    expect("put", put.applied().map(|put| put.created), Some(true))?;
    let mut expected = vec!["put"];
    let mut record = Record::new().with("n", 1);
    if capabilities.patch {
        let create = PatchOptions::new().with_create(Create::new(Ttl::hours(1)));
        let patched = ok("patch", store.patch(&key("a"), &Patch::new().increment("n", 1), create).await)?;
        record = Record::new().with("n", 2);
        expect("patch", patched.applied().map(|patched| patched.fields), Some(record.clone()))?;
        expected.push("patch");
    }
    let longer = ExpiryChange::Set(Expiry::After(Ttl::hours(2)));
    let expired = ok("expire", store.expire(&key("a"), longer, ExpireOptions::new()).await)?;
    expect("expire", expired.applied().map(|expired| expired.changed), Some(true))?;
    let extend = ExpiryChange::Extend(Ttl::hours(1));
    let extended = ok("extend", store.expire(&key("a"), extend, ExpireOptions::new()).await)?;
    expect("extend", extended.applied().map(|extended| extended.changed), Some(true))?;
    let got = ok("get", store.get(&key("a"), GetOptions::new()).await)?;
    expect("get", got.and_then(|entry| entry.value), Some(record.into()))?;
    let put = store.put_many(items([("b", "1"), ("c", "2")])).await;
    expect("put_many", put.iter().filter(|put| put.as_ref().is_ok_and(Outcome::is_applied)).count(), 2)?;
    let got = store.get_many(&keys(["c", "none", "b"]), GetOptions::new()).await;
    let got: Vec<bool> = got.iter().map(|got| got.as_ref().is_ok_and(Option::is_some)).collect();
    expect("get_many", got, vec![true, false, true])?;
    let page = ok("scan", store.scan(ScanOptions::new("")).await)?;
    expect("scan", page.items.len(), 3)?;
    let (options, taken) = match capabilities.conditions {
        true => (DeleteOptions::take(), true),
        false => (DeleteOptions::new(), false),
    };
    let deleted = ok("delete", store.delete(&key("a"), options).await)?;
    expect("delete", deleted.applied().map(|entry| entry.is_some()), Some(taken))?;
    let deleted = store.delete_many(&keys(["b", "none"]), DeleteOptions::new()).await;
    let deleted: Vec<bool> =
        deleted.iter().map(|deleted| deleted.as_ref().is_ok_and(Outcome::is_applied)).collect();
    expect("delete_many", deleted, vec![true, false])?;
    let methods = "expire expire get put_many get_many scan delete delete_many";
    expected.extend(methods.split(' '));
    if capabilities.changes {
        ok("changes", store.changes().await.map(|_| ()))?;
        expected.push("changes");
    }
    expect("the inner calls", recorder.methods(), expected)
}

/// Checks that an error other than an outage reaches the caller, from every method.
pub(crate) async fn other_errors_reach_the_caller(layer: &dyn Layer) -> Check {
    let (recorder, store) = layered(layer);
    for fault in [
        ErrorKind::TooLarge,
        ErrorKind::InvalidExpiry,
        ErrorKind::InvalidCursor,
        ErrorKind::WrongKind,
        ErrorKind::Corrupt,
        ErrorKind::Unsupported,
        ErrorKind::PermissionDenied,
        ErrorKind::Backend,
    ] {
        let fails = |what: &str, seen: Option<ErrorKind>| expect(what, seen, Some(fault));
        recorder.fail(8, fault);
        let a = key("a");
        fails("get", store.get(&a, GetOptions::new()).await.err().map(|error| error.kind()))?;
        fails("put", store.put(&a, "v".into(), lasting()).await.err().map(|error| error.kind()))?;
        let change = ExpiryChange::Set(Expiry::Never);
        let expired = store.expire(&a, change, ExpireOptions::new()).await;
        fails("expire", expired.err().map(|error| error.kind()))?;
        fails("delete", store.delete(&a, DeleteOptions::new()).await.err().map(|error| error.kind()))?;
        fails("scan", store.scan(ScanOptions::new("")).await.err().map(|error| error.kind()))?;
        fails("get_many", kinds(&store.get_many(&keys(["a"]), GetOptions::new()).await)[0])?;
        fails("put_many", kinds(&store.put_many(items([("a", "1")])).await)[0])?;
        fails("delete_many", kinds(&store.delete_many(&keys(["a"]), DeleteOptions::new()).await)[0])?;
    }
    Ok(())
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

/// Makes the write with this name, which the store answers.
async fn write(store: &dyn TtlStore, name: &str) -> Result<(), ttl_core::Error> {
    let a = key("a");
    let end = ExpiryChange::Set(Expiry::At(store.now()));
    let later = ExpiryChange::Set(Expiry::After(Ttl::hours(2)));
    match name {
        "put" => drop(store.put(&a, "new".into(), lasting()).await?),
        "replace" => drop(store.put(&a, "new".into(), lasting().with_condition(Condition::IfPresent)).await?),
        "end" => drop(store.expire(&a, end, ExpireOptions::new()).await?),
        "touch" => drop(store.expire(&a, later, ExpireOptions::new()).await?),
        "patch" => drop(store.patch(&a, &Patch::new(), PatchOptions::new()).await?),
        "delete" => drop(store.delete(&a, DeleteOptions::new()).await?),
        "take" => drop(store.delete(&a, DeleteOptions::take()).await?),
        "put_many" => drop(store.put_many(items([("a", "new")])).await.remove(0)?),
        "delete_many" => drop(store.delete_many(&keys(["a"]), DeleteOptions::new()).await.remove(0)?),
        other => panic!("no write is called {other}"),
    }
    Ok(())
}

/// Checks that an entry that was written in an outage is not visible in the next one, after a write of its key
/// that the primary store answered. `layer` gets the secondary store.
pub(crate) async fn entries_of_an_outage_do_not_return(
    layer: impl Fn(Arc<dyn TtlStore>) -> Box<dyn Layer>,
) -> Check {
    for name in ["put", "replace", "end", "touch", "patch", "delete", "take", "put_many", "delete_many"] {
        let (primary, secondary) = (Recorder::new(), Recorder::new());
        let store = primary.clone().layer(layer(secondary)).unwrap();
        primary.fail(1, ErrorKind::Unavailable);
        let put = ok("put in an outage", store.put(&key("a"), "outage".into(), lasting()).await)?;
        expect("put in an outage", put.is_applied(), true)?;
        primary.fail(1, ErrorKind::Unavailable);
        let got = ok("get in an outage", store.get(&key("a"), GetOptions::new()).await)?;
        expect("get in an outage", got.is_some(), true)?;
        ok(name, write(&*store, name).await)?;
        primary.fail(1, ErrorKind::Unavailable);
        let got = store.get(&key("a"), GetOptions::new()).await;
        expect(&format!("get after {name}"), got.is_ok_and(|entry| entry.is_some()), false)?;
    }
    Ok(())
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
