//! What is reported of a write that took more than one request: what it did, by the time at which it was applied.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use ttl_conformance::servers::{ServerUrl, trial};
use ttl_core::options::{
    Condition, Create, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions,
    Refresh, Returning,
};
use ttl_core::results::PutResult;
use ttl_core::{Deadline, ErrorKind, Expiry, Patch, Ttl, TtlStore};
use ttl_dynamo::{DynamoConfig, DynamoStore};

use crate::raw::{self, b, item, n, s};
use crate::states::State;
use crate::support::{LONG, SHORT, Space, applied, blob, key, record, with_server};
use crate::wire::{ANY, Fault, Wire};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("settled::a_put_that_can_only_create_says_so_after_a_lost_answer", server, created),
        with_server("settled::no_deadline_of_another_is_reported_after_a_lost_answer", server, own_deadline),
        with_server("settled::a_patch_reports_the_deadline_that_it_met", server, met_deadline),
        with_server("settled::a_patch_refreshes_from_the_attempt_that_is_applied", server, fresh_deadline),
        with_server("settled::a_kept_deadline_is_never_later_than_the_collection", server, collection),
        with_server("settled::no_attempt_begins_after_the_timeout", server, no_time_left),
        trial("settled::what_cannot_connect_has_changed_nothing", no_connection()),
    ]
}

/// The second request of this put demands that nothing is stored.
async fn created(endpoint: String) {
    let space = Space::new(endpoint).await;
    let refresh = Refresh::extend_only(Ttl::minutes(3));
    let put = PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Refresh(refresh));
    space.wire.pass(ANY);
    space.wire.once(ANY, Fault::LostAnswer);
    let meta = applied(space.store.put(&key("k"), blob("v"), put).await);
    assert_eq!(space.wire.operations(), ["UpdateItem", "PutItem", "GetItem"]);
    assert!(meta.created);
}

