//! Every write removes its key from the secondary store.

use std::task::{Context, Waker};
use std::time::Duration;

use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, Guard, PatchOptions,
};
use ttl_core::{ErrorKind, Expiry, Patch, Ttl, TtlStore};
use ttl_layers::{LayerExt, SecondaryScope};

use super::{OUT, Stores, value};
use crate::recorder::{Call, Fault, items, key, keys, kind, kinds, lasting};

/// Checks that the key is gone from the secondary while the write still waits for the primary.
async fn removes_first(write: impl AsyncFn(&dyn TtlStore)) {
    let stores = Stores::new();
    stores.put_in_outage("a", "old").await;
    stores.primary.script([Some(Fault::Hangs)]);
    let mut write = Box::pin(write(&*stores.store));
    assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(stores.primary.calls().len(), 1, "the write waits for the primary");
    assert!(!stores.holds("a").await, "the key was removed before");
    drop(write);
    assert_eq!(kind(stores.get_in_outage("a").await), OUT);
}

#[tokio::test]
async fn a_key_is_removed_before_its_write() {
    let past = |store: &dyn TtlStore| ExpiryChange::Set(Expiry::At(store.now()));
    removes_first(async |store| drop(store.put(&key("a"), "new".into(), lasting()).await)).await;
    removes_first(async |store| {
        drop(store.put(&key("a"), "new".into(), lasting().with_condition(Condition::IfAbsent)).await);
    })
    .await;
    removes_first(async |store| drop(store.expire(&key("a"), past(store), ExpireOptions::new()).await)).await;
    removes_first(async |store| {
        drop(store.patch(&key("a"), &Patch::new(), PatchOptions::new()).await);
    })
    .await;
    removes_first(async |store| drop(store.delete(&key("a"), DeleteOptions::new()).await)).await;
    removes_first(async |store| drop(store.delete(&key("a"), DeleteOptions::take()).await)).await;
    removes_first(async |store| drop(store.put_many(items([("b", "1"), ("a", "2")])).await)).await;
    removes_first(async |store| {
        drop(store.delete_many(&keys(["b", "a"]), DeleteOptions::new()).await);
    })
    .await;
}

#[tokio::test]
async fn an_expire_shortens_first_and_removes_after_an_answer() {
    let set = |ttl| ExpiryChange::Set(Expiry::After(ttl));
    let (short, long) = (set(Ttl::seconds(10)), set(Ttl::hours(1)));
    let always = ExpireOptions::new;
    let later = || always().with_guard(Guard::IfLater);
    for (change, options, calls, left) in [
        (short, always(), vec!["expire"], 10),
        (short, later(), vec![], 300),
        (long, always(), vec![], 300),
        (ExpiryChange::Set(Expiry::Never), always(), vec![], 300),
        (ExpiryChange::Extend(Ttl::hours(1)), always(), vec![], 300),
    ] {
        let stores = Stores::new();
        stores.put_in_outage("a", "old").await;
        stores.primary.fail(1, OUT);
        assert_eq!(kind(stores.store.expire(&key("a"), change, options.clone()).await), OUT);
        assert_eq!(stores.methods(), (vec!["expire"], calls.clone()), "{change:?}");
        // A refresh in an outage leaves the entry readable, but no longer than asked.
        assert_eq!(value(stores.get_in_outage("a").await), "old");
        stores.secondary.advance(left - 1);
        assert!(stores.holds("a").await, "{change:?}");
        stores.secondary.advance(1);
        assert!(!stores.holds("a").await, "{change:?}");

        let stores = Stores::new();
        stores.put_in_outage("a", "old").await;
        let answer = stores.store.expire(&key("a"), change, options).await.unwrap();
        assert!(answer.is_absent(), "the primary never had the entry");
        let removed: Vec<&str> = calls.into_iter().chain(["delete"]).collect();
        assert_eq!(stores.methods(), (vec!["expire"], removed));
        assert!(!stores.holds("a").await);
    }
}

