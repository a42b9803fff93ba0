//! `Fallback`: what reaches which store, and that no entry of an outage comes back.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, Guard,
    PatchOptions, PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{
    Capabilities, Deadline, Entry, ErrorKind, Expiry, Key, Kind, ManualClock, Patch, Result, Ttl, TtlStore,
    Value, async_trait, forward_ttl_store,
};
use ttl_layers::{CircuitBreaker, Fallback, LayerExt, LimitSize, SecondaryScope};

use crate::recorder::{Call, Fault, Recorder, items, key, keys, kind, kinds, lasting, text};

const OUT: ErrorKind = ErrorKind::Unavailable;
const OUTAGES: [ErrorKind; 3] = [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::OutcomeUnknown];

struct Stores {
    primary: Arc<Recorder>,
    secondary: Arc<Recorder>,
    clock: Arc<ManualClock>,
    layer: Fallback,
    store: Arc<dyn TtlStore>,
}

impl Stores {
    fn new() -> Self {
        Self::with(|layer| layer)
    }

    fn with(set: impl FnOnce(Fallback) -> Fallback) -> Self {
        let (primary, secondary, clock) = (Recorder::new(), Recorder::new(), Arc::new(ManualClock::new()));
        let layer = set(Fallback::new(secondary.clone()).with_clock(clock.clone()));
        let store = primary.clone().layer(&layer).unwrap();
        Self { primary, secondary, clock, layer, store }
    }

    /// Writes a value in an outage, and forgets the calls.
    async fn put_in_outage(&self, name: &str, value: &'static str) {
        self.primary.fail(1, OUT);
        let put = self.store.put(&key(name), value.into(), lasting()).await.unwrap();
        assert!(put.is_applied());
        self.forget_calls();
    }

    async fn get_in_outage(&self, name: &str) -> Result<Option<Entry>> {
        self.primary.fail(1, OUT);
        let got = self.store.get(&key(name), GetOptions::new()).await;
        self.forget_calls();
        got
    }

    fn forget_calls(&self) {
        self.primary.calls();
        self.secondary.calls();
    }

    /// Returns the methods that reached the primary and the secondary.
    fn methods(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        (self.primary.methods(), self.secondary.methods())
    }

    fn counts(&self) -> (u64, u64, u64) {
        let counts = self.layer.counts();
        (counts.reads, counts.writes, counts.failed_removals)
    }

    async fn holds(&self, name: &str) -> bool {
        text(self.secondary.memory(), name).await.is_some()
    }
}

fn value(got: Result<Option<Entry>>) -> String {
    let blob = got.unwrap().unwrap().value.unwrap().into_blob().unwrap();
    String::from_utf8(blob.to_vec()).unwrap()
}

#[tokio::test]
async fn a_healthy_primary_is_the_only_store() {
    let stores = Stores::new();
    let store = &stores.store;
    store.put_many(items([("a", "1"), ("b", "2")])).await;
    let _ = store.put(&key("a"), "3".into(), lasting()).await.unwrap();
    assert_eq!(text(&**store, "a").await.as_deref(), Some("3"));
    store.get_many(&keys(["a", "none"]), GetOptions::new()).await;
    let change = ExpiryChange::Set(Expiry::After(Ttl::seconds(1)));
    let _ = store.expire(&key("a"), change, ExpireOptions::new()).await.unwrap();
    let _ = store.scan(ScanOptions::new("")).await.unwrap();
    let _ = store.delete(&key("a"), DeleteOptions::new()).await.unwrap();
    store.delete_many(&keys(["a", "b"]), DeleteOptions::new()).await;
    assert!(store.get(&key("a"), GetOptions::new()).await.unwrap().is_none());
    // An error that is no outage is an answer too.
    stores.primary.fail(1, ErrorKind::Corrupt);
    assert_eq!(kind(store.get(&key("a"), GetOptions::new()).await), ErrorKind::Corrupt);
    stores.primary.fail(1, ErrorKind::TooLarge);
    assert_eq!(kind(store.put(&key("a"), "1".into(), lasting()).await), ErrorKind::TooLarge);
    assert!(stores.secondary.calls().is_empty());
    assert_eq!(stores.counts(), (0, 0, 0));
}

