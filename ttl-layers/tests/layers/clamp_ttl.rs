//! `ClampTtl`: every deadline that a call sets is within the bounds.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use ttl_core::options::{
    Create, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, Guard, PatchOptions, PutItem,
    PutOptions, Refresh, Returning,
};
use ttl_core::results::ExpireResult;
use ttl_core::{Deadline, ErrorKind, Expiry, Lifespan, Outcome, Patch, Record, Ttl, TtlStore};
use ttl_layers::{ClampTtl, LayerExt, PersistentEntries};

use crate::recorder::{Fault, Recorder, key, keys, kind, text};

const MIN: u64 = 10;
const MAX: u64 = 100;

fn clamped() -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    let recorder = Recorder::new();
    let layer = ClampTtl::new().with_min(Ttl::seconds(MIN)).with_max(Ttl::seconds(MAX));
    let store = recorder.clone().layer(layer).unwrap();
    (recorder, store)
}

fn within(seconds: u64) -> Expiry {
    Expiry::After(Ttl::seconds(seconds))
}

/// Returns the seconds that remain of an entry; `None` for a persistent one.
async fn left(recorder: &Recorder, name: &str) -> Option<u64> {
    let options = GetOptions::nothing().with_returning(Returning::DEADLINE);
    let entry = recorder.memory().get(&key(name), options).await.unwrap().unwrap();
    entry.deadline.unwrap().remaining(recorder.now()).map(|left| left.as_secs())
}

async fn put(store: &dyn TtlStore, expiry: Expiry) {
    assert!(store.put(&key("k"), "v".into(), PutOptions::new(expiry)).await.unwrap().is_applied());
}

async fn expire(store: &dyn TtlStore, change: ExpiryChange) -> Option<(Deadline, bool)> {
    let outcome = store.expire(&key("k"), change, ExpireOptions::new()).await.unwrap();
    outcome.applied().map(|expired| (expired.deadline, expired.changed))
}

#[tokio::test]
async fn puts_are_clamped() {
    let (recorder, store) = clamped();
    let later = |seconds| Expiry::At(recorder.now() + Duration::from_secs(seconds));
    for (expiry, expected) in [
        (within(1), MIN),
        (within(50), 50),
        (within(1_000), MAX),
        (Expiry::Never, MAX),
        (later(1), MIN),
        (later(50), 50),
        (later(1_000), MAX),
    ] {
        put(&*store, expiry).await;
        assert_eq!(left(&recorder, "k").await, Some(expected), "{expiry:?}");
        let item = PutItem::new(key("item"), "v", PutOptions::new(expiry));
        assert!(store.put_many(vec![item]).await.remove(0).unwrap().is_applied());
        assert_eq!(left(&recorder, "item").await, Some(expected), "{expiry:?} in a batch");
        assert!(expire(&*store, ExpiryChange::Set(expiry)).await.is_some());
        assert_eq!(left(&recorder, "k").await, Some(expected), "{expiry:?} in an expire");
    }
}

#[tokio::test]
async fn an_instant_in_the_past_still_ends_the_entry() {
    let (recorder, store) = clamped();
    put(&*store, within(50)).await;
    put(&*store, Expiry::At(recorder.now())).await;
    assert_eq!(text(&*store, "k").await, None);
    put(&*store, within(50)).await;
    assert!(expire(&*store, ExpiryChange::Set(Expiry::At(recorder.now()))).await.is_some());
    assert_eq!(text(&*store, "k").await, None);
}

#[tokio::test]
async fn an_instant_too_far_away_is_still_invalid() {
    let (recorder, store) = clamped();
    let far = Expiry::At(recorder.now() + Ttl::MAX.as_duration() + Duration::from_secs(1));
    let put = store.put(&key("k"), "v".into(), PutOptions::new(far)).await;
    assert_eq!(kind(put), ErrorKind::InvalidExpiry);
}

#[tokio::test]
async fn persistent_entries_can_be_allowed() {
    let recorder = Recorder::new();
    let layer =
        ClampTtl::new().with_max(Ttl::seconds(MAX)).with_persistent_entries(PersistentEntries::Allowed);
    let store = recorder.clone().layer(layer).unwrap();
    put(&*store, Expiry::Never).await;
    assert_eq!(left(&recorder, "k").await, None);
    put(&*store, within(1_000)).await;
    assert_eq!(left(&recorder, "k").await, Some(MAX));
}

