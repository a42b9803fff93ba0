//! What is sent again, and with which present: other writers and other times between two attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::Value as Json;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions,
    Refresh, Returning,
};
use ttl_core::{ErrorKind, Patch, Record, Result, Ttl, TtlStore, Value};
use ttl_dynamo::DynamoStore;

use crate::raw::n;
use crate::support::{LONG, SHORT, Space, applied, blob, eventually, key, record, value, with_server};
use crate::wire::{ANY, Fault};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("replays::a_retry_never_revives_what_died_meanwhile", server, no_revival),
        with_server("replays::a_write_is_not_sent_again_over_that_of_another", server, other_writers),
        with_server("replays::a_lost_answer_is_made_good_by_one_read", server, made_good),
        with_server("replays::bounds_refuse_no_increment_that_was_applied", server, bounds),
        with_server("replays::a_write_that_comes_late_is_unknown_or_undone_by_nobody", server, late),
        with_server("replays::each_acknowledged_increment_counts_once", server, counters),
        with_server("replays::each_acknowledged_append_is_there_once", server, appends),
        with_server("replays::attempts_end", server, attempts),
    ]
}

const THROTTLED: Fault = Fault::Refused("ThrottlingException");

/// The first attempt is throttled, and when the second goes out the entry is over.
async fn no_revival(endpoint: String) {
    let space = Space::new(endpoint).await;
    let store = &space.store;
    let refresh = || GetOptions::new().with_refresh(Refresh::extend_only(Ttl::days(1)));
    for number in 0..10 {
        space.prepare("k", crate::states::State::Record).await;
        let before = space.raw.get("k").await;
        let version = space.version("k").await;
        let clock = Arc::clone(&space.clock);
        space.wire.once(ANY, THROTTLED);
        space.wire.before(ANY, move || async move { clock.advance(LONG.as_duration()) });
        let key = &key("k");
        let is_absent = match number {
            0 => store.get(key, GetOptions::new()).await.unwrap().is_none(),
            1 => store.get(key, refresh()).await.unwrap().is_none(),
            2 => store.get_many(std::slice::from_ref(key), refresh()).await.remove(0).unwrap().is_none(),
            3 => {
                store.expire(key, ExpiryChange::Extend(LONG), ExpireOptions::new()).await.unwrap().is_absent()
            }
            4 => {
                let swap = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
                store.put(key, blob("v"), swap).await.unwrap().is_absent()
            }
            5 => {
                let put = PutOptions::new(LONG).with_condition(Condition::IfPresent);
                store.put(key, blob("v"), put).await.unwrap().is_absent()
            }
            6 => {
                let patch = Patch::new().increment("n", 1);
                store.patch(key, &patch, PatchOptions::new()).await.unwrap().is_absent()
            }
            7 => {
                let patch = Patch::new().pop_back("list");
                store.patch(key, &patch, PatchOptions::new()).await.unwrap().is_absent()
            }
            8 => store.delete(key, DeleteOptions::take()).await.unwrap().is_absent(),
            _ => {
                let never = ExpiryChange::Set(ttl_core::Expiry::Never);
                store.expire(key, never, ExpireOptions::new()).await.unwrap().is_absent()
            }
        };
        assert!(space.wire.is_used_up(), "{number}");
        assert!(is_absent, "{number}");
        let after = space.raw.get("k").await;
        assert!(after.is_none() || after == before, "{number}: {after:?}");
    }
    // A deadline counts from the attempt that is applied.
    let clock = Arc::clone(&space.clock);
    space.wire.once(ANY, THROTTLED);
    space.wire.before(ANY, move || async move { clock.advance(Duration::from_secs(7)) });
    applied(store.put(&key("new"), blob("v"), PutOptions::new(Ttl::seconds(5))).await);
    assert_eq!(space.raw.get("new").await.unwrap()["ttl:deadline"], n(space.now_millis() + 5000));
}

async fn count(space: &Space) -> i64 {
    let Value::Record(record) = value(&space.quiet, &key("k")).await else { panic!("a record") };
    record.get("n").and_then(Json::as_i64).unwrap()
}

/// The answer to the last increment that fits is lost: what is asked for again afterwards is told by what became of it.
async fn bounds(endpoint: String) {
    let space = Space::new(endpoint).await;
    let last = Patch::new().increment_within("n", 1, ..=2);
    for fault in
        [Fault::LostAnswer, Fault::LostRequest, Fault::Broken { done: true }, Fault::Broken { done: false }]
    {
        let done = matches!(fault, Fault::LostAnswer | Fault::Broken { done: true });
        for theirs in [false, true] {
            space.prepare("k", crate::states::State::Record).await;
            space.wire.once("UpdateItem", fault);
            if theirs {
                let quiet = space.quiet.clone();
                space.wire.before("GetItem", move || async move {
                    let change = Patch::new().set("text", "theirs");
                    assert!(quiet.patch(&key("k"), &change, PatchOptions::new()).await.unwrap().is_applied());
                });
            }
            let mine = space.store.patch(&key("k"), &last, PatchOptions::new()).await;
            assert!(space.wire.is_used_up(), "{fault:?}");
            match mine {
                Ok(outcome) => assert!(done && !theirs && outcome.is_applied(), "{fault:?}: {outcome:?}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{fault:?}");
                    assert!(!done || theirs, "{fault:?}");
                }
            }
            assert_eq!(count(&space).await, 1 + i64::from(done), "{fault:?}");
            let again = space.store.patch(&key("k"), &last, PatchOptions::new()).await.unwrap();
            assert_eq!(again.is_refused(), done, "{fault:?}");
            assert_eq!(
                again.refused().map(|there| there.fields.get("n").cloned()),
                done.then(|| Some(2.into()))
            );
        }
    }
}