#[tokio::test]
async fn plain_puts_and_their_reads_survive_an_outage() {
    for outage in OUTAGES {
        let stores = Stores::new();
        stores.primary.fail(2, outage);
        let options = lasting().with_returning(Returning::DEADLINE | Returning::VERSION);
        let put = stores.store.put(&key("a"), "new".into(), options).await.unwrap().applied().unwrap();
        let longest = Deadline::after(stores.secondary.now(), Ttl::minutes(5));
        assert_eq!((put.created, put.deadline), (true, Some(longest)), "the real deadline");
        assert_eq!(value(stores.store.get(&key("a"), GetOptions::new()).await), "new");
        assert_eq!(stores.methods(), (vec!["put", "get"], vec!["put", "get"]));
        assert_eq!(stores.counts(), (1, 1, 0), "{outage}");
        // The primary decides again.
        assert!(stores.store.get(&key("a"), GetOptions::new()).await.unwrap().is_none());
        assert_eq!(stores.methods(), (vec!["get"], vec![]));
    }
}

#[tokio::test]
async fn an_outage_is_no_miss() {
    let stores = Stores::new();
    // Nothing was written, so the secondary is not asked.
    assert_eq!(kind(stores.get_in_outage("a").await), OUT);
    assert_eq!(stores.methods(), (vec![], vec![]));
    stores.put_in_outage("b", "1").await;
    assert_eq!(kind(stores.get_in_outage("a").await), OUT);
    // The entry of another kind is not an answer.
    let record = GetOptions::new().with_kind(Kind::Record);
    stores.primary.fail(1, ErrorKind::Timeout);
    assert_eq!(kind(stores.store.get(&key("b"), record).await), ErrorKind::Timeout);
    assert_eq!(stores.counts(), (0, 1, 0));
}

#[tokio::test]
async fn entries_end_at_the_maximum_and_at_their_own_deadline() {
    let stores = Stores::with(|layer| layer.with_max_ttl(Ttl::seconds(60)));
    stores.put_in_outage("long", "1").await;
    stores.primary.fail(1, OUT);
    let short = PutOptions::new(Ttl::seconds(10));
    assert!(stores.store.put(&key("short"), "2".into(), short).await.unwrap().is_applied());
    stores.secondary.advance(9);
    assert_eq!(value(stores.get_in_outage("short").await), "2");
    stores.secondary.advance(1);
    assert_eq!(kind(stores.get_in_outage("short").await), OUT);
    stores.secondary.advance(49);
    assert_eq!(value(stores.get_in_outage("long").await), "1");
    stores.secondary.advance(1);
    assert_eq!(kind(stores.get_in_outage("long").await), OUT);
}

#[tokio::test]
async fn a_kept_or_refreshed_deadline_is_bounded() {
    let stores = Stores::new();
    let left = async || {
        let options = GetOptions::nothing().with_returning(Returning::DEADLINE);
        let entry = stores.secondary.memory().get(&key("a"), options).await.unwrap().unwrap();
        entry.deadline.unwrap().remaining(stores.secondary.now()).unwrap().as_secs()
    };
    for (existing, expected) in [
        (ExistingDeadline::Keep, 300),
        (ExistingDeadline::Refresh(Refresh::reset(Ttl::seconds(20))), 20),
        (ExistingDeadline::Refresh(Refresh::extend_only(Ttl::hours(2))), 300),
    ] {
        stores.primary.fail(1, OUT);
        let options = lasting().with_existing_deadline(existing);
        assert!(stores.store.put(&key("a"), "1".into(), options).await.unwrap().is_applied());
        assert_eq!(left().await, expected, "{existing:?}");
    }
}

#[tokio::test]
async fn a_put_that_ends_its_entry_needs_the_primary() {
    let stores = Stores::new();
    stores.put_in_outage("a", "old").await;
    stores.primary.fail(1, OUT);
    let past = PutOptions::new(Expiry::At(stores.secondary.now()));
    assert_eq!(kind(stores.store.put(&key("a"), "new".into(), past).await), OUT);
    assert_eq!(kind(stores.get_in_outage("a").await), OUT);
}

