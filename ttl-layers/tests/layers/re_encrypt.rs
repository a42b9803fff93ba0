//! `Encrypt::re_encrypt`: a walk that changes the keys of entries and nothing else.

use std::num::NonZeroUsize;
use std::sync::Arc;

use ttl_core::options::{
    Condition, GetOptions, PatchOptions, Projection, PutOptions, Returning, ScanOptions,
};
use ttl_core::{Capabilities, ErrorKind, Lifespan, Patch, Record, Ttl, TtlStore, Value, forward_ttl_store};
use ttl_layers::{Encrypt, Keyring, LayerExt, ReEncrypt, ReEncrypted};
use ttl_memory::{MemoryConfig, MemoryStore};

use crate::recorder::{Fault, Recorder, key, kind, lasting};

const NEW: [u8; 32] = [1; 32];
const OLD: [u8; 32] = [2; 32];

fn old() -> Encrypt {
    Encrypt::new("sessions", Keyring::new("old", OLD))
}

fn both() -> Encrypt {
    Encrypt::new("sessions", Keyring::new("new", NEW).with_read_key("old", OLD))
}

fn new() -> Encrypt {
    Encrypt::new("sessions", Keyring::new("new", NEW))
}

async fn put(store: &dyn TtlStore, name: &str, value: impl Into<Value>) {
    assert!(store.put(&key(name), value.into(), lasting()).await.unwrap().is_applied());
}

async fn value(store: &dyn TtlStore, name: &str) -> Option<Value> {
    store.get(&key(name), GetOptions::new()).await.unwrap()?.value
}

fn counts(done: &ReEncrypted) -> [u64; 4] {
    [done.rewritten, done.current, done.gone, done.failed]
}

#[tokio::test]
async fn entries_of_the_old_key_are_rewritten_and_keep_their_lives() {
    let recorder = Recorder::new();
    let (old, new) = (recorder.clone().layer(old()).unwrap(), recorder.clone().layer(new()).unwrap());
    let lifespan = Lifespan::from(Ttl::hours(1)).with_max_lifetime(Ttl::hours(2));
    let record = Record::new().with("n", 1);
    for (name, value) in [("b", Value::from("v")), ("r", record.clone().into())] {
        assert!(old.put(&key(name), value, PutOptions::new(lifespan)).await.unwrap().is_applied());
    }
    put(&*new, "current", "w").await;
    let all = Returning::DEADLINE | Returning::VERSION | Returning::CREATED_AT;
    let look = async |name: &str| {
        let options = GetOptions::nothing().with_returning(all);
        recorder.memory().get(&key(name), options).await.unwrap().unwrap()
    };
    let before = [look("b").await, look("r").await, look("current").await];
    recorder.advance(60);
    recorder.calls();
    let done = both().re_encrypt(&*recorder, ReEncrypt::new(""), |_| {}).await.unwrap();
    assert_eq!((counts(&done), done.errors.len(), done.next), ([2, 1, 0, 0], 0, None));
    let mut methods = recorder.methods();
    methods.sort_unstable();
    assert_eq!(methods, ["patch", "put", "scan"]);
    let after = [look("b").await, look("r").await, look("current").await];
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.deadline, after.deadline);
    }
    assert_eq!(before.each_ref().map(|entry| entry.version == after[0].version), [false; 3]);
    assert_eq!(before[1].created_at, after[1].created_at, "a record keeps its creation time");
    assert_eq!(before[2].version, after[2].version, "a current entry is not written");
    assert_eq!(value(&*new, "b").await, Some("v".into()));
    assert_eq!(value(&*new, "r").await, Some(record.into()));
    // The cap has stayed.
    for name in ["b", "r"] {
        let longer = GetOptions::nothing()
            .with_refresh(ttl_core::options::Refresh::reset(Ttl::days(1)))
            .with_returning(Returning::DEADLINE);
        let entry = new.get(&key(name), longer).await.unwrap().unwrap();
        assert_eq!(entry.deadline.unwrap().remaining(recorder.now()).unwrap().as_secs(), 7_200 - 60);
    }
    let again = both().re_encrypt(&*recorder, ReEncrypt::new(""), |_| {}).await.unwrap();
    assert_eq!(counts(&again), [0, 3, 0, 0]);
}