/// The answer to a write is lost, another writer comes, and only then the driver looks.
async fn other_writers(endpoint: String) {
    let space = Space::new(endpoint).await;
    let increment = Patch::new().increment("n", 1);
    for fault in
        [Fault::LostAnswer, Fault::LostRequest, Fault::Broken { done: true }, Fault::Broken { done: false }]
    {
        let done = i64::from(matches!(fault, Fault::LostAnswer | Fault::Broken { done: true }));
        // An increment of theirs.
        space.prepare("k", crate::states::State::Record).await;
        space.wire.once("UpdateItem", fault);
        let (quiet, theirs) = (space.quiet.clone(), increment.clone());
        space.wire.before("GetItem", move || async move {
            assert!(quiet.patch(&key("k"), &theirs, PatchOptions::new()).await.unwrap().is_applied());
        });
        let mine = space.store.patch(&key("k"), &increment, PatchOptions::new()).await;
        assert!(space.wire.is_used_up(), "{fault:?}");
        assert_eq!(mine.unwrap_err().kind(), ErrorKind::OutcomeUnknown, "{fault:?}");
        assert_eq!(count(&space).await, 1 + done + 1, "{fault:?}");

        // A put of theirs, which mine must not undo.
        space.prepare("k", crate::states::State::Nothing).await;
        space.wire.once(ANY, fault);
        let quiet = space.quiet.clone();
        space.wire.before("GetItem", move || async move {
            applied(quiet.put(&key("k"), blob("theirs"), PutOptions::new(LONG)).await);
        });
        let mine = space.store.put(&key("k"), blob("mine"), PutOptions::new(LONG)).await;
        space.wire.heal();
        assert_eq!(mine.unwrap_err().kind(), ErrorKind::OutcomeUnknown, "{fault:?}");
        assert_eq!(value(&space.quiet, &key("k")).await, blob("theirs"), "{fault:?}");

        // They take away what mine may have put: nothing is there, and that says nothing.
        space.prepare("k", crate::states::State::Nothing).await;
        space.wire.once(ANY, fault);
        let quiet = space.quiet.clone();
        space.wire.before("GetItem", move || async move {
            let _ = quiet.delete(&key("k"), DeleteOptions::new()).await.unwrap();
        });
        let put = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
        let mine = space.store.put(&key("k"), blob("mine"), put).await;
        space.wire.heal();
        assert_eq!(mine.unwrap_err().kind(), ErrorKind::OutcomeUnknown, "{fault:?}");
        assert!(space.raw.get("k").await.is_none());
    }
}

/// What is found with the own token was applied, and is answered as if nothing had happened.
async fn made_good(endpoint: String) {
    let space = Space::new(endpoint).await;
    for fault in [Fault::LostAnswer, Fault::Broken { done: true }] {
        space.prepare("k", crate::states::State::Nothing).await;
        space.wire.once(ANY, fault);
        space.wire.requests();
        let put =
            PutOptions::new(LONG).with_condition(Condition::IfAbsent).with_returning(Returning::VERSION);
        let meta = applied(space.store.put(&key("k"), record(), put).await);
        assert_eq!(space.wire.operations().len(), 2);
        assert_eq!(meta.version, Some(space.version("k").await));

        space.wire.once(ANY, fault);
        let patch = Patch::new().increment("n", 4).append("list", "c");
        let done = space.store.patch(&key("k"), &patch, PatchOptions::new()).await;
        assert_eq!(space.wire.operations(), ["UpdateItem", "GetItem"]);
        match done {
            Ok(done) => assert_eq!(done.applied().unwrap().fields.get("n"), Some(&5.into())),
            Err(error) => assert_eq!(error.kind(), ErrorKind::OutcomeUnknown),
        }
        assert_eq!(count(&space).await, 5);
    }
}

/// A write is answered by nobody, and arrives when the driver has given it up.
async fn late(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_attempt_timeout(SHORT)).await;
    space.prepare("k", crate::states::State::Record).await;
    space.wire.once("UpdateItem", Fault::Late(SHORT + SHORT / 2));
    let increment = Patch::new().increment("n", 1);
    let error = space.store.patch(&key("k"), &increment, PatchOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::OutcomeUnknown, false));
    let peek = || async { count(&space).await == 2 };
    eventually("the late increment", peek).await;
    // Once, and no more: whatever would be sent again has been sent by now.
    tokio::time::sleep(2 * SHORT).await;
    assert_eq!(count(&space).await, 2);
}