/// The answer is lost, and before the driver asks again another moves the deadline.
async fn own_deadline(endpoint: String) {
    let space = Space::new(endpoint).await;
    let store = &space.store;
    let own = Some(space.now_millis() + LONG.as_millis());
    let put = || PutOptions::new(LONG).with_returning(Returning::DEADLINE);
    let reset = || put().with_existing_deadline(ExistingDeadline::Refresh(Refresh::reset(LONG)));
    let keep = || put().with_existing_deadline(ExistingDeadline::Keep);
    let deadline = |meta: PutResult| meta.deadline.map(Deadline::as_epoch_millis);
    for (state, options, lost) in [
        (State::Nothing, put(), ANY),
        (State::Record, put(), ANY),
        (State::Capped, put(), ANY),
        (State::Nothing, put().with_condition(Condition::IfAbsent), ANY),
        (State::Persistent, reset(), ANY),
        (
            State::Nothing,
            put().with_existing_deadline(ExistingDeadline::Refresh(Refresh::reset(Ttl::minutes(5)))),
            "PutItem",
        ),
    ] {
        space.prepare("k", state).await;
        moves(&space, lost, "GetItem", 0);
        let meta = applied(store.put(&key("k"), blob("v"), options).await);
        assert_eq!(deadline(meta), own, "{state:?}");
        assert!(space.wire.is_used_up(), "{state:?}");
    }
    // A write that is pinned on a version is sent again before anything is read.
    for options in [put(), reset()] {
        space.prepare("k", State::Record).await;
        let options = options.with_condition(Condition::IfVersion(space.version("k").await));
        moves(&space, ANY, "UpdateItem", 1);
        let meta = applied(store.put(&key("k"), blob("v"), options).await);
        assert_eq!(deadline(meta), own);
        assert!(space.wire.is_used_up());
    }
    let wanted = || PatchOptions::new().with_returning(Returning::DEADLINE);
    let refreshing = || wanted().with_refresh(Refresh::reset(LONG));
    let increment = Patch::new().increment("n", 1);
    for (state, patch, options, lost, next, passing) in [
        (State::Record, increment.clone(), refreshing(), "UpdateItem", "GetItem", 0),
        (State::Record, Patch::new().pop_back("list"), refreshing(), "UpdateItem", "UpdateItem", 1),
        (State::Nothing, increment.clone(), wanted().with_create(Create::new(LONG)), "PutItem", "GetItem", 0),
    ] {
        space.prepare("k", state).await;
        moves(&space, lost, next, passing);
        let done = store.patch(&key("k"), &patch, options).await.unwrap();
        assert_eq!(done.applied().unwrap().deadline.map(Deadline::as_epoch_millis), own, "{patch:?}");
        assert!(space.wire.is_used_up(), "{patch:?}");
    }
    // A deadline that was kept cannot be told any more, but that of what the put created can.
    space.prepare("k", State::Record).await;
    moves(&space, ANY, "GetItem", 0);
    let error = store.put(&key("k"), blob("v"), keep()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(error.to_string().contains("the write was applied"), "{error}");
    space.prepare("k", State::Record).await;
    moves(&space, ANY, "GetItem", 0);
    let error = store.patch(&key("k"), &increment, wanted()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    space.prepare("k", State::Nothing).await;
    space.wire.once(ANY, Fault::LostAnswer);
    assert_eq!(deadline(applied(store.put(&key("k"), blob("v"), keep()).await)), own);
    // Where the deadline is not wanted, all is known.
    space.prepare("k", State::Record).await;
    moves(&space, ANY, "GetItem", 0);
    applied(store.put(&key("k"), blob("v"), keep().with_returning(Returning::empty())).await);
}

/// Loses the answer to the next request of one kind, and moves the deadline before the next one of another kind, after
/// so many of them.
fn moves(space: &Space, lost: &'static str, next: &'static str, passing: usize) {
    space.wire.once(lost, Fault::LostAnswer);
    (0..passing).for_each(|_| space.wire.before(next, || async {}));
    let quiet = space.quiet.clone();
    space.wire.before(next, move || async move {
        let later = ExpiryChange::Set(Expiry::After(Ttl::hours(2)));
        assert!(quiet.expire(&key("k"), later, ExpireOptions::new()).await.unwrap().is_applied());
    });
}

async fn met_deadline(endpoint: String) {
    let space = Space::new(endpoint).await;
    applied(space.quiet.put(&key("k"), record(), PutOptions::new(LONG)).await);
    let quiet = space.quiet.clone();
    // Between the read and the write of the patch.
    space.wire.before("UpdateItem", move || async move {
        let sooner = ExpiryChange::Set(Expiry::After(Ttl::minutes(1)));
        assert!(quiet.expire(&key("k"), sooner, ExpireOptions::new()).await.unwrap().is_applied());
    });
    let wanted = PatchOptions::new().with_returning(Returning::DEADLINE);
    let done = space.store.patch(&key("k"), &Patch::new().pop_back("list"), wanted).await.unwrap();
    let deadline = done.applied().unwrap().deadline.unwrap();
    assert_eq!(n(deadline.as_epoch_millis()), space.raw.get("k").await.unwrap()["ttl:deadline"]);
}

async fn fresh_deadline(endpoint: String) {
    let space = Space::new(endpoint).await;
    applied(space.quiet.put(&key("k"), record(), PutOptions::new(LONG)).await);
    let clock = Arc::clone(&space.clock);
    space.wire.once("UpdateItem", Fault::Refused("ThrottlingException"));
    space.wire.before("UpdateItem", move || async move { clock.advance(Duration::from_secs(7)) });
    let reset =
        PatchOptions::new().with_returning(Returning::DEADLINE).with_refresh(Refresh::reset(Ttl::seconds(5)));
    let done = space.store.patch(&key("k"), &Patch::new().pop_back("list"), reset).await.unwrap();
    let deadline = done.applied().unwrap().deadline.unwrap();
    assert_eq!(deadline.as_epoch_millis(), space.now_millis() + 5000);
    assert!(space.quiet.get(&key("k"), GetOptions::new()).await.unwrap().is_some());
}

/// An entry without the table's TTL: it was written when that had another name.
async fn collection(endpoint: String) {
    let space = Space::new(endpoint).await;
    let deadline = space.now_millis() + 365 * 24 * 3600 * 1000;
    let old = [("ttl:version", s("v")), ("ttl:deadline", n(deadline)), ("ttl:value", b("old"))];
    space.raw.put("k", item(old)).await;
    applied(
        space
            .store
            .put(&key("k"), blob("v"), PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Keep))
            .await,
    );
    let stored = space.raw.get("k").await.unwrap();
    assert_eq!(stored["ttl:deadline"], n(deadline));
    let epoch: u64 = stored["ttl:epoch"].as_n().unwrap().parse().unwrap();
    assert!(epoch * 1000 >= deadline, "{epoch}");
}

async fn no_time_left(endpoint: String) {
    let change = |config: DynamoConfig| {
        let backoff = (Duration::from_millis(50), Duration::from_secs(1));
        config.with_attempt_timeout(SHORT).with_timeout(2 * SHORT).with_backoff(backoff.0, backoff.1)
    };
    let space = Space::with(endpoint, change).await;
    applied(space.quiet.put(&key("k"), record(), PutOptions::new(LONG)).await);
    // Somebody else is faster each time.
    for _ in 0..64 {
        let quiet = space.quiet.clone();
        space.wire.before("UpdateItem", move || async move {
            let theirs = quiet.patch(&key("k"), &Patch::new().increment("n", 1), PatchOptions::new()).await;
            assert!(theirs.unwrap().is_applied());
        });
    }
    let patch = Patch::new().pop_back("list");
    let error = space.store.patch(&key("k"), &patch, PatchOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contention, "{error}");
    assert!(space.wire.operations().len() < 40);
    space.wire.heal();
    // The read that is to settle it has no time of its own.
    space.wire.always(ANY, Fault::Silent { done: false });
    let error = space.store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert!(space.wire.operations().len() <= 3);
}

/// At an address where connections are neither made nor refused.
async fn no_connection() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts, and when the queue is full nobody answers.
    let mut queue = Vec::new();
    while let Ok(waiting) = timeout(Duration::from_secs(2), TcpStream::connect(address)).await {
        queue.push(waiting.unwrap());
        assert!(queue.len() < 64, "the queue does not fill");
    }
    let client = raw::client(&format!("http://{address}"), Wire::new());
    let config = DynamoConfig::new("table").with_attempts(2);
    // The same limit for both would make it a race.
    let config = config.with_attempt_timeout(4 * SHORT).with_connect_timeout(4 * SHORT);
    let store = DynamoStore::from_client(&client, &config).unwrap();
    for _ in 0..3 {
        let error = store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
}
