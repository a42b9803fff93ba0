//! Every set of actions with every operation: the calls of the store, and the resulting deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ttl_store::options::{ExistingDeadline, ExpiryChange, GetOptions, Guard, PutOptions, Refresh, Returning};
use ttl_store::{
    Actions, Counters, Deadline, ErrorKind, Expiry, Json, Patch, Raw, Record, Records, RefreshMode,
    RefreshPolicy, Ttl,
};

use crate::support::{Call, Fixture, Session, TTL, session};

/// The operations: their names and actions.
const OPERATIONS: [(&str, Actions); 22] = [
    ("get", Actions::FETCH),
    ("get_item", Actions::FETCH),
    ("get_many", Actions::FETCH),
    ("get_fields", Actions::READ),
    ("contains", Actions::READ),
    ("put", Actions::UPDATE),
    ("put_many", Actions::UPDATE),
    ("replace", Actions::UPDATE),
    ("compare_and_swap", Actions::UPDATE),
    ("patch set", Actions::UPDATE),
    ("patch append", Actions::APPEND),
    ("patch pop", Actions::ERASE),
    ("patch unset", Actions::ERASE),
    ("patch increment", Actions::ARITHMETIC),
    ("patch two", Actions::APPEND.union(Actions::ERASE)),
    ("patch nothing", Actions::empty()),
    ("patch_or_create", Actions::UPDATE),
    ("add", Actions::ARITHMETIC),
    ("peek", Actions::empty()),
    ("deadline", Actions::empty()),
    ("remaining", Actions::empty()),
    ("keys", Actions::empty()),
];

struct Subject {
    fixture: Fixture,
    records: Records<Session>,
    counters: Counters,
}

impl Subject {
    /// A record and a counter under `k`, 10 s old.
    async fn new(policy: RefreshPolicy) -> Self {
        let fixture = Fixture::new();
        let records = fixture.store.records("s", TTL).refresh(policy).build().unwrap();
        let counters = fixture.store.counters("s", TTL).refresh(policy).build().unwrap();
        records.put("k", &session("/")).await.unwrap();
        counters.put("k", &1).await.unwrap();
        fixture.advance(10);
        Self { fixture, records, counters }
    }

    async fn run(&self, name: &str) {
        let (records, value) = (&self.records, session("/"));
        let patch = async |patch: Patch| assert!(records.patch("k", patch).await.unwrap().is_some());
        match name {
            "get" => assert!(records.get("k").await.unwrap().is_some()),
            "get_item" => assert!(records.get_item("k", Returning::empty()).await.unwrap().is_some()),
            "get_many" => assert!(records.get_many(["k"]).await[0].as_ref().unwrap().is_some()),
            "get_fields" => assert!(records.get_fields("k", ["page"]).await.unwrap().is_some()),
            "contains" => assert!(records.contains("k").await.unwrap()),
            "put" => assert!(!records.put("k", &value).await.unwrap().created),
            "put_many" => assert!(!records.put_many([("k", &value)]).await[0].as_ref().unwrap().created),
            "replace" => assert!(records.replace("k", &value).await.unwrap().is_applied()),
            "compare_and_swap" => {
                let (key, peek) =
                    (records.key("k").unwrap(), GetOptions::nothing().with_returning(Returning::VERSION));
                let seen = self.fixture.store.driver().get(&key, peek).await.unwrap().unwrap();
                let swapped = records.compare_and_swap("k", seen.version.unwrap(), &value).await.unwrap();
                assert!(swapped.is_applied());
            }
            "patch set" => patch(Patch::new().set("page", "/")).await,
            "patch append" => patch(Patch::new().append("list", 1)).await,
            "patch pop" => patch(Patch::new().pop_back("list")).await,
            "patch unset" => patch(Patch::new().unset("more")).await,
            "patch increment" => patch(Patch::new().increment("hits", 1)).await,
            "patch two" => patch(Patch::new().append("list", 1).pop_front("list")).await,
            "patch nothing" => patch(Patch::new()).await,
            "patch_or_create" => {
                let set = Patch::new().set("page", "/");
                assert!(!records.patch_or_create("k", set, &value).await.unwrap().created);
            }
            "add" => assert_eq!(self.counters.add("k", 1).await.unwrap(), 2),
            "peek" => assert!(records.peek("k").await.unwrap().is_some()),
            "deadline" => assert!(records.deadline("k").await.unwrap().is_some()),
            "remaining" => assert!(records.remaining("k").await.unwrap().is_some()),
            "keys" => assert!(records.keys().next_page().await.unwrap().is_some()),
            other => panic!("no operation is called {other}"),
        }
    }