/// What to lose while answers are being dropped; nothing that costs time.
const DROPS: [Fault; 6] = [
    Fault::LostAnswer,
    Fault::LostAnswer,
    Fault::LostRequest,
    Fault::Broken { done: true },
    THROTTLED,
    Fault::NotConnected,
];

async fn in_tasks(space: &Space, work: impl Fn(DynamoStore, usize) -> TaskWork) {
    let tasks: Vec<_> = (0..64).map(|number| tokio::spawn(work(space.store.clone(), number))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    space.wire.heal();
}

type TaskWork = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whether an attempt was acknowledged or is unknown; anything else was not applied, and is tried again.
async fn until_known<F: Future<Output = Result<()>>>(mut attempt: impl FnMut() -> F) -> bool {
    for _ in 0..1000 {
        match attempt().await {
            Ok(()) => return true,
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => return false,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
    panic!("never known");
}

async fn counters(endpoint: String) {
    let space = Space::new(endpoint).await;
    applied(space.quiet.put(&key("k"), Record::new().with("n", 0).into(), PutOptions::new(LONG)).await);
    space.wire.random(41, 0.2, &DROPS);
    let (sure, unsure) = (Arc::<AtomicI64>::default(), Arc::<AtomicI64>::default());
    in_tasks(&space, |store, _| {
        let (sure, unsure) = (Arc::clone(&sure), Arc::clone(&unsure));
        Box::pin(async move {
            let increment = Patch::new().increment("n", 1);
            for _ in 0..50 {
                let create = PatchOptions::new().with_create(Create::new(LONG));
                let known = until_known(|| async {
                    store
                        .patch(&key("k"), &increment, create.clone())
                        .await
                        .map(|done| assert!(done.is_applied()))
                });
                if known.await { &sure } else { &unsure }.fetch_add(1, Ordering::SeqCst);
            }
        })
    })
    .await;
    let (sure, unsure) = (sure.load(Ordering::SeqCst), unsure.load(Ordering::SeqCst));
    let total = count(&space).await;
    assert_eq!(sure + unsure, 64 * 50);
    assert!(unsure > 0, "nothing was lost");
    assert!((sure..=sure + unsure).contains(&total), "{sure}..={}: {total}", sure + unsure);
}

async fn appends(endpoint: String) {
    let space = Space::new(endpoint).await;
    applied(space.quiet.put(&key("k"), Record::new().with("n", 0).into(), PutOptions::new(LONG)).await);
    space.wire.random(42, 0.2, &DROPS);
    let (sure, unsure) = (Arc::<parking_lot::Mutex<Vec<u64>>>::default(), Arc::<AtomicU64>::default());
    in_tasks(&space, |store, task| {
        let (sure, unsure) = (Arc::clone(&sure), Arc::clone(&unsure));
        Box::pin(async move {
            for number in 0..10 {
                let unique = (task * 100 + number) as u64;
                let append = Patch::new().append("list", unique);
                let known = until_known(|| async {
                    let done = store.patch(&key("k"), &append, PatchOptions::new()).await;
                    done.map(|done| assert!(done.is_applied()))
                });
                if known.await {
                    sure.lock().push(unique);
                } else {
                    unsure.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
    })
    .await;
    let Value::Record(record) = value(&space.quiet, &key("k")).await else { panic!("a record") };
    let list = record.get("list").and_then(Json::as_array).unwrap();
    let mut there: Vec<u64> = list.iter().map(|element| element.as_u64().unwrap()).collect();
    there.sort_unstable();
    assert!(there.windows(2).all(|pair| pair[0] != pair[1]), "one is there twice");
    assert!(
        sure.lock().iter().all(|unique| there.binary_search(unique).is_ok()),
        "an acknowledged one is missing"
    );
    let (sure, unsure) = (sure.lock().len() as u64, unsure.load(Ordering::SeqCst));
    assert_eq!(sure + unsure, 640);
    assert!(unsure > 0, "nothing was lost");
}

/// What is refused each time is sent as often as the configuration says.
async fn attempts(endpoint: String) {
    for attempts in [1, 3] {
        let space = Space::with(endpoint.clone(), |config| config.with_attempts(attempts)).await;
        space.wire.always(ANY, THROTTLED);
        let error = space.store.get(&key("k"), GetOptions::new()).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert_eq!(space.wire.operations().len(), attempts as usize);
        let error = space.store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert_eq!(space.wire.operations().len(), attempts as usize);
        // What is refused for a reason that stays is not sent again.
        space.wire.heal();
        for code in ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"] {
            space.wire.always(ANY, Fault::Refused(code));
            let error = space.store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await.unwrap_err();
            assert!(!error.is_retryable(), "{error}");
            assert_eq!(space.wire.operations().len(), 1, "{code}");
            space.wire.heal();
        }
    }
}
