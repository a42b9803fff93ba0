//! Nodes that cannot be reached for a while: an outage is never a miss, and the same handle works again after it.

use std::time::Duration;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{DeleteOptions, GetOptions, Projection, PutOptions, Refresh, Returning, ScanOptions};
use ttl_core::{ErrorKind, Ttl, TtlStore};
use ttl_scylla::{ScyllaConfig, ScyllaStore};

use crate::frames::Refusal;
use crate::node::{Node, with_own_nodes};
use crate::space::{BOTH, PATIENCE, Space, answers, eventually, in_both};
use crate::states::{State, planted};
use crate::support::{LONG, applied, blob, key};
use crate::wire::Fault;
use ttl_conformance::operations::{self, Class};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let mut trials = Vec::new();
    trials.extend(in_both("outages::no_operation_takes_an_outage_for_a_miss", server, gone));
    trials.extend(in_both("outages::a_refresh_that_fails_fails_no_read", server, refreshes));
    trials.extend(in_both("outages::a_connection_that_swallows_all_is_given_up", server, half_open));
    trials.extend(in_both("outages::an_endless_answer_is_given_up", server, endless));
    trials.push(with_own_nodes("outages::a_node_that_was_stopped_comes_back_to_the_same_handle", stopped));
    trials
}

/// How long to wait to learn what became of a write, while nobody answers.
const HASTE: Duration = Duration::from_secs(2);

/// A time limit for trials that wait for one or two of them to be over.
const LIMIT: Duration = Duration::from_secs(2);

/// So many calls fail at most for one connection that is no good: one time limit each.
const FEW: usize = 4;

/// Reads until an answer comes, and returns how many time limits were waited for in vain.
async fn failures(store: &ScyllaStore, name: &str) -> usize {
    let mut timeouts = 0;
    for _ in 0..1_200 {
        let error = match store.get(&key(name), GetOptions::new()).await {
            Ok(entry) => {
                assert!(entry.is_some());
                return timeouts;
            }
            Err(error) => error,
        };
        assert!(error.is_retryable(), "{error}");
        match error.kind() {
            ErrorKind::Timeout => timeouts += 1,
            // Until there is another connection.
            ErrorKind::Unavailable => tokio::time::sleep(Duration::from_millis(50)).await,
            other => panic!("{other:?}: {error}"),
        }
    }
    panic!("all reads of one entry have failed");
}

/// Returns the result of a call after an outage. It can still meet connections of the outage, and fail a few times without
/// a change.
macro_rules! settled {
    ($call:expr) => {{
        let mut failed = 0;
        loop {
            match $call.await {
                Err(error) if error.is_retryable() && failed < FEW => failed += 1,
                result => break result.unwrap(),
            }
        }
    }};
}

/// As when a firewall forgets a connection, or the node's machine is gone.
async fn half_open(space: Space) {
    let store = ScyllaStore::connect(&space.config.clone().with_timeout(LIMIT)).await.unwrap();
    let name = space.name();
    applied(store.put(&key(&name), blob("v"), PutOptions::new(LONG)).await);
    space.wire.half_open();
    let failed = failures(&store, &name).await;
    assert!((1..=FEW).contains(&failed), "{failed} reads failed");
    applied(store.put(&key(&name), blob("w"), PutOptions::new(LONG)).await);
}

async fn endless(space: Space) {
    const PIECE: usize = 100_000;
    let store = ScyllaStore::connect(&space.config.clone().with_timeout(LIMIT)).await.unwrap();
    let name = space.name();
    applied(store.put(&key(&name), blob("v"), PutOptions::new(LONG)).await);
    space.wire.fail(1, "SELECT", &name, Fault::Endless(PIECE));
    let failed = failures(&store, &name).await;
    assert!((1..=FEW).contains(&failed), "{failed} reads failed");
    // Nobody takes any more of it.
    let before = space.wire.endless();
    assert!(before > PIECE);
    assert!(failures(&store, &name).await == 0);
    eventually("the end of the endless answer", || async {
        let before = space.wire.endless();
        tokio::time::sleep(Duration::from_millis(200)).await;
        space.wire.endless() == before
    })
    .await;
}

