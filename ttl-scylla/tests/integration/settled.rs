//! Writes whose answers are lost, late or about somebody else's write: none is applied twice, none revives what is over,
//! none is taken for another's; and writes that meet in the same microsecond.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions, Refresh,
    Returning,
};
use ttl_core::{ErrorKind, Expiry, Key, Patch, Ttl, TtlStore};
use ttl_scylla::{Mode, ScyllaStore};

use crate::frames::Refusal;
use crate::space::{SHORT, Space, eventually, in_both, in_mode};
use crate::states::record;
use crate::support::{LONG, applied, blob, key};
use crate::wire::Fault;

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let mut trials = vec![
        in_mode(Mode::Strict, "settled::anothers_commit_is_not_ones_own", server, commit),
        in_mode(Mode::Strict, "settled::extensions_add_up", server, extensions),
        in_mode(Mode::Strict, "settled::what_is_deleted_is_not_created_again", server, created),
        in_mode(Mode::Strict, "settled::a_deadline_that_comes_back_is_not_moved_again", server, again),
        in_mode(
            Mode::Strict,
            "settled::a_server_with_too_much_to_do_is_asked_less_and_less",
            server,
            overloaded,
        ),
        in_mode(Mode::Strict, "settled::patches_do_not_queue_for_one_that_hangs", server, queue),
        in_mode(Mode::Lww, "settled::a_refresh_never_ties_with_a_newer_put", server, ties),
        in_mode(Mode::Lww, "settled::a_refresh_never_ties_with_an_expire", server, persisted),
    ];
    trials.extend(in_both("settled::what_ends_meanwhile_stays_dead", server, dead));
    trials
}

/// A store that gives up soon.
async fn hasty(space: &Space) -> ScyllaStore {
    space.another(|config| config.with_timeout(SHORT)).await
}

/// A store that gives up when something else has been done meanwhile.
async fn patient(space: &Space) -> ScyllaStore {
    space.another(|config| config.with_timeout(SHORT * 5)).await
}

async fn is_there(space: &Space, name: &Key) -> bool {
    space.quiet.get(name, GetOptions::new()).await.unwrap().is_some()
}

/// Returns when a write on the table went over the wire.
async fn written(space: &Space) {
    eventually("a write", || async { space.wire.seen().iter().any(|seen| seen == "UPDATE") }).await;
}

async fn deadline(space: &Space, name: &Key) -> Option<ttl_core::Deadline> {
    let peek = GetOptions::nothing().with_returning(Returning::DEADLINE);
    space.quiet.get(name, peek).await.unwrap().and_then(|entry| entry.deadline)
}

/// What became of a write is asked again and again, and those who ask are not what keeps the server busy.
async fn overloaded(space: Space) {
    let store = patient(&space).await;
    space.wire.fail(1, "UPDATE", "k", Fault::LostAnswer);
    space.wire.fail(u32::MAX, "SELECT", "", Fault::Refused(Refusal::Overloaded));
    space.wire.seen();
    let absent = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
    let error = store.put(&key("k"), blob("v"), absent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    let reads = space.wire.seen().iter().filter(|seen| *seen == "SELECT").count();
    // In the two seconds of a patient one; more of them without pauses that grow.
    assert!((2..=30).contains(&reads), "{reads}");
    space.wire.heal();
}

/// Before a transaction begins, the server completes and commits one that was left behind: it may be that commit which
/// lacks acknowledgements.
async fn commit(space: Space) {
    let (store, timeout) = (&space.store, Fault::Refused(Refusal::WriteTimeoutSimple));
    let name = key("put");
    space.wire.fail(1, "UPDATE", "put", timeout);
    let error = store.put(&name, blob("v"), PutOptions::new(LONG)).await.unwrap_err();
    assert_eq!((error.kind(), is_there(&space, &name).await), (ErrorKind::OutcomeUnknown, false));

    let name = key("patched");
    applied(store.put(&name, record().into(), PutOptions::new(LONG)).await);
    space.wire.fail(1, "UPDATE", "patched", timeout);
    let patch = Patch::new().increment("settled", 1);
    applied(store.patch(&name, &patch, PatchOptions::new()).await);
    let entry = space.quiet.get(&name, GetOptions::new()).await.unwrap().unwrap();
    let fields = entry.value.unwrap().into_record().unwrap();
    assert_eq!(fields.get("settled"), Some(&serde_json::json!(1)));

    space.wire.fail(1, "DELETE", "patched", timeout);
    let error = store.delete(&name, DeleteOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), is_there(&space, &name).await), (ErrorKind::OutcomeUnknown, true));
}