#[tokio::test]
async fn entries_that_cannot_be_rewritten_are_reported_and_stay() {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(old()).unwrap();
    put(&*store, "a", "v").await;
    put(recorder.memory(), "plain", "p").await;
    put(recorder.memory(), "plain record", Record::new().with("n", 1)).await;
    let mut seen = Vec::new();
    let done = both().re_encrypt(&*recorder, ReEncrypt::new(""), |page| seen.push(counts(page))).await;
    let done = done.unwrap();
    assert_eq!((counts(&done), seen), ([1, 0, 0, 2], vec![[1, 0, 0, 2]]));
    let mut keys: Vec<_> = done.errors.iter().map(|error| error.key().unwrap().to_string()).collect();
    keys.sort();
    assert_eq!(keys, ["plain", "plain record"]);
    assert_eq!(value(recorder.memory(), "plain").await, Some("p".into()));
    // With the switch, plaintext is encrypted.
    let migrating = both().with_accept_plaintext(true);
    let done = migrating.re_encrypt(&*recorder, ReEncrypt::new(""), |_| {}).await.unwrap();
    assert_eq!(counts(&done), [2, 1, 0, 0]);
    let strict = recorder.clone().layer(new()).unwrap();
    assert_eq!(value(&*strict, "plain").await, Some("p".into()));
    assert_eq!(value(&*strict, "plain record").await, Some(Record::new().with("n", 1).into()));
}

#[tokio::test]
async fn an_entry_that_is_too_large_to_be_encrypted_does_not_end_the_walk() {
    let memory = MemoryStore::new(&MemoryConfig::new().with_max_value_bytes(100));
    for name in ["a", "b", "c"] {
        put(&memory, name, vec![7; if name == "b" { 100 } else { 10 }]).await;
    }
    let migrating = both().with_accept_plaintext(true);
    let done = migrating.re_encrypt(&memory, ReEncrypt::new(""), |_| {}).await.unwrap();
    assert_eq!(counts(&done), [2, 0, 0, 1]);
    assert_eq!((done.errors[0].kind(), done.errors[0].key()), (ErrorKind::TooLarge, Some(&key("b"))));
}

#[tokio::test]
async fn hashed_keys_can_be_walked_too() {
    let recorder = Recorder::new();
    let hashed = |layer: Encrypt| layer.with_hashed_keys([7; 32]);
    let store = recorder.clone().layer(hashed(old())).unwrap();
    put(&*store, "user:1", "v").await;
    let done = hashed(both()).re_encrypt(&*recorder, ReEncrypt::new(""), |_| {}).await.unwrap();
    assert_eq!(counts(&done), [1, 0, 0, 0]);
    let store = recorder.clone().layer(hashed(new())).unwrap();
    assert_eq!(value(&*store, "user:1").await, Some("v".into()));
}