async fn gone(space: Space) {
    let name = space.name();
    space.prepare(&name, State::Record).await;
    let hasty = space.another(|config| config.with_timeout(HASTE)).await;
    assert!(space.store.get(&key(&name), GetOptions::new()).await.unwrap().is_some());
    space.wire.shut().await;
    // The connections that stood may break under the first requests, whose fate somebody who is patient would wait to learn;
    // from then on it is known that nothing is sent.
    eventually("the outage to be noticed", || async {
        let error = hasty.put(&key(&name), blob("w"), PutOptions::new(LONG)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown), "{error}");
        error.kind() == ErrorKind::Unavailable
    })
    .await;
    for operation in operations::all() {
        let error = operation.run(&space.store, &key(&name), planted()).await.unwrap_err();
        let known = [ErrorKind::Unavailable, ErrorKind::Unsupported];
        assert!(known.contains(&error.kind()), "{}: {error}", operation.name);
        assert_eq!(error.is_retryable(), error.kind() == ErrorKind::Unavailable, "{}", operation.name);
    }
    for result in space.store.get_many(&["a", "b"].map(key), GetOptions::new()).await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    for result in space.store.delete_many(&["a", "b"].map(key), DeleteOptions::new()).await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert_eq!(space.store.scan(ScanOptions::new("")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    // Nobody can connect anew either.
    let config = space.config.clone().with_timeout(Duration::from_secs(3));
    assert_eq!(ScyllaStore::connect(&config).await.unwrap_err().kind(), ErrorKind::Unavailable);

    space.wire.open().await;
    eventually("an answer", || answers(&space.store)).await;
    // What was there is there.
    assert!(settled!(space.store.get(&key(&name), GetOptions::new())).is_some());
    assert!(settled!(space.store.get(&key("never"), GetOptions::new())).is_none());
    let put = settled!(space.store.put(&key(&name), blob("w"), PutOptions::new(LONG)));
    assert!(put.is_applied());
}

/// R9: the read answers, and says what became of its refresh; nothing is said where nothing was to be done.
async fn refreshes(space: Space) {
    let faults = [
        (Refusal::Unauthorized, ErrorKind::PermissionDenied),
        (Refusal::UnavailableForPaxos, ErrorKind::Unavailable),
        (Refusal::WriteFailure, ErrorKind::OutcomeUnknown),
    ];
    for (refusal, expected) in faults {
        for operation in operations::reads().into_iter().filter(|operation| operation.class == Class::Refresh)
        {
            for state in [State::Record, State::Covered] {
                let what = format!("{} on {state:?} with {refusal:?}", operation.name);
                let (twin, name) = (space.name(), space.name());
                space.prepare(&twin, state).await;
                let before = space.row(&twin).await;
                let normal = operation.run(&space.quiet, &key(&twin), planted()).await.unwrap();
                let due = space.row(&twin).await != before;
                space.prepare(&name, state).await;
                space.wire.fail(9, "UPDATE", &name, Fault::Refused(refusal));
                let seen = operation.run(&space.store, &key(&name), planted()).await.unwrap();
                space.wire.heal();
                assert_eq!(seen.refresh_error, due.then_some(expected), "{what}");
                let value = |text: &str| text.split(", Some(Deadline").next().unwrap().to_owned();
                assert_eq!(value(&seen.text), value(&normal.text), "{what}");
                assert_eq!(space.row(&name).await, before, "{what}");
            }
        }
        // What is not there is a miss, whatever became of the refresh; and a deadline that is reported stands.
        let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(2)));
        let name = space.name();
        space.wire.fail(9, "UPDATE", &name, Fault::Refused(refusal));
        assert!(space.store.get(&key(&name), refresh.clone()).await.unwrap().is_none());
        space.prepare(&name, State::Record).await;
        let options = refresh.with_returning(Returning::DEADLINE).with_projection(Projection::Nothing);
        let entry = space.store.get(&key(&name), options).await.unwrap().unwrap();
        space.wire.heal();
        let standing = space.raw.find(&name).await.unwrap().cells.deadline;
        let reported = entry.deadline.map(|at| i64::try_from(at.as_epoch_millis()).unwrap());
        assert_eq!(reported, standing);
    }
}

async fn stopped() {
    let mut node = Node::start_one().await;
    let url = node.url("ttl_outages", "entries");
    let mut stores = Vec::new();
    for mode in BOTH {
        let config = ScyllaConfig::from_url(&url).unwrap().with_mode(mode).with_table(format!("of_{mode}"));
        let store = ScyllaStore::connect(&config.clone().with_timeout(PATIENCE)).await.unwrap();
        applied(store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await);
        let hasty = ScyllaStore::from_session(store.session(), &config.with_timeout(HASTE)).await.unwrap();
        stores.push((mode, store, hasty));
    }
    node.stop().await;
    for (_, store, hasty) in &stores {
        eventually("the outage to be noticed", || async {
            let error = store.get(&key("k"), GetOptions::new()).await.expect_err("no miss and no entry");
            assert!(error.is_retryable(), "{error}");
            let error = hasty.put(&key("k"), blob("w"), PutOptions::new(LONG)).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown), "{error}");
            error.kind() == ErrorKind::Unavailable
        })
        .await;
    }
    node.start_again().await;
    for (mode, store, _) in &stores {
        eventually("an answer", || answers(store)).await;
        let entry = store.get(&key("k"), GetOptions::new()).await.unwrap().unwrap();
        assert_eq!(entry.value, Some(blob("v")), "what was acknowledged is there, {mode}");
        applied(store.put(&key("k"), blob("w"), PutOptions::new(LONG)).await);
        assert!(store.delete(&key("k"), DeleteOptions::new()).await.unwrap().is_applied());
    }
}