#[tokio::test]
async fn invalid_input_is_not_written() {
    let (primary, secondary) = (Recorder::new(), Recorder::new());
    let layer = Fallback::new(secondary.clone());
    // An open circuit fails before the inner store checks the input.
    let store = primary.clone().layer(LimitSize::new(4)).unwrap();
    let store = store.layer(CircuitBreaker::new().with_outages(1)).unwrap().layer(&layer).unwrap();
    primary.fail(1, OUT);
    assert_eq!(kind(store.get(&key("a"), GetOptions::new()).await), OUT);
    let far = Expiry::At(store.now() + Ttl::MAX.as_duration() + Duration::from_secs(1));
    assert_eq!(kind(store.put(&key("a"), "large".into(), lasting()).await), ErrorKind::TooLarge);
    assert_eq!(kind(store.put(&key("a"), "v".into(), PutOptions::new(far)).await), ErrorKind::InvalidExpiry);
    let put = store.put_many(items([("a", "large"), ("b", "fits")])).await;
    assert_eq!(kinds(&put), [Some(ErrorKind::TooLarge), None]);
    assert_eq!(secondary.calls(), [("put_many", vec!["b".to_owned()])]);
    assert_eq!(primary.methods(), ["get"]);
}

/// Makes each write of one key that is not a plain put.
async fn writes(store: &dyn TtlStore, name: &str) -> Vec<(&'static str, Option<ErrorKind>)> {
    let (a, many) = (key(name), keys([name]));
    let past = ExpiryChange::Set(Expiry::At(store.now()));
    let create = PatchOptions::new().with_create(Create::new(Ttl::hours(1)));
    let err = |error: ttl_core::Error| error.kind();
    let item = |options| vec![PutItem::new(a.clone(), "new", options)];
    let absent = lasting().with_condition(Condition::IfAbsent);
    vec![
        ("create", store.put(&a, "new".into(), absent.clone()).await.err().map(err)),
        ("swap", store.put(&a, "new".into(), lasting().with_previous()).await.err().map(err)),
        ("end", store.expire(&a, past, ExpireOptions::new()).await.err().map(err)),
        ("patch", store.patch(&a, &Patch::new(), create).await.err().map(err)),
        ("delete", store.delete(&a, DeleteOptions::new()).await.err().map(err)),
        ("take", store.delete(&a, DeleteOptions::take()).await.err().map(err)),
        ("create_many", kinds(&store.put_many(item(absent)).await)[0]),
        ("delete_many", kinds(&store.delete_many(&many, DeleteOptions::new()).await)[0]),
    ]
}

#[tokio::test]
async fn other_writes_need_the_primary() {
    for outage in OUTAGES {
        let stores = Stores::new();
        stores.primary.fail(8, outage);
        let results = writes(&*stores.store, "a").await;
        assert!(results.iter().all(|(_, error)| *error == Some(outage)), "{results:?}");
        stores.primary.fail(1, outage);
        assert_eq!(kind(stores.store.scan(ScanOptions::new("")).await), outage);
        assert!(stores.secondary.calls().is_empty(), "nothing is left to remove");
    }
}

/// A store that hangs in its first call, and lets the test look at the secondary in between.
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
async fn failures_of_the_secondary_are_the_outage() {
    let stores = Stores::new();
    stores.put_in_outage("a", "1").await;
    stores.primary.fail(1, ErrorKind::Timeout);
    stores.secondary.fail(1, ErrorKind::Corrupt);
    assert_eq!(kind(stores.store.get(&key("a"), GetOptions::new()).await), ErrorKind::Timeout);
    stores.primary.fail(1, ErrorKind::OutcomeUnknown);
    stores.secondary.script([None, Some(Fault::Fails(ErrorKind::Backend))]);
    let put = stores.store.put(&key("a"), "1".into(), lasting()).await;
    assert_eq!(kind(put), ErrorKind::OutcomeUnknown);
    assert_eq!(stores.counts(), (0, 1, 0));
}

#[tokio::test]
async fn a_refresh_is_not_made_and_reported() {
    let stores = Stores::new();
    stores.put_in_outage("a", "1").await;
    let refreshing = GetOptions::new().with_refresh(Refresh::reset(Ttl::hours(1)));
    stores.primary.fail(2, ErrorKind::Timeout);
    let entry = stores.store.get(&key("a"), refreshing.clone()).await.unwrap().unwrap();
    assert_eq!(entry.refresh_error.unwrap().kind(), ErrorKind::Timeout);
    let entries = stores.store.get_many(&keys(["a"]), refreshing).await;
    let entry = entries.into_iter().next().unwrap().unwrap().unwrap();
    assert_eq!(entry.refresh_error.unwrap().kind(), ErrorKind::Timeout);
    stores.secondary.advance(300);
    assert_eq!(kind(stores.get_in_outage("a").await), OUT);
}