#[tokio::test]
async fn removals_end_when_nothing_can_be_left() {
    let stores = Stores::with(|layer| layer.with_max_ttl(Ttl::seconds(60)));
    stores.put_in_outage("a", "1").await;
    // One minute more than the longest lifetime.
    stores.clock.advance(Duration::from_secs(119));
    let _ = stores.store.put(&key("b"), "1".into(), lasting()).await.unwrap();
    assert_eq!(stores.secondary.calls(), [("delete", vec!["b".to_owned()])]);
    stores.clock.advance(Duration::from_secs(1));
    let _ = stores.store.put(&key("b"), "1".into(), lasting()).await.unwrap();
    let _ = stores.store.delete(&key("b"), DeleteOptions::new()).await.unwrap();
    assert!(stores.secondary.calls().is_empty());
    // The next outage begins again.
    stores.put_in_outage("a", "2").await;
    store_batches(&*stores.store).await;
    let calls: Vec<Call> = stores.secondary.calls();
    let both = || vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(calls, [("delete_many", both()), ("delete_many", both())]);
    assert!(!stores.holds("a").await);
}

async fn store_batches(store: &dyn TtlStore) {
    store.put_many(items([("a", "1"), ("b", "2")])).await;
    store.delete_many(&keys(["a", "b"]), DeleteOptions::new()).await;
    store.put_many(Vec::new()).await;
    store.delete_many(&[], DeleteOptions::new()).await;
}

#[tokio::test]
async fn a_shared_secondary_is_always_cleared() {
    let stores = Stores::with(|layer| layer.with_scope(SecondaryScope::Shared));
    // Another process wrote this one.
    stores.secondary.memory().put_many(items([("a", "other"), ("b", "other")])).await;
    assert_eq!(value(stores.get_in_outage("a").await), "other");
    let _ = stores.store.delete(&key("a"), DeleteOptions::new()).await.unwrap();
    assert_eq!(stores.methods(), (vec!["delete"], vec!["delete"]));
    assert_eq!(kind(stores.get_in_outage("a").await), OUT);
    let _ = stores.store.put(&key("b"), "new".into(), lasting()).await.unwrap();
    assert_eq!(kind(stores.get_in_outage("b").await), OUT);
}

#[tokio::test]
async fn a_failed_removal_closes_the_secondary_until_its_entries_are_gone() {
    let stores = Stores::with(|layer| layer.with_max_ttl(Ttl::seconds(60)));
    stores.put_in_outage("a", "old").await;
    stores.secondary.fail(1, ErrorKind::PermissionDenied);
    assert!(stores.store.delete(&key("a"), DeleteOptions::new()).await.unwrap().is_absent());
    assert!(stores.holds("a").await);
    assert_eq!(stores.counts(), (0, 1, 1));
    stores.clock.advance(Duration::from_secs(119));
    stores.forget_calls();
    stores.primary.fail(3, OUT);
    assert_eq!(kind(stores.store.get(&key("a"), GetOptions::new()).await), OUT);
    assert_eq!(kinds(&stores.store.get_many(&keys(["a"]), GetOptions::new()).await), [Some(OUT)]);
    assert_eq!(kind(stores.store.put(&key("b"), "1".into(), lasting()).await), OUT);
    assert_eq!(stores.methods().1, ["delete"], "only the removal before the put");
    stores.clock.advance(Duration::from_secs(1));
    stores.put_in_outage("b", "1").await;
    assert_eq!(value(stores.get_in_outage("b").await), "1");
}

#[tokio::test]
async fn clones_share_the_secondary() {
    let stores = Stores::new();
    let other = stores.primary.clone().layer(stores.layer.clone()).unwrap();
    stores.put_in_outage("a", "1").await;
    let _ = other.delete(&key("a"), DeleteOptions::new()).await.unwrap();
    assert_eq!(kind(stores.get_in_outage("a").await), OUT);
}
