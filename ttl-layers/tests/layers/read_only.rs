//! `ReadOnly`: no write reaches the inner store, and no read changes a deadline.

use std::sync::Arc;

use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{ErrorKind, Expiry, Key, Patch, Result, Ttl, TtlStore};
use ttl_layers::{LayerExt, ReadOnly};
use ttl_memory::MemoryStore;

use crate::recorder::{Recorder, items, key, keys, kind, kinds, lasting, text};

async fn read_only() -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    let recorder = Recorder::new();
    recorder.memory().put_many(items([("a", "1"), ("b", "2")])).await;
    let store = recorder.clone().layer(ReadOnly::new()).unwrap();
    (recorder, store)
}

#[tokio::test]
async fn writes_are_refused_without_a_call() {
    let (recorder, store) = read_only().await;
    let denied = ErrorKind::PermissionDenied;
    assert_eq!(kind(store.put(&key("a"), "new".into(), lasting()).await), denied);
    let change = ExpiryChange::Set(Expiry::Never);
    assert_eq!(kind(store.expire(&key("a"), change, ExpireOptions::new()).await), denied);
    assert_eq!(kind(store.patch(&key("a"), &Patch::new(), PatchOptions::new()).await), denied);
    assert_eq!(kind(store.delete(&key("a"), DeleteOptions::take()).await), denied);
    assert_eq!(kinds(&store.put_many(items([("a", "x"), ("c", "y")])).await), [Some(denied); 2]);
    assert_eq!(kinds(&store.delete_many(&keys(["a", "b"]), DeleteOptions::new()).await), [Some(denied); 2]);
    assert!(recorder.calls().is_empty());
    assert_eq!(text(recorder.memory(), "a").await.as_deref(), Some("1"));
    let around_memory = Arc::new(MemoryStore::default()).layer(ReadOnly::new()).unwrap();
    assert!(around_memory.as_sync().is_none(), "it would bypass the layer");
}

#[tokio::test]
async fn errors_name_the_operation_the_backend_and_the_key() {
    let (_, store) = read_only().await;
    let error = store.delete(&key("a"), DeleteOptions::new()).await.unwrap_err();
    assert_eq!(
        (error.operation(), error.backend(), error.key()),
        (Some("delete"), Some("memory"), Some(&key("a")))
    );
    let batch = store.put_many(items([("a", "x"), ("c", "y")])).await;
    let found: Vec<Key> = batch.into_iter().map(|put| put.unwrap_err().key().unwrap().clone()).collect();
    assert_eq!(found, keys(["a", "c"]));
}

#[tokio::test]
async fn reads_reach_the_inner_store() {
    let (recorder, store) = read_only().await;
    assert_eq!(text(&*store, "a").await.as_deref(), Some("1"));
    let plain = store.get(&key("a"), GetOptions::new()).await.unwrap().unwrap();
    assert!(plain.refresh_error.is_none());
    assert_eq!(store.get_many(&keys(["a", "none"]), GetOptions::new()).await.len(), 2);
    assert_eq!(store.scan(ScanOptions::new("")).await.unwrap().items.len(), 2);
    assert_eq!(recorder.methods(), ["get", "get", "get_many", "scan"]);
    assert_eq!(store.capabilities(), recorder.capabilities());
}

#[tokio::test]
async fn a_refresh_is_reported_and_not_made() -> Result<()> {
    let (recorder, store) = read_only().await;
    let refreshing =
        GetOptions::new().with_refresh(Refresh::reset(Ttl::days(7))).with_returning(Returning::DEADLINE);
    let peek = GetOptions::nothing().with_returning(Returning::DEADLINE);
    let before = recorder.memory().get(&key("a"), peek.clone()).await?.unwrap().deadline;
    let entry = store.get(&key("a"), refreshing.clone()).await?.unwrap();
    assert_eq!((entry.value, entry.deadline), (Some("1".into()), before));
    let error = entry.refresh_error.unwrap();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::PermissionDenied, Some("get")));
    assert!(store.get(&key("none"), refreshing.clone()).await?.is_none());
    for (name, entry) in ["b", "none"].iter().zip(store.get_many(&keys(["b", "none"]), refreshing).await) {
        let error = entry?.map(|entry| entry.refresh_error.unwrap());
        assert_eq!(
            error.map(|error| error.key().unwrap().to_string()),
            (*name == "b").then(|| "b".to_owned())
        );
    }
    for name in ["a", "b"] {
        assert_eq!(
            recorder.memory().get(&key(name), peek.clone()).await?.unwrap().deadline,
            before,
            "{name}"
        );
    }
    assert_eq!(recorder.methods(), ["get", "get", "get_many"]);
    Ok(())
}
