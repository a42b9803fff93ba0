//! Changes: each layer reports those of the inner store under the caller's keys, or denies them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use ttl_core::options::GetOptions;
use ttl_core::{ChangeStream, ErrorKind, StoreChange, TtlStore};
use ttl_layers::{
    Compress, Encrypt, FailOpen, Fallback, Keyring, Layer, LayerExt, Migrate, Prefix, ReadOnly, Timeout,
};

use crate::recorder::{Fault, Recorder, key};
use crate::zoo::layers;

fn changed(name: &str) -> StoreChange {
    StoreChange::Changed(key(name))
}

/// Returns the changes that are reported by now.
fn reported(changes: &mut ChangeStream) -> Vec<StoreChange> {
    std::iter::from_fn(|| changes.next().now_or_never().flatten()).collect()
}

fn encrypt() -> Encrypt {
    Encrypt::new("sessions", Keyring::new("k", [1; 32]))
}

#[tokio::test]
async fn a_change_is_reported_under_the_callers_key() {
    let mut layers = layers();
    layers.extend([
        ("FailOpen", Box::new(FailOpen::new()) as Box<dyn Layer>),
        ("ReadOnly", Box::new(ReadOnly::new())),
        ("Compress", Box::new(Compress::zstd())),
        ("Encrypt", Box::new(encrypt())),
    ]);
    for (name, layer) in layers {
        let recorder = Recorder::new();
        let store = recorder.clone().layer(layer).unwrap();
        assert!(store.capabilities().changes, "{name}");
        let mut changes = store.changes().await.unwrap();
        assert!(store.get(&key("k"), GetOptions::new()).await.unwrap().is_none());
        let inner = recorder.calls().pop().unwrap().1.remove(0);
        let seen = [changed(&inner), StoreChange::Gap];
        seen.iter().for_each(|change| recorder.report(change));
        // An unread gap stands for the changes before it.
        assert_eq!(reported(&mut changes), [StoreChange::Gap], "{name}");
        recorder.report(&seen[0]);
        recorder.report(&StoreChange::Cleared);
        assert_eq!(reported(&mut changes), [StoreChange::Cleared], "{name}");
        recorder.report(&seen[0]);
        assert_eq!(reported(&mut changes), [changed("k")], "{name}");
    }
}

#[tokio::test]
async fn a_prefix_reports_no_change_of_another_prefix() {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(Prefix::new("a:")).unwrap();
    let mut changes = store.changes().await.unwrap();
    for name in ["b:k", "a:", "a", "a:a:k", "k"] {
        recorder.report(&changed(name));
    }
    assert_eq!(reported(&mut changes), [changed("a:k")]);
}

#[tokio::test]
async fn layers_that_cannot_tell_which_entry_changed_deny_changes() {
    let denying: [(&str, Box<dyn Layer>); 3] = [
        ("Fallback", Box::new(Fallback::new(Recorder::new()))),
        ("Migrate", Box::new(Migrate::new(Recorder::new()))),
        ("Encrypt with hashed keys", Box::new(encrypt().with_hashed_keys([7; 32]))),
    ];
    for (name, layer) in denying {
        let recorder = Recorder::new();
        let store = recorder.clone().layer(layer).unwrap();
        assert!(!store.capabilities().changes, "{name}");
        let error = store.changes().await.err().unwrap();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Unsupported, Some("changes")), "{name}");
        assert_eq!(error.backend(), Some("memory"), "{name}");
        assert!(recorder.calls().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_timeout_limits_the_subscription_and_not_the_stream() {
    let recorder = Recorder::new();
    let store: Arc<dyn TtlStore> = recorder.clone().layer(Timeout::new(Duration::from_millis(20))).unwrap();
    let mut changes = store.changes().await.unwrap();
    recorder.script([Some(Fault::Hangs)]);
    assert_eq!(store.changes().await.err().unwrap().kind(), ErrorKind::Timeout);
    recorder.report(&changed("k"));
    assert_eq!(reported(&mut changes), [changed("k")]);
}