    async fn deadline(&self, name: &str) -> Deadline {
        let deadline =
            if name == "add" { self.counters.deadline("k").await } else { self.records.deadline("k").await };
        deadline.unwrap().unwrap()
    }
}

/// Returns the refresh that a call requests. An expire that names a version is the refresh of a typed read.
fn refresh_of(call: &Call) -> Option<Refresh> {
    match call {
        Call::Get(_, options) | Call::GetMany(_, options) => options.refresh,
        Call::Patch(_, options) => options.refresh,
        Call::Put(_, options) => existing_deadline(options.existing_deadline),
        Call::PutMany(items) => existing_deadline(items[0].1.existing_deadline),
        Call::Expire(_, ExpiryChange::Set(Expiry::After(ttl)), options) if options.if_version.is_some() => {
            Some(match options.guard {
                Guard::IfLater => Refresh::extend_only(*ttl),
                _ => Refresh::reset(*ttl),
            })
        }
        Call::Expire(..) | Call::Delete(..) | Call::DeleteMany(..) | Call::Scan(_) => None,
    }
}

fn existing_deadline(existing_deadline: ExistingDeadline) -> Option<Refresh> {
    match existing_deadline {
        ExistingDeadline::Refresh(refresh) => Some(refresh),
        ExistingDeadline::Keep => None,
        other @ ExistingDeadline::Replace => panic!("a put that replaces the deadline: {other:?}"),
    }
}

#[tokio::test]
async fn each_operation_refreshes_by_its_own_actions() {
    let flags = Actions::all() - Actions::DELETE;
    for bits in 0..=u8::MAX {
        let actions = Actions::from_bits_retain(bits);
        if !flags.contains(actions) {
            continue;
        }
        for (name, its_own) in OPERATIONS {
            let subject = Subject::new(RefreshPolicy::on(actions).unwrap()).await;
            let before = subject.deadline(name).await;
            subject.fixture.calls();
            subject.run(name).await;

            let expected = actions.intersects(its_own).then(|| Refresh::extend_only(TTL));
            let call = subject.fixture.calls().pop().unwrap();
            assert_eq!(refresh_of(&call), expected, "{name} under {actions}");
            let moved = if expected.is_some() { Ttl::seconds(10).as_millis() } else { 0 };
            let after = subject.deadline(name).await.as_epoch_millis();
            assert_eq!(after - before.as_epoch_millis(), moved, "{name} under {actions}");
        }
    }
}

#[tokio::test]
async fn mode_and_slack_are_handed_on() {
    let policy =
        RefreshPolicy::on(Actions::FETCH).unwrap().with_mode(RefreshMode::Reset).with_slack(Ttl::seconds(15));
    let subject = Subject::new(policy).await;
    let before = subject.deadline("get").await;
    subject.fixture.calls();
    subject.run("get").await;
    assert_eq!(refresh_of(&subject.fixture.call()), None, "10 s are less than the slack: one request");
    assert_eq!(subject.deadline("get").await, before);
    subject.fixture.advance(5);
    subject.fixture.calls();
    subject.run("get").await;
    let calls = subject.fixture.calls();
    assert_eq!(calls.iter().map(refresh_of).collect::<Vec<_>>(), [None, Some(Refresh::reset(TTL))]);
    assert_eq!(subject.deadline("get").await, before.plus(Ttl::seconds(15)));
}

#[tokio::test]
async fn a_policy_changes_for_all_clones_at_once() {
    let subject = Subject::new(RefreshPolicy::never()).await;
    let clone = subject.records.with_returning(Returning::DEADLINE);
    assert_eq!(clone.refresh_policy(), RefreshPolicy::never());

    let policy = RefreshPolicy::on(Actions::FETCH).unwrap();
    subject.records.set_refresh_policy(policy).unwrap();
    assert_eq!(clone.refresh_policy(), policy);
    subject.fixture.calls();
    clone.get("k").await.unwrap();
    let calls = subject.fixture.calls();
    assert_eq!(calls.iter().map(refresh_of).collect::<Vec<_>>(), [None, Some(Refresh::extend_only(TTL))]);

    clone.set_refresh_policy(RefreshPolicy::never()).unwrap();
    subject.records.get("k").await.unwrap();
    assert_eq!(refresh_of(&subject.fixture.call()), None);
}

#[tokio::test]
async fn a_policy_that_cannot_work_leaves_the_old_one() {
    let subject = Subject::new(RefreshPolicy::default()).await;
    let error = subject.records.set_refresh_policy(RefreshPolicy::never().with_slack(TTL)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPolicy);
    assert_eq!(subject.records.refresh_policy(), RefreshPolicy::default());
}