#[tokio::test]
async fn batched_reads_ask_the_secondary_for_the_lost_keys() {
    let stores = Stores::new();
    stores.put_in_outage("b", "2").await;
    stores.primary.memory().put_many(items([("a", "1")])).await;
    let (out, corrupt) = (Some(OUT), Some(ErrorKind::Corrupt));
    stores.primary.script([Some(Fault::Items(vec![None, out, None, out, corrupt]))]);
    let got = stores.store.get_many(&keys(["a", "b", "none", "lost", "bad"]), GetOptions::new()).await;
    assert_eq!(kinds(&got), [None, None, None, out, corrupt]);
    let found: Vec<bool> = got.iter().map(|got| got.as_ref().is_ok_and(Option::is_some)).collect();
    assert_eq!(found, [true, true, false, false, false]);
    assert_eq!(stores.secondary.calls(), [("get_many", vec!["b".to_owned(), "lost".to_owned()])]);
    assert_eq!(stores.counts(), (1, 1, 0));
}

#[tokio::test]
async fn batched_writes_keep_their_order() {
    let stores = Stores::new();
    let out = Some(OUT);
    // The second write of `a` was applied, so the first must not hide it. Both of `b` were lost.
    stores.primary.script([Some(Fault::Items(vec![out, None, out, out, None]))]);
    let batch = items([("a", "older"), ("a", "newer"), ("b", "older"), ("b", "newer"), ("c", "1")]);
    assert_eq!(kinds(&stores.store.put_many(batch).await), [out, None, None, None, None]);
    assert_eq!(stores.secondary.calls(), [("put_many", vec!["b".to_owned(), "b".to_owned()])]);
    assert_eq!(value(stores.get_in_outage("b").await), "newer");
    assert_eq!(kind(stores.get_in_outage("a").await), OUT);
    assert_eq!(stores.counts(), (1, 2, 0));
    // A later write with a condition was lost too, and may have been applied.
    let mut batch = items([("b", "older"), ("b", "newer")]);
    batch[1].options = lasting().with_condition(Condition::IfPresent);
    stores.primary.fail(1, ErrorKind::OutcomeUnknown);
    assert_eq!(kinds(&stores.store.put_many(batch).await), [Some(ErrorKind::OutcomeUnknown); 2]);
    assert!(!stores.holds("b").await);
}

#[tokio::test]
async fn clones_share_the_secondary() {
    let stores = Stores::new();
    let other = stores.primary.clone().layer(stores.layer.clone()).unwrap();
    stores.put_in_outage("a", "1").await;
    let _ = other.delete(&key("a"), DeleteOptions::new()).await.unwrap();
    assert_eq!(kind(stores.get_in_outage("a").await), OUT);
}

#[tokio::test]
async fn a_version_of_an_outage_does_not_match_the_primary() {
    let stores = Stores::new();
    stores.primary.memory().put_many(items([("a", "primary")])).await;
    stores.put_in_outage("a", "outage").await;
    stores.primary.fail(1, OUT);
    let entry = stores.store.get(&key("a"), GetOptions::new().with_returning(Returning::VERSION)).await;
    let version = entry.unwrap().unwrap().version.unwrap();
    let swap = lasting().with_condition(Condition::IfVersion(version));
    assert!(stores.store.put(&key("a"), "new".into(), swap).await.unwrap().is_refused());
    assert_eq!(text(&*stores.store, "a").await.as_deref(), Some("primary"));
}

/// A secondary that lacks capabilities.
#[derive(Debug)]
struct Limited(Arc<Recorder>);

#[async_trait]
impl TtlStore for Limited {
    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::new("limited").with_resolution(Duration::from_secs(1));
        capabilities
            .with_created_at(false)
            .with_unique_versions(false)
            .with_conditions(false)
            .with_patch(false)
    }

    async fn put(
        &self,
        key: &Key,
        value: Value,
        options: PutOptions,
    ) -> Result<ttl_core::Outcome<ttl_core::results::PutResult>> {
        self.0.put(key, value, options).await
    }

    forward_ttl_store!(self, *self.0 => now get expire patch delete scan get_many put_many delete_many);
}

