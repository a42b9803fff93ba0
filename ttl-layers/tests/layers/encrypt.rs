//! `Encrypt`: the backend sees neither values nor, if hashed, keys; and every change of an entry is found.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ttl_core::options::{
    Create, DeleteOptions, Fields, GetOptions, PatchOptions, Projection, PutItem, Refresh, Returning,
    ScanOptions,
};
use ttl_core::{Effect, ErrorKind, Key, Kind, Outcome, Patch, Record, Ttl, TtlStore, Value};
use ttl_layers::{Compress, Encrypt, Keyring, Layer, LayerExt, Prefix};
use ttl_memory::{MemoryConfig, MemoryStore};

use crate::recorder::{Fault, Recorder, key, keys, kind, kinds, lasting};

const SECRET: [u8; 32] = [1; 32];
const OLD_SECRET: [u8; 32] = [2; 32];

fn keyring() -> Keyring {
    Keyring::new("new", SECRET)
}

fn encrypt() -> Encrypt {
    Encrypt::new("sessions", keyring())
}

fn layered(layer: &Encrypt) -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(layer).unwrap();
    (recorder, store)
}

fn secret_record() -> Record {
    Record::new().with("password", "s3cret").with("n", 1)
}

async fn put(store: &dyn TtlStore, name: &str, value: impl Into<Value>) {
    assert!(store.put(&key(name), value.into(), lasting()).await.unwrap().is_applied());
}

async fn value(store: &dyn TtlStore, name: &str) -> Option<Value> {
    store.get(&key(name), GetOptions::new()).await.unwrap()?.value
}

/// Reads an entry that must be corrupt, and returns the text of the error.
#[track_caller]
fn corrupt(store: &dyn TtlStore, name: &str) -> impl Future<Output = String> {
    let key = key(name);
    async move {
        let error = store.get(&key, GetOptions::new()).await.unwrap_err();
        assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(&key)));
        error.message().to_owned()
    }
}

fn field(name: &str) -> Projection {
    Projection::Fields(Fields::new([name]).unwrap())
}

#[tokio::test]
async fn the_inner_store_holds_no_plaintext() {
    let (recorder, store) = layered(&encrypt());
    put(&*store, "b", "s3cret").await;
    put(&*store, "r", secret_record()).await;
    put(&*store, "empty", "").await;
    put(&*store, "empty record", Record::new()).await;
    let blob = value(recorder.memory(), "b").await.unwrap().into_blob().unwrap();
    assert!(blob.starts_with(b"\xF5te\x01\x01\x03new"), "{blob:?}");
    assert_eq!(blob.len(), 9 + 24 + 6 + 16);
    assert!(!blob.windows(6).any(|bytes| bytes == b"s3cret"));
    let record = value(recorder.memory(), "r").await.unwrap().into_record().unwrap();
    assert_eq!(record.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["~e"]);
    assert!(!record.to_json_text().contains("s3cret") && !record.to_json_text().contains("password"));
    for (name, expected) in [
        ("b", Value::from("s3cret")),
        ("r", secret_record().into()),
        ("empty", "".into()),
        ("empty record", Record::new().into()),
    ] {
        assert_eq!(value(&*store, name).await, Some(expected));
    }
    // The name of the field is free for callers.
    put(&*store, "r", Record::new().with("~e", "theirs")).await;
    assert_eq!(value(&*store, "r").await, Some(Record::new().with("~e", "theirs").into()));
}

#[tokio::test]
async fn every_changed_bit_is_corrupt() {
    let (recorder, store) = layered(&encrypt());
    put(&*store, "b", "s3cret").await;
    let blob = value(recorder.memory(), "b").await.unwrap().into_blob().unwrap();
    for bit in 0..8 * blob.len() {
        let mut changed = blob.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        put(recorder.memory(), "b", changed).await;
        corrupt(&*store, "b").await;
    }
    put(&*store, "r", secret_record()).await;
    let stored = value(recorder.memory(), "r").await.unwrap().into_record().unwrap();
    let text = stored.get("~e").unwrap().as_str().unwrap();
    for bit in 0..8 * text.len() {
        let mut changed = text.as_bytes().to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        // The inner store holds text. A changed highest bit makes none.
        let Ok(changed) = String::from_utf8(changed) else { continue };
        put(recorder.memory(), "r", Record::new().with("~e", changed)).await;
        corrupt(&*store, "r").await;
        let part = GetOptions::new().with_projection(field("n"));
        assert_eq!(kind(store.get(&key("r"), part).await), ErrorKind::Corrupt);
    }
    let envelope = URL_SAFE_NO_PAD.decode(text).unwrap();
    for changed in [
        Record::new().with("~e", text).with("n", 2),
        Record::new().with("~e", format!("{text}=")),
        Record::new().with("~e", URL_SAFE_NO_PAD.encode(&envelope[1..])),
        Record::new().with("~E", text),
    ] {
        put(recorder.memory(), "r", changed).await;
        corrupt(&*store, "r").await;
    }
}