#[tokio::test]
async fn a_failed_refresh_does_not_fail_the_read() {
    let subject = Subject::new(RefreshPolicy::on(Actions::READ | Actions::FETCH).unwrap()).await;
    subject.fixture.fail_refreshes(ErrorKind::Unavailable);
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.clone());
    for (name, lines) in [("get", 1), ("get_many", 2), ("get_fields", 3), ("contains", 4)] {
        subject.run(name).await;
        assert_eq!(log.0.load(Ordering::SeqCst), lines, "{name} says it in the log");
    }
    drop(guard);
    let item = subject.records.get_item("k", Returning::empty()).await.unwrap().unwrap();
    assert_eq!(item.refresh_error.unwrap().kind(), ErrorKind::Unavailable);
}

/// Counts warnings.
#[derive(Clone, Default)]
struct Log(Arc<AtomicUsize>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Sessions in the type of a later release of the program.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Newer {
    page: String,
    language: String,
}

#[tokio::test]
async fn what_cannot_be_decoded_is_never_refreshed_and_ends() {
    let fixture = Fixture::new();
    let everything = RefreshPolicy::on(Actions::all_refreshable()).unwrap();
    let older = fixture.store.records("s", TTL).refresh(everything).build().unwrap();
    let newer = fixture.store.records::<Newer>("s", TTL).refresh(everything).build().unwrap();
    let texts = fixture.store.blobs::<String, _>("b", TTL, Json).refresh(everything).build().unwrap();
    let numbers = fixture.store.blobs::<u64, _>("b", TTL, Json).refresh(everything).build().unwrap();
    #[cfg(feature = "msgpack")]
    let packed = {
        let packed = fixture.store.blobs::<String, _>("m", TTL, ttl_store::MessagePack).refresh(everything);
        packed.build().unwrap().put("k", &"text".to_owned()).await.unwrap();
        let packed = fixture.store.blobs::<u64, _>("m", TTL, ttl_store::MessagePack).refresh(everything);
        packed.build().unwrap()
    };
    older.put("k", &session("/")).await.unwrap();
    texts.put("k", &"text".to_owned()).await.unwrap();
    let counters = fixture.store.counters("n", TTL).refresh(everything).build().unwrap();
    let (key, foreign) = (counters.key("k").unwrap(), Record::new().with("count", "text"));
    let _ = fixture.store.driver().put(&key, foreign.into(), PutOptions::new(TTL)).await.unwrap();
    for _ in 0..5 {
        fixture.advance(10);
        let codec = |error: ttl_store::Error| assert_eq!(error.kind(), ErrorKind::Codec);
        codec(newer.get("k").await.unwrap_err());
        codec(newer.get_item("k", Returning::all()).await.unwrap_err());
        codec(newer.get_many(["k"]).await.into_result().unwrap_err());
        codec(numbers.get("k").await.unwrap_err());
        codec(numbers.get_many(["k"]).await.into_result().unwrap_err());
        #[cfg(feature = "msgpack")]
        codec(packed.get("k").await.unwrap_err());
        codec(counters.get("k").await.unwrap_err());
    }
    fixture.advance(10);
    assert!(newer.get("k").await.unwrap().is_none(), "a minute after the put, the entry has ended");
    assert!(numbers.get("k").await.unwrap().is_none());
    assert!(fixture.stored_keys().await.is_empty());
}

#[tokio::test]
async fn a_read_refreshes_the_version_that_it_decoded_and_no_newer_one() {
    let policy = RefreshPolicy::on(Actions::FETCH).unwrap();
    let subject = Subject::new(policy).await;
    subject.fixture.calls();
    let item = subject.records.get_item("k", Returning::all()).await.unwrap().unwrap();
    let calls = subject.fixture.calls();
    let Call::Expire(_, _, options) = &calls[1] else { panic!("{calls:?}") };
    assert_eq!(options.if_version, item.version);
    assert_eq!(item.deadline, Some(subject.deadline("get").await));
    let few = subject.records.get_many(["k", "missing", "k"]).await.into_result().unwrap();
    assert_eq!(few.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    // Raw bytes always decode: one request gets and refreshes.
    let raw = subject.fixture.store.blobs::<Vec<u8>, _>("raw", TTL, Raw).refresh(policy).build().unwrap();
    raw.put("k", &vec![1]).await.unwrap();
    subject.fixture.calls();
    raw.get("k").await.unwrap();
    assert_eq!(refresh_of(&subject.fixture.call()), Some(Refresh::extend_only(TTL)));
}