#[tokio::test]
async fn refreshes_are_clamped() {
    let (recorder, store) = clamped();
    let get = |refresh| GetOptions::new().with_refresh(refresh);
    put(&*store, within(50)).await;
    let _ = store.get(&key("k"), get(Refresh::reset(Ttl::hours(1)))).await.unwrap();
    assert_eq!(left(&recorder, "k").await, Some(MAX));
    store.get_many(&keys(["k"]), get(Refresh::reset(Ttl::seconds(1)))).await;
    assert_eq!(left(&recorder, "k").await, Some(MIN));
    let options = PutOptions::new(within(50));
    let refreshing =
        options.with_existing_deadline(ExistingDeadline::Refresh(Refresh::extend_only(Ttl::days(1))));
    let record = Record::new().with("n", 1);
    let _ = store.put(&key("k"), record.into(), refreshing).await.unwrap();
    assert_eq!(left(&recorder, "k").await, Some(MAX));
    let patch = PatchOptions::new().with_refresh(Refresh::reset(Ttl::seconds(1)));
    let _ = store.patch(&key("k"), &Patch::new(), patch).await.unwrap();
    assert_eq!(left(&recorder, "k").await, Some(MIN));
    assert_eq!(recorder.methods(), ["put", "get", "get_many", "put", "patch"]);
}

#[tokio::test]
async fn a_lowered_refresh_is_due_in_time() {
    let (recorder, store) = clamped();
    put(&*store, within(MAX)).await;
    // With the whole slack of 200 s, no refresh to 100 s would ever be due.
    let refresh = Refresh::extend_only(Ttl::seconds(400)).with_slack(Ttl::seconds(200));
    recorder.advance(49);
    let _ = store.get(&key("k"), GetOptions::new().with_refresh(refresh)).await.unwrap();
    assert_eq!(left(&recorder, "k").await, Some(MAX - 49));
    recorder.advance(1);
    let _ = store.get(&key("k"), GetOptions::new().with_refresh(refresh)).await.unwrap();
    assert_eq!(left(&recorder, "k").await, Some(MAX));
}

#[tokio::test]
async fn a_kept_deadline_stays() {
    let (recorder, store) = clamped();
    let _ = recorder.memory().put(&key("k"), "old".into(), PutOptions::new(within(5_000))).await.unwrap();
    let keep = PutOptions::new(within(50)).with_existing_deadline(ExistingDeadline::Keep);
    let _ = store.put(&key("k"), "new".into(), keep).await.unwrap();
    assert_eq!(left(&recorder, "k").await, Some(5_000));
}

#[tokio::test]
async fn the_entry_that_a_patch_creates_is_clamped() {
    let (recorder, store) = clamped();
    for (expiry, expected) in [(within(1), MIN), (Expiry::Never, MAX)] {
        let create = PatchOptions::new().with_create(Create::new(expiry));
        let _ = store.delete(&key("k"), Default::default()).await.unwrap();
        let _ = store.patch(&key("k"), &Patch::new().increment("n", 1), create).await.unwrap();
        assert_eq!(left(&recorder, "k").await, Some(expected));
    }
}

#[tokio::test]
async fn a_cap_wins_over_the_minimum() {
    let (recorder, store) = clamped();
    let lifespan = Lifespan::new(within(1)).with_max_lifetime(Ttl::seconds(3));
    let _ = store.put(&key("k"), "v".into(), PutOptions::new(lifespan)).await.unwrap();
    assert_eq!(left(&recorder, "k").await, Some(3));
}

#[tokio::test]
async fn an_extension_within_the_maximum_is_one_call() {
    let (recorder, store) = clamped();
    put(&*store, within(50)).await;
    recorder.calls();
    let (deadline, changed) = expire(&*store, ExpiryChange::Extend(Ttl::seconds(50))).await.unwrap();
    assert_eq!((deadline, changed), (Deadline::after(recorder.now(), Ttl::seconds(MAX)), true));
    assert_eq!(recorder.methods(), ["expire"]);
    // The minimum does not apply.
    put(&*store, within(MIN)).await;
    recorder.advance(8);
    assert!(expire(&*store, ExpiryChange::Extend(Ttl::seconds(1))).await.is_some());
    assert_eq!(left(&recorder, "k").await, Some(3));
}