#[tokio::test]
async fn a_walk_continues_at_its_cursor() {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(old()).unwrap();
    for n in 0..10 {
        put(&*store, &format!("k{n}"), "v").await;
    }
    put(&*store, "other", "v").await;
    let options = ReEncrypt::new("k").with_limit(NonZeroUsize::new(3).unwrap());
    // The second page fails.
    recorder.calls();
    recorder.script([vec![None; 4], vec![Some(Fault::Fails(ErrorKind::Unavailable))]].concat());
    let mut last = ReEncrypted::default();
    let walk = both().re_encrypt(&*recorder, options.clone(), |page| last = page.clone()).await;
    assert_eq!(kind(walk), ErrorKind::Unavailable);
    assert_eq!(counts(&last), [3, 0, 0, 0]);
    recorder.script([]);
    let mut pages = 0;
    let rest = options.with_cursor(last.next);
    let done = both().re_encrypt(&*recorder, rest, |_| pages += 1).await.unwrap();
    assert_eq!((counts(&done), pages), ([7, 0, 0, 0], 3));
    let store = recorder.clone().layer(new()).unwrap();
    assert_eq!(kind(store.get(&key("other"), GetOptions::new()).await), ErrorKind::Corrupt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_lose_nothing() {
    const TASKS: usize = 4;
    const INCREMENTS: usize = 50;
    let recorder = Recorder::new();
    let inner: Arc<dyn TtlStore> = recorder.clone();
    let stores = [inner.clone().layer(old().clone()).unwrap(), inner.clone().layer(both()).unwrap()];
    // A program with the old key that also reads the new one, as during a rotation.
    let rotating = Encrypt::new("sessions", Keyring::new("old", OLD).with_read_key("new", NEW));
    let rotating = inner.clone().layer(rotating).unwrap();
    for n in 0..20 {
        put(&*stores[0], &format!("counter{n}"), Record::new().with("n", 0)).await;
    }
    let writers: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = if task % 2 == 0 { Arc::clone(&rotating) } else { Arc::clone(&stores[1]) };
            tokio::spawn(async move {
                for step in 0..INCREMENTS {
                    let name = format!("counter{}", step % 20);
                    let patch = Patch::new().increment("n", 1);
                    let done = store.patch(&key(&name), &patch, PatchOptions::new()).await.unwrap();
                    assert!(done.is_applied());
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..5 {
        let done = both().re_encrypt(&*inner, ReEncrypt::new(""), |_| {}).await.unwrap();
        assert_eq!((done.failed, done.gone), (0, 0));
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let done = both().re_encrypt(&*inner, ReEncrypt::new(""), |_| {}).await.unwrap();
    assert_eq!(done.rewritten + done.current, 20);
    let store = inner.layer(new()).unwrap();
    let page = store.scan(ScanOptions::new("").with_projection(Projection::All)).await.unwrap();
    let sum: i64 = page
        .items
        .into_iter()
        .map(|item| item.entry.unwrap().value.unwrap().into_record().unwrap())
        .map(|record| record.get("n").unwrap().as_i64().unwrap())
        .sum();
    assert_eq!(sum, (TASKS * INCREMENTS) as i64);
}

#[tokio::test]
async fn an_entry_that_changes_during_the_walk_is_read_again() {
    for deleted in [false, true] {
        let recorder = Recorder::new();
        let store = recorder.clone().layer(old()).unwrap();
        put(&*store, "k", "v").await;
        recorder.calls();
        let gate = Arc::new(tokio::sync::Notify::new());
        recorder.script([None, Some(Fault::Waits(Arc::clone(&gate)))]);
        let walking = {
            let recorder = Arc::clone(&recorder);
            tokio::spawn(async move { both().re_encrypt(&*recorder, ReEncrypt::new(""), |_| {}).await })
        };
        while recorder.calls().iter().all(|(method, _)| *method != "put") {
            tokio::task::yield_now().await;
        }
        if deleted {
            let _ = recorder.memory().delete(&key("k"), Default::default()).await.unwrap();
        } else {
            let other = Arc::new(recorder.memory().clone()).layer(old()).unwrap();
            put(&*other, "k", "newer").await;
        }
        gate.notify_one();
        let done = walking.await.unwrap().unwrap();
        assert_eq!(counts(&done), if deleted { [0, 0, 1, 0] } else { [1, 0, 0, 0] });
        let methods = recorder.methods();
        assert_eq!(methods, if deleted { vec![] } else { vec!["get", "put"] });
        let expected = (!deleted).then(|| Value::from("newer"));
        assert_eq!(value(&*recorder.clone().layer(new()).unwrap(), "k").await, expected);
    }
}

/// A store without conditions.
#[derive(Debug)]
struct Unconditional(Arc<Recorder>);

impl TtlStore for Unconditional {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities().with_conditions(false)
    }

    forward_ttl_store!(self, self.0 => now get put expire patch delete scan get_many put_many delete_many changes);
}

#[tokio::test]
async fn a_store_without_conditions_or_scans_is_unsupported() {
    let recorder = Recorder::new();
    let walk = both().re_encrypt(&Unconditional(recorder.clone()), ReEncrypt::new(""), |_| {}).await;
    assert_eq!(kind(walk), ErrorKind::Unsupported);
    let hashed = recorder.clone().layer(new().with_hashed_keys([7; 32])).unwrap();
    let walk = both().re_encrypt(&*hashed, ReEncrypt::new(""), |_| {}).await;
    assert_eq!(kind(walk), ErrorKind::Unsupported);
    let invalid = Encrypt::new("", Keyring::new("new", NEW));
    let walk = invalid.re_encrypt(&*recorder, ReEncrypt::new(""), |_| {}).await;
    assert_eq!(kind(walk), ErrorKind::InvalidConfig);
    assert!(recorder.calls().is_empty());
}

#[tokio::test]
async fn a_layer_on_a_store_without_conditions_has_no_patches_and_still_refreshes() {
    let recorder = Recorder::new();
    let store = Arc::new(Unconditional(recorder.clone())).layer(new()).unwrap();
    let capabilities = store.capabilities();
    assert!(!capabilities.patch && !capabilities.conditions);
    put(&*store, "k", "v").await;
    recorder.calls();
    let refresh = ttl_core::options::Refresh::reset(Ttl::hours(9));
    let entry = store.get(&key("k"), GetOptions::new().with_refresh(refresh)).await.unwrap().unwrap();
    assert_eq!(entry.value, Some("v".into()));
    assert_eq!(recorder.methods(), ["get", "get"]);
    let create = lasting().with_condition(Condition::IfAbsent);
    assert_eq!(kind(store.put(&key("k"), "v".into(), create).await), ErrorKind::Unsupported);
    let patch = store.patch(&key("k"), &Patch::new(), PatchOptions::new()).await;
    assert_eq!(kind(patch), ErrorKind::Unsupported);
    let take = store.delete(&key("k"), ttl_core::options::DeleteOptions::take()).await;
    assert_eq!(kind(take), ErrorKind::Unsupported);
    assert!(recorder.calls().is_empty());
}
