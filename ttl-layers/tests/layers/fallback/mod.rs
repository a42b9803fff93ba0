//! `Fallback`: what reaches which store, and what each answers.

mod removals;
mod sequences;

use std::sync::Arc;
use std::time::Duration;

use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions,
    PatchOptions, PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{
    Capabilities, Deadline, Entry, ErrorKind, Expiry, Key, Kind, ManualClock, Patch, Result, Ttl, TtlStore,
    Value, async_trait, forward_ttl_store,
};
use ttl_layers::{CircuitBreaker, Fallback, LayerExt, LimitSize};

use crate::recorder::{Fault, Recorder, items, key, keys, kind, kinds, lasting, text};

pub(crate) const OUT: ErrorKind = ErrorKind::Unavailable;
const OUTAGES: [ErrorKind; 3] = [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::OutcomeUnknown];

pub(crate) struct Stores {
    pub(crate) primary: Arc<Recorder>,
    pub(crate) secondary: Arc<Recorder>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) layer: Fallback,
    pub(crate) store: Arc<dyn TtlStore>,
}

impl Stores {
    pub(crate) fn new() -> Self {
        Self::with(|layer| layer)
    }

    pub(crate) fn with(set: impl FnOnce(Fallback) -> Fallback) -> Self {
        let (primary, secondary, clock) = (Recorder::new(), Recorder::new(), Arc::new(ManualClock::new()));
        let layer = set(Fallback::new(secondary.clone()).with_clock(clock.clone()));
        let store = primary.clone().layer(&layer).unwrap();
        Self { primary, secondary, clock, layer, store }
    }

    /// Writes a value in an outage, and forgets the calls.
    pub(crate) async fn put_in_outage(&self, name: &str, value: &'static str) {
        self.primary.fail(1, OUT);
        let put = self.store.put(&key(name), value.into(), lasting()).await.unwrap();
        assert!(put.is_applied());
        self.forget_calls();
    }

    pub(crate) async fn get_in_outage(&self, name: &str) -> Result<Option<Entry>> {
        self.primary.fail(1, OUT);
        let got = self.store.get(&key(name), GetOptions::new()).await;
        self.forget_calls();
        got
    }

    pub(crate) fn forget_calls(&self) {
        self.primary.calls();
        self.secondary.calls();
    }

    /// Returns the methods that reached the primary and the secondary.
    pub(crate) fn methods(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        (self.primary.methods(), self.secondary.methods())
    }

    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let counts = self.layer.counts();
        (counts.reads, counts.writes, counts.failed_removals)
    }

    pub(crate) async fn holds(&self, name: &str) -> bool {
        text(self.secondary.memory(), name).await.is_some()
    }
}

pub(crate) fn value(got: Result<Option<Entry>>) -> String {
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
    // Any other error is an answer too.
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

    forward_ttl_store!(self, *self.0 => now get expire patch delete scan get_many put_many delete_many changes);
}

#[tokio::test]
async fn capabilities_are_those_that_an_outage_keeps() {
    let stores = Stores::new();
    assert_eq!(stores.store.capabilities(), stores.primary.capabilities().with_changes(false));
    let primary = Recorder::new();
    let secondary = Arc::new(Limited(Recorder::new()));
    let store = primary.clone().layer(Fallback::new(secondary)).unwrap();
    let capabilities = store.capabilities();
    let expected = primary.capabilities().with_created_at(false).with_unique_versions(false);
    let mut expected = expected.with_changes(false).with_resolution(Duration::from_secs(1));
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