#[tokio::test]
async fn capabilities_are_those_that_an_outage_keeps() {
    let stores = Stores::new();
    assert_eq!(stores.store.capabilities(), stores.primary.capabilities());
    let primary = Recorder::new();
    let secondary = Arc::new(Limited(Recorder::new()));
    let store = primary.clone().layer(Fallback::new(secondary)).unwrap();
    let capabilities = store.capabilities();
    let expected = primary.capabilities().with_created_at(false).with_unique_versions(false);
    let mut expected = expected.with_resolution(Duration::from_secs(1));
    expected.reclaims_within = None;
    assert_eq!(capabilities, expected);
    // What is denied fails before a call.
    let created_at = Returning::CREATED_AT;
    let unsupported = ErrorKind::Unsupported;
    let get = GetOptions::new().with_returning(created_at);
    let put = lasting().with_returning(created_at);
    assert_eq!(kind(store.get(&key("a"), get.clone()).await), unsupported);
    assert_eq!(kinds(&store.get_many(&keys(["a"]), get).await), [Some(unsupported)]);
    assert_eq!(kind(store.put(&key("a"), "v".into(), put.clone()).await), unsupported);
    assert_eq!(kinds(&store.put_many(vec![PutItem::new(key("a"), "v", put)]).await), [Some(unsupported)]);
    let patch = PatchOptions::new().with_returning(created_at);
    assert_eq!(kind(store.patch(&key("a"), &Patch::new(), patch).await), unsupported);
    let scan = ScanOptions::new("").with_returning(created_at);
    assert_eq!(kind(store.scan(scan).await), unsupported);
    assert!(primary.calls().is_empty());
}

/// A sequence of random calls with random outages, compared with what a caller may see: in an outage the last
/// value that was put in an outage and not written since, otherwise the value of the primary.
#[tokio::test]
async fn no_sequence_of_calls_and_outages_brings_a_value_back() {
    for seed in 0..300 {
        random_calls(seed).await.unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
    }
}

async fn random_calls(seed: u64) -> Result<(), String> {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    let mut random = StdRng::seed_from_u64(seed);
    let Stores { primary, store, .. } = Stores::new();
    let names = ["a", "b"];
    let mut outage_values: [Option<String>; 2] = [None, None];
    let mut log = Vec::new();
    for number in 0..40 {
        let at = random.random_range(0..names.len());
        let (name, key) = (names[at], key(names[at]));
        let fault = match random.random_range(0..5) {
            0 => Some(Fault::Fails(OUT)),
            1 => Some(Fault::Fails(ErrorKind::Timeout)),
            2 => Some(Fault::AppliedAndFails(ErrorKind::OutcomeUnknown)),
            _ => None,
        };
        primary.script([fault.clone()]);
        let call = random.random_range(0..8);
        log.push(format!("{call} on {name}, fault {fault:?}"));
        let new = format!("{number}");
        match call {
            0 | 1 => {
                let put = store.put(&key, new.clone().into(), lasting()).await;
                assert!(put.is_ok_and(|put| put.is_applied()));
                outage_values[at] = fault.is_some().then_some(new);
            }
            2 => {
                let absent = lasting().with_condition(Condition::IfAbsent);
                let _ = store.put(&key, new.into(), absent).await;
                outage_values[at] = None;
            }
            3 => {
                let _ = store.delete(&key, DeleteOptions::new()).await;
                outage_values[at] = None;
            }
            4 => {
                let longer = ExpiryChange::Set(Expiry::After(Ttl::hours(1)));
                let _ = store.expire(&key, longer, ExpireOptions::new()).await;
                // A refresh in an outage leaves the value readable.
                outage_values[at] = outage_values[at].take().filter(|_| fault.is_some());
            }
            5 => {
                let _ = store.delete_many(std::slice::from_ref(&key), DeleteOptions::new()).await;
                outage_values[at] = None;
            }
            _ => {
                // A read has no unknown outcome, and this fault is an outage like the others.
                let got = store.get(&key, GetOptions::new()).await;
                let seen = got.ok().map(|entry| entry.map(|entry| entry.value.unwrap()));
                let expected = match fault {
                    Some(_) => outage_values[at].clone().map(|value| Some(Value::from(value))),
                    None => Some(text(primary.memory(), name).await.map(Value::from)),
                };
                if seen != expected {
                    return Err(format!("expected {expected:?}, seen {seen:?}, after {log:#?}"));
                }
            }
        }
    }
    Ok(())
}