#[tokio::test]
async fn an_envelope_in_another_place_is_corrupt() {
    let (recorder, store) = layered(&encrypt());
    let tokens = recorder.clone().layer(Encrypt::new("tokens", keyring())).unwrap();
    put(&*store, "a", "of a").await;
    put(&*store, "r", secret_record()).await;
    let of_a = value(recorder.memory(), "a").await.unwrap();
    let of_r = value(recorder.memory(), "r").await.unwrap().into_record().unwrap();
    put(recorder.memory(), "b", of_a.clone()).await;
    let text = corrupt(&*store, "b").await;
    assert!(text.contains(r#"cannot be decrypted with the key "new""#), "{text}");
    assert!(text.contains("belongs to another key, kind or context"), "{text}");
    corrupt(&*tokens, "a").await;
    // The envelope of a record as a blob, and the reverse.
    let text = of_r.get("~e").unwrap().as_str().unwrap();
    put(recorder.memory(), "r", URL_SAFE_NO_PAD.decode(text).unwrap()).await;
    corrupt(&*store, "r").await;
    let text = URL_SAFE_NO_PAD.encode(of_a.into_blob().unwrap());
    put(recorder.memory(), "a", Record::new().with("~e", text)).await;
    corrupt(&*store, "a").await;
}

#[tokio::test]
async fn several_keys_read_and_one_writes() {
    let recorder = Recorder::new();
    let layer = |keys| recorder.clone().layer(Encrypt::new("sessions", keys)).unwrap();
    let old = layer(Keyring::new("old", OLD_SECRET));
    let both = layer(keyring().with_read_key("old", OLD_SECRET));
    let new = layer(keyring());
    let impostor = layer(Keyring::new("old", [3; 32]));
    put(&*old, "k", "v").await;
    assert_eq!(value(&*both, "k").await, Some("v".into()));
    let text = corrupt(&*new, "k").await;
    assert!(text.contains(r#"with the key "old", which is not in the keyring"#), "{text}");
    let text = corrupt(&*impostor, "k").await;
    assert!(text.contains(r#"with the key "old": the secret of that key differs"#), "{text}");
    put(&*both, "k", "v").await;
    assert_eq!(value(&*new, "k").await, Some("v".into()));
    corrupt(&*old, "k").await;
}

#[tokio::test]
async fn plaintext_is_accepted_during_a_migration_only() {
    let (recorder, store) = layered(&encrypt());
    let migrating = recorder.clone().layer(encrypt().with_accept_plaintext(true)).unwrap();
    put(recorder.memory(), "b", "plain").await;
    put(recorder.memory(), "r", secret_record()).await;
    for name in ["b", "r"] {
        let text = corrupt(&*store, name).await;
        assert!(text.starts_with("the entry is not encrypted"), "{text}");
    }
    let part = GetOptions::new().with_projection(field("n"));
    assert_eq!(kind(store.get(&key("r"), part.clone()).await), ErrorKind::Corrupt);
    let patch = Patch::new().increment("n", 1);
    assert_eq!(kind(store.patch(&key("r"), &patch, PatchOptions::new()).await), ErrorKind::Corrupt);
    assert_eq!(value(&*migrating, "b").await, Some("plain".into()));
    assert_eq!(value(&*migrating, "r").await, Some(secret_record().into()));
    let n = migrating.get(&key("r"), part).await.unwrap().unwrap().value;
    assert_eq!(n, Some(Record::new().with("n", 1).into()));
    // The first patch encrypts the record.
    let done = migrating.patch(&key("r"), &patch, PatchOptions::new()).await.unwrap().applied().unwrap();
    assert_eq!(done.fields, Record::new().with("n", 2));
    assert_eq!(value(&*store, "r").await, Some(secret_record().with("n", 2).into()));
    // A wide record needs more operations than a patch has.
    let wide = (0..1_200).fold(Record::new(), |all, n| all.with(format!("f{n}"), n));
    put(recorder.memory(), "wide", wide.clone()).await;
    let patch = Patch::new().increment("f7", 1);
    assert!(migrating.patch(&key("wide"), &patch, PatchOptions::new()).await.unwrap().is_applied());
    assert_eq!(value(&*store, "wide").await, Some(wide.with("f7", 8).into()));
    // An envelope with a damaged header is not plaintext.
    put(recorder.memory(), "b", &b"\xF5te\x02"[..]).await;
    corrupt(&*migrating, "b").await;
}

#[tokio::test]
async fn the_requests_are_those_of_the_documentation() {
    let (recorder, store) = layered(&encrypt());
    put(&*store, "r", secret_record()).await;
    put(&*store, "b", "v").await;
    assert_eq!(recorder.methods(), ["put", "put"]);
    let part = GetOptions::new().with_projection(field("n"));
    let entry = store.get(&key("r"), part.clone()).await.unwrap().unwrap();
    assert_eq!(entry.value, Some(Record::new().with("n", 1).into()));
    assert_eq!(kind(store.get(&key("b"), part).await), ErrorKind::WrongKind);
    assert!(store.get(&key("r"), GetOptions::nothing()).await.unwrap().unwrap().value.is_none());
    assert_eq!(recorder.methods(), ["get", "get", "get"]);
    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(2)));
    assert!(store.get(&key("b"), refresh.clone()).await.unwrap().is_some());
    assert_eq!(recorder.methods(), ["get", "expire"]);
    assert!(store.get(&key("b"), refresh).await.unwrap().is_some());
    assert_eq!(recorder.methods(), ["get"], "no longer due");
    let patch = Patch::new().increment("n", 1).set("m", 5);
    let done = store.patch(&key("r"), &patch, PatchOptions::new()).await.unwrap().applied().unwrap();
    assert_eq!(done.fields, Record::new().with("n", 2).with("m", 5));
    assert_eq!(done.effects, [Effect::Done, Effect::Done]);
    assert_eq!(recorder.methods(), ["get", "patch"]);
    let create = PatchOptions::new().with_create(Create::new(Ttl::hours(1)));
    assert!(store.patch(&key("c"), &patch, create).await.unwrap().applied().unwrap().created);
    assert_eq!(recorder.methods(), ["get", "put"]);
    let taken = store.delete(&key("r"), DeleteOptions::take()).await.unwrap().applied().flatten();
    assert_eq!(taken.unwrap().value, Some(secret_record().with("n", 2).with("m", 5).into()));
    assert_eq!(recorder.methods(), ["get", "delete"]);
    let batch = vec![PutItem::new(key("x"), "1", lasting()), PutItem::new(key("y"), "2", lasting())];
    assert_eq!(kinds(&store.put_many(batch).await), [None, None]);
    let many = store.get_many(&keys(["x", "none", "y"]), GetOptions::new()).await;
    let many: Vec<_> = many.into_iter().map(|one| one.unwrap().and_then(|entry| entry.value)).collect();
    assert_eq!(many, [Some("1".into()), None, Some("2".into())]);
    assert_eq!(kinds(&store.delete_many(&keys(["x"]), DeleteOptions::new()).await), [None]);
    let page = store.scan(ScanOptions::new("").with_projection(Projection::All)).await.unwrap();
    assert!(page.items.iter().all(|item| item.entry.as_ref().unwrap().value.is_some()));
    assert_eq!(recorder.methods(), ["put_many", "get_many", "delete_many", "scan"]);
}

#[tokio::test]
async fn a_patch_keeps_deadline_cap_and_creation_time() {
    let (recorder, store) = layered(&encrypt());
    let all = Returning::DEADLINE | Returning::VERSION | Returning::CREATED_AT;
    let put = store.put(&key("r"), secret_record().into(), lasting().with_returning(all)).await;
    let put = put.unwrap().applied().unwrap();
    recorder.advance(60);
    let options = PatchOptions::new().with_returning(all);
    let patch = Patch::new().increment("n", 1);
    let done = store.patch(&key("r"), &patch, options).await.unwrap().applied().unwrap();
    assert_eq!((done.deadline, done.created_at), (put.deadline, put.created_at));
    assert_ne!(done.version, put.version);
    let refused = Patch::new().increment_within("n", 1, ..=2);
    let options = PatchOptions::new().with_returning(Returning::VERSION);
    let there = store.patch(&key("r"), &refused, options).await.unwrap().refused().unwrap();
    assert_eq!((there.fields, there.version), (Record::new().with("n", 2), done.version));
    let stale = PatchOptions::new().with_if_version(put.version.unwrap());
    assert_eq!(store.patch(&key("r"), &patch, stale).await.unwrap(), Outcome::Refused(None));
}

#[tokio::test]
async fn an_entry_that_cannot_be_decrypted_is_not_lost_and_not_refreshed() {
    let (recorder, store) = layered(&encrypt());
    let other = recorder.clone().layer(Encrypt::new("sessions", Keyring::new("other", [9; 32]))).unwrap();
    put(&*other, "k", "v").await;
    let left = async || {
        let options = GetOptions::nothing().with_returning(Returning::DEADLINE);
        let entry = recorder.memory().get(&key("k"), options).await.unwrap().unwrap();
        entry.deadline.unwrap().remaining(recorder.now()).unwrap().as_secs()
    };
    for slack in [None, Some(Ttl::seconds(1))] {
        let mut refresh = Refresh::reset(Ttl::hours(9));
        refresh.slack = slack;
        let options = GetOptions::new().with_refresh(refresh);
        assert_eq!(kind(store.get(&key("k"), options.clone()).await), ErrorKind::Corrupt);
        let many = store.get_many(&keys(["k"]), options).await;
        assert_eq!(kinds(&many), [Some(ErrorKind::Corrupt)]);
        assert_eq!(left().await, 3_600);
    }
    assert_eq!(kind(store.delete(&key("k"), DeleteOptions::take()).await), ErrorKind::Corrupt);
    let taken = store.delete_many(&keys(["k"]), DeleteOptions::take()).await;
    assert_eq!(kinds(&taken), [Some(ErrorKind::Corrupt)]);
    assert_eq!(value(&*other, "k").await, Some("v".into()));
    let put = store.put(&key("k"), "new".into(), lasting().with_previous()).await;
    assert_eq!(kind(put), ErrorKind::OutcomeUnknown);
    assert_eq!(value(&*store, "k").await, Some("new".into()));
    put_raw(&recorder).await;
    assert!(store.delete(&key("k"), DeleteOptions::new()).await.unwrap().is_applied());
}

async fn put_raw(recorder: &Recorder) {
    put(recorder.memory(), "k", "plain").await;
}

#[tokio::test]
async fn hashed_keys_are_not_seen_by_the_inner_store() {
    let layer = encrypt().with_hashed_keys([7; 32]);
    let (recorder, store) = layered(&layer);
    put(&*store, "user:1", "v").await;
    store.put_many(vec![PutItem::new(key("user:2"), "w", lasting())]).await;
    let many = store.get_many(&keys(["user:1", "user:2"]), GetOptions::new()).await;
    assert!(many.iter().all(|entry| entry.as_ref().unwrap().is_some()));
    let _ = store.patch(&key("user:1"), &Patch::new(), PatchOptions::new()).await;
    let _ = store.delete(&key("user:2"), DeleteOptions::take()).await.unwrap();
    store.delete_many(&keys(["user:1"]), DeleteOptions::new()).await;
    let seen: Vec<String> = recorder.calls().into_iter().flat_map(|(_, keys)| keys).collect();
    assert!(seen.iter().all(|key| key.len() == 43 && !key.contains("user")), "{seen:?}");
    assert_eq!(seen.iter().collect::<std::collections::BTreeSet<_>>().len(), 2);
    // Other contexts and secrets do not find the entry.
    put(&*store, "user:1", "v").await;
    for other in [
        Encrypt::new("tokens", keyring()).with_hashed_keys([7; 32]),
        encrypt().with_hashed_keys([8; 32]),
        encrypt(),
    ] {
        let other = recorder.clone().layer(other).unwrap();
        assert_eq!(value(&*other, "user:1").await, None);
    }
}

#[tokio::test]
async fn with_hashed_keys_errors_show_the_callers_key_and_scans_are_denied() {
    let (recorder, store) = layered(&encrypt().with_hashed_keys([7; 32]));
    assert!(!store.capabilities().scan && store.capabilities().patch);
    assert_eq!(kind(store.scan(ScanOptions::new("")).await), ErrorKind::Unsupported);
    assert!(recorder.calls().is_empty());
    put(&*store, "k", "v").await;
    let own = Some(key("k"));
    recorder.fail(1, ErrorKind::Unavailable);
    let error = store.get(&key("k"), GetOptions::new()).await.unwrap_err();
    assert_eq!(error.key().cloned(), own);
    recorder.fail(1, ErrorKind::Unavailable);
    let error = store.delete_many(&keys(["k"]), DeleteOptions::new()).await.remove(0).unwrap_err();
    assert_eq!(error.key().cloned(), own);
    recorder.script([None, Some(Fault::Fails(ErrorKind::Unavailable))]);
    let refresh = GetOptions::new().with_refresh(Refresh::reset(Ttl::hours(9)));
    let entry = store.get(&key("k"), refresh.clone()).await.unwrap().unwrap();
    assert_eq!(entry.refresh_error.unwrap().key().cloned(), own);
    recorder.script([None, Some(Fault::Fails(ErrorKind::Unavailable))]);
    let entry = store.get_many(&keys(["k"]), refresh).await.remove(0).unwrap().unwrap();
    assert_eq!(entry.refresh_error.unwrap().key().cloned(), own);
    recorder.script([Some(Fault::Items(vec![Some(ErrorKind::Backend)]))]);
    let put = store.put_many(vec![PutItem::new(key("k"), "v", lasting())]).await.remove(0).unwrap_err();
    assert_eq!(put.key().cloned(), own);
}

#[tokio::test]
async fn hashed_keys_are_bound_to_their_entries() {
    let (recorder, store) = layered(&encrypt().with_hashed_keys([7; 32]));
    put(&*store, "a", "of a").await;
    put(&*store, "b", "of b").await;
    let page = recorder.memory().scan(ScanOptions::new("").with_projection(Projection::All)).await.unwrap();
    let entries: Vec<(Key, Value)> =
        page.items.into_iter().map(|item| (item.key, item.entry.unwrap().value.unwrap())).collect();
    for (one, other) in [(0, 1), (1, 0)] {
        let (key, value) = (&entries[one].0, entries[other].1.clone());
        assert!(recorder.memory().put(key, value, lasting()).await.unwrap().is_applied());
    }
    corrupt(&*store, "a").await;
    corrupt(&*store, "b").await;
}

#[tokio::test]
async fn the_largest_value_fits() {
    let memory = MemoryStore::new(&MemoryConfig::new().with_max_value_bytes(1_000));
    let store = Arc::new(memory).layer(Encrypt::new("c", Keyring::new("k".repeat(32), SECRET))).unwrap();
    let most = store.capabilities().max_value_bytes;
    assert_eq!(most, 665);
    let most = usize::try_from(most).unwrap();
    let record = |bytes: usize| Record::new().with("t", "x".repeat(bytes - 8));
    put(&*store, "b", vec![7; most]).await;
    put(&*store, "r", record(most)).await;
    for value in [Value::from(vec![7; most + 1]), record(most + 1).into()] {
        assert_eq!(kind(store.put(&key("k"), value, lasting()).await), ErrorKind::TooLarge);
    }
    let patch = Patch::new().set("u", "");
    assert_eq!(kind(store.patch(&key("r"), &patch, PatchOptions::new()).await), ErrorKind::TooLarge);
    let recorder = Recorder::new();
    let unlimited = recorder.clone().layer(encrypt()).unwrap().capabilities();
    assert_eq!(unlimited, recorder.capabilities());
}

#[tokio::test]
async fn compression_is_outside_of_encryption() {
    let (recorder, store) = layered(&encrypt());
    let store = store.layer(Compress::gzip().over(100)).unwrap().layer(Prefix::new("p:")).unwrap();
    let long = Record::new().with("text", "a long text, ".repeat(100));
    put(&*store, "k", long.clone()).await;
    assert_eq!(value(&*store, "k").await, Some(long.into()));
    let stored = value(recorder.memory(), "p:k").await.unwrap();
    assert!(stored.kind() == Kind::Record && stored.size_bytes() < 400, "{stored:?}");
    // The flag of the inner layer is seen through other layers.
    let error = store.layer(encrypt()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("put Compress around Encrypt"), "{error}");
}

#[test]
fn debug_prints_no_secret() {
    let secret = *b"0123456789abcdef0123456789abcdef";
    let keys = Keyring::new("2026", secret).with_read_key("2025", [0xAB; 32]);
    let layer = Encrypt::new("sessions", keys).with_hashed_keys(secret);
    let store = layer.wrap(Recorder::new()).unwrap();
    let text = format!("{layer:?} {store:?}");
    assert!(text.contains("2026") && text.contains("2025") && text.contains("hashed_keys: true"), "{text}");
    for piece in ["0123", "48, 49", "30, 31", "171, 171", "abab", "ABAB"] {
        assert!(!text.contains(piece), "{piece} in {text}");
    }
}