/// Two who extend the same deadline by the same time want the same instant: that it is reached says nothing about who
/// has done it.
async fn extensions(space: Space) {
    let (patient, name) = (patient(&space).await, key("k"));
    // The cells reach far enough for small writes.
    applied(space.quiet.put(&name, blob("v"), PutOptions::new(Ttl::hours(10))).await);
    let sooner = ExpiryChange::Set(LONG.into());
    applied(space.quiet.expire(&name, sooner, ExpireOptions::new()).await);
    let before = deadline(&space, &name).await.unwrap();
    space.wire.seen();
    space.wire.fail(1, "UPDATE", "k", Fault::Silent { done: false });
    let extend = ExpiryChange::Extend(LONG);
    let (mine, others) = tokio::join!(patient.expire(&name, extend, ExpireOptions::new()), async {
        written(&space).await;
        applied(space.quiet.expire(&name, extend, ExpireOptions::new()).await)
    });
    assert_eq!(others.deadline, before.plus(LONG));
    // Once was not this one.
    assert_eq!(deadline(&space, &name).await, Some(others.deadline));
    assert_eq!(mine.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
}

/// A create is pinned on nothing being there, which comes back: what arrives late would be there again.
async fn created(space: Space) {
    let (hasty, name) = (hasty(&space).await, key("k"));
    for condition in [Condition::Always, Condition::IfAbsent] {
        space.wire.fail(1, "UPDATE", "k", Fault::Late(SHORT * 4));
        let put = PutOptions::new(LONG).with_condition(condition);
        let put = hasty.put(&name, blob("v"), put).await;
        // Whoever was told that it is there may delete it.
        if put.is_ok() {
            applied(space.quiet.delete(&name, DeleteOptions::new()).await);
        }
        tokio::time::sleep(SHORT * 4).await;
        space.wire.settle().await;
        let there = is_there(&space, &name).await;
        let updates = space.wire.seen().into_iter().filter(|seen| seen == "UPDATE").count();
        assert_eq!(
            put.map_err(|error| error.kind()),
            Err(ErrorKind::OutcomeUnknown),
            "{condition:?}, {there}"
        );
        assert_eq!((updates, there), (1, true), "{condition:?}");
        applied(space.quiet.delete(&name, DeleteOptions::new()).await);
        // One that was applied is recognised.
        space.wire.fail(1, "UPDATE", "k", Fault::Silent { done: true });
        let put = PutOptions::new(LONG).with_condition(condition);
        assert!(applied(hasty.put(&name, blob("v"), put).await).created);
        applied(space.quiet.delete(&name, DeleteOptions::new()).await);
        space.wire.seen();
    }
}

/// So is a move of the deadline pinned on the deadline that was there.
async fn again(space: Space) {
    let (hasty, name) = (hasty(&space).await, key("k"));
    applied(space.quiet.put(&name, blob("v"), PutOptions::new(Expiry::Never)).await);
    space.wire.fail(1, "UPDATE", "k", Fault::Late(SHORT * 4));
    let get = GetOptions::new().with_refresh(Refresh::reset(LONG));
    let entry = hasty.get(&name, get).await.unwrap().unwrap();
    // Somebody wants it to stay.
    let stay = ExpiryChange::Set(Expiry::Never);
    applied(space.quiet.expire(&name, stay, ExpireOptions::new()).await);
    tokio::time::sleep(SHORT * 4).await;
    space.wire.settle().await;
    let ends = deadline(&space, &name).await.unwrap();
    let told = entry.refresh_error.map(|error| error.kind());
    // A request that is late may come between whatever follows; nobody was told that it was done.
    assert_eq!((told, ends.is_never()), (Some(ErrorKind::OutcomeUnknown), false));
}

/// While a server hangs, patches of one key wait for each other no longer than for it.
async fn queue(space: Space) {
    const PATCHES: usize = 20;
    let (hasty, name) = (hasty(&space).await, key("k"));
    applied(space.quiet.put(&name, record().into(), PutOptions::new(LONG)).await);
    space.wire.seen();
    space.wire.fail(1_000, "SELECT", "k", Fault::Silent { done: false });
    let patch = Patch::new().increment("n", 1);
    let mut running: FuturesUnordered<_> =
        (0..PATCHES).map(|_| hasty.patch(&name, &patch, PatchOptions::new())).collect();
    for _ in 0..4 {
        let error = running.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }
    // One after another, hardly more would have asked than have ended.
    assert_eq!(space.wire.seen().len(), PATCHES);
    space.wire.heal();
}

/// A write that was sent to a live entry is not sent again to a dead one.
async fn dead(space: Space) {
    let patient = patient(&space).await;
    let patch = Patch::new().increment("n", 1);
    let two = Refresh::extend_only(Ttl::hours(10));
    for what in ["get", "patch", "put", "keep"] {
        if space.mode == Mode::Lww && what != "get" {
            continue;
        }
        let name = key(what);
        let put = PutOptions::new(LONG).with_returning(Returning::VERSION);
        let version = applied(space.quiet.put(&name, record().into(), put).await).version.unwrap();
        space.wire.seen();
        space.wire.fail(1, "UPDATE", what, Fault::Silent { done: false });
        let operation = async {
            match what {
                "get" => {
                    let entry = patient.get(&name, GetOptions::new().with_refresh(two)).await?.unwrap();
                    entry.refresh_error.map_or(Ok(()), Err)
                }
                "patch" => {
                    patient.patch(&name, &patch, PatchOptions::new().with_refresh(two)).await.map(|_| ())
                }
                "put" => {
                    let put = PutOptions::new(Ttl::hours(10)).with_condition(Condition::IfVersion(version));
                    patient.put(&name, blob("v"), put).await.map(|_| ())
                }
                _ => {
                    let put = PutOptions::new(Ttl::hours(10)).with_condition(Condition::IfPresent);
                    patient.put(&name, blob("v"), put).await.map(|_| ())
                }
            }
        };
        let (answer, ()) = tokio::join!(operation, async {
            written(&space).await;
            space.clock.advance(Duration::from_secs(2 * 3_600));
        });
        assert_eq!(
            (answer.map_err(|error| error.kind()), is_there(&space, &name).await),
            (Err(ErrorKind::OutcomeUnknown), false),
            "{what}"
        );
    }
}

/// Writes an entry in lww mode by a client whose clock is an hour ahead.
async fn ahead(space: &Space, name: &str) {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() + 3_600_000_000;
    let until = space.now_millis() + 60_000;
    let cql = format!(
        "UPDATE {{}} USING TTL 300 AND TIMESTAMP {micros} SET kind = 1, value = 0x61, deadline = {until}, covers = \
         {until}, cap = {}, version = 00000000-0000-4000-8000-000000000007 WHERE key = '{name}'",
        i64::MAX
    );
    space.raw.run(&cql).await;
}

/// The clock of who has written is ahead, so a put goes by its timestamp, as a refresh does.
async fn ties(space: Space) {
    let refresh = || GetOptions::new().with_refresh(Refresh::extend_only(Ttl::minutes(5)));
    for number in 0..3 {
        let name = format!("k{number}");
        ahead(&space, &name).await;
        let name = key(&name);
        // They have seen the same entry, and the refreshes arrive when the put has been made.
        for _ in 0..number {
            assert!(space.quiet.get(&name, refresh()).await.unwrap().is_some());
            space.clock.advance(Duration::from_secs(1));
        }
        space.wire.seen();
        space.wire.fail(1, "UPDATE", name.as_str(), Fault::Late(SHORT));
        let get = space.store.get(&name, refresh());
        let (read, ()) = tokio::join!(get, async {
            written(&space).await;
            applied(space.quiet.put(&name, blob("new"), PutOptions::new(Expiry::Never)).await);
        });
        assert!(read.unwrap().unwrap().refresh_error.is_none());
        let (ends, entry) = (deadline(&space, &name).await, space.quiet.get(&name, GetOptions::new()).await);
        assert_eq!(entry.unwrap().unwrap().value, Some(blob("new")));
        assert!(ends.unwrap().is_never(), "{ends:?}");
    }
}

/// What is made to stay stays, though it is read and refreshed at the same time.
async fn persisted(space: Space) {
    let names: Vec<Key> = (0..4).map(|number| key(&format!("k{number}"))).collect();
    for name in &names {
        applied(space.quiet.put(name, blob("v"), PutOptions::new(LONG)).await);
    }
    join_all(names.iter().map(async |name| {
        space.wire.fail(1, "UPDATE", name.as_str(), Fault::Late(SHORT * 3));
        let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(2)));
        let (read, ()) = tokio::join!(space.store.get(name, refresh), async {
            tokio::time::sleep(SHORT).await;
            let stay = ExpiryChange::Set(Expiry::Never);
            applied(space.quiet.expire(name, stay, ExpireOptions::new()).await);
        });
        assert!(read.unwrap().unwrap().refresh_error.is_none());
        let ends = deadline(&space, name).await;
        assert!(ends.unwrap().is_never(), "{ends:?}");
    }))
    .await;
}