#[tokio::test]
async fn an_extension_beyond_the_maximum_is_lowered_by_a_second_call() {
    let (recorder, store) = clamped();
    let most = Deadline::after(recorder.now(), Ttl::seconds(MAX));
    put(&*store, within(50)).await;
    recorder.calls();
    assert_eq!(expire(&*store, ExpiryChange::Extend(Ttl::seconds(51))).await, Some((most, true)));
    assert_eq!(recorder.methods(), ["expire", "expire"]);
    // At the maximum already, nothing changes.
    assert_eq!(expire(&*store, ExpiryChange::Extend(Ttl::days(1))).await, Some((most, false)));
    assert_eq!(left(&recorder, "k").await, Some(MAX));
}

#[tokio::test]
async fn a_guard_that_does_not_hold_changes_nothing() {
    let (recorder, store) = clamped();
    let _ = recorder.memory().put(&key("k"), "v".into(), PutOptions::new(within(5_000))).await.unwrap();
    let options = ExpireOptions::new().with_guard(Guard::IfSooner);
    let outcome = store.expire(&key("k"), ExpiryChange::Extend(Ttl::seconds(1)), options).await.unwrap();
    assert!(!outcome.applied().unwrap().changed);
    assert_eq!(left(&recorder, "k").await, Some(5_000));
    assert_eq!(recorder.methods(), ["expire"]);
}

#[tokio::test]
async fn an_extension_that_cannot_be_lowered_is_an_unknown_outcome() {
    let (recorder, store) = clamped();
    put(&*store, within(50)).await;
    recorder.script([None, Some(Fault::Fails(ErrorKind::Unavailable))]);
    let error =
        store.expire(&key("k"), ExpiryChange::Extend(Ttl::days(1)), ExpireOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::OutcomeUnknown, false));
    assert_eq!(error.key(), Some(&key("k")));
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("unavailable"));
}

/// Extends the entry beyond the maximum, and lets another writer change it before the second call.
async fn extend_beside<F: Future<Output = ()>>(
    recorder: &Recorder,
    store: &dyn TtlStore,
    options: ExpireOptions,
    other: F,
) -> Outcome<ExpireResult> {
    let gate = Arc::new(Notify::new());
    recorder.script([None, Some(Fault::Waits(Arc::clone(&gate)))]);
    let k = key("k");
    let mut extend = store.expire(&k, ExpiryChange::Extend(Ttl::days(1)), options);
    assert!(extend.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    other.await;
    gate.notify_one();
    extend.await.unwrap()
}

#[tokio::test]
async fn a_sooner_deadline_of_another_writer_is_not_raised() {
    let (recorder, store) = clamped();
    put(&*store, within(50)).await;
    let outcome = extend_beside(&recorder, &*store, ExpireOptions::new(), async {
        let sooner = ExpiryChange::Set(within(5));
        let _ = recorder.memory().expire(&key("k"), sooner, ExpireOptions::new()).await.unwrap();
    });
    assert_eq!(outcome.await.applied().unwrap().deadline, Deadline::after(recorder.now(), Ttl::seconds(5)));
    assert_eq!(left(&recorder, "k").await, Some(5));
}

#[tokio::test]
async fn an_entry_with_another_version_is_not_touched() {
    let (recorder, store) = clamped();
    let options = PutOptions::new(within(50)).with_returning(Returning::VERSION);
    let done = store.put(&key("k"), "v".into(), options).await.unwrap().applied().unwrap();
    let options = ExpireOptions::new().with_if_version(done.version.unwrap());
    let outcome = extend_beside(&recorder, &*store, options, async {
        let longer = PutOptions::new(within(5_000));
        let _ = recorder.memory().put(&key("k"), "newer".into(), longer).await.unwrap();
    });
    assert!(outcome.await.is_applied(), "the extension was applied before the other write");
    assert_eq!(left(&recorder, "k").await, Some(5_000));
}

#[tokio::test]
async fn extensions_of_absent_and_persistent_entries_are_as_ever() {
    let (recorder, store) = clamped();
    let extend = ExpiryChange::Extend(Ttl::days(1));
    let absent = store.expire(&key("k"), extend, ExpireOptions::new()).await.unwrap();
    assert_eq!(absent, Outcome::Absent);
    let _ = recorder.memory().put(&key("k"), "v".into(), PutOptions::new(Expiry::Never)).await.unwrap();
    assert_eq!(expire(&*store, extend).await, Some((Deadline::NEVER, false)));
}
