//! Answers that are lost, connections that break, requests that arrive late: what was acknowledged is there, nothing is
//! applied twice, and what is unknown is said to be.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::{
    Condition, Create, DeleteOptions, ErrorKind, ExpireOptions, ExpiryChange, GetOptions, Key, Patch,
    PatchOptions, PutOptions, Ttl, TtlStore, Want,
};
use ttl_scylla::{Mode, ScyllaStore};

use crate::proxy::{Fault, Proxy};
use crate::support::{LONG, Table, applied, blob, key, through, with_server};

/// How long the store waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(3);

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("faults::a_write_whose_answer_is_lost_is_recognised", server, recognised),
        with_server("faults::two_lost_answers_are_unknown", server, unknown),
        with_server("faults::what_arrives_late_changes_nothing", server, late),
        with_server("faults::a_delete_whose_answer_is_lost_is_unknown", server, deletes),
        with_server("faults::a_read_is_an_error_and_no_miss", server, reads),
        with_server("faults::one_creator_wins_while_answers_are_lost", server, creators),
        with_server("faults::increments_add_up_while_answers_are_lost", server, increments),
    ]
}

async fn set_up(url: &str, mode: Mode) -> (Table, ScyllaStore, Proxy) {
    let table = Table::with_mode(url, mode).await;
    let (store, proxy) = through(url, &table.config.clone().with_timeout(TIMEOUT), "faulty").await;
    (table, store, proxy)
}

fn faulty(name: &str) -> Key {
    key(&format!("faulty {name}"))
}

async fn recognised(url: String) {
    for mode in [Mode::Strict, Mode::Lww] {
        let (table, store, proxy) = set_up(&url, mode).await;
        // In lww mode a read comes first.
        let before = if mode == Mode::Strict { vec![] } else { vec![None] };
        for fault in [Fault::NoAnswer, Fault::Cut] {
            let name = faulty(&format!("{fault:?}"));
            proxy.next(before.iter().copied().chain([Some(fault)]));
            let meta =
                applied(store.put(&name, blob("v"), PutOptions::new(LONG).with_want(Want::VERSION)).await);
            assert!(meta.created, "{mode} {fault:?}");
            let entry =
                table.store.get(&name, GetOptions::new().with_want(Want::VERSION)).await.unwrap().unwrap();
            assert_eq!((entry.value, entry.version), (Some(blob("v")), meta.version));
        }
        table.drop().await;
    }
    let (table, store, proxy) = set_up(&url, Mode::Strict).await;
    let name = faulty("k");
    let version =
        applied(store.put(&name, blob("v"), PutOptions::new(LONG).with_want(Want::VERSION)).await).version;
    proxy.next([Some(Fault::NoAnswer)]);
    let swap = PutOptions::new(LONG).with_condition(Condition::IfVersion(version.unwrap()));
    applied(store.put(&name, blob("w"), swap).await);
    let change = ExpiryChange::Extend(Ttl::hours(1));
    // The row is read, then its value, because it is all written again.
    proxy.next([None, None, Some(Fault::NoAnswer)]);
    assert!(applied(store.expire(&name, change, ExpireOptions::new()).await).changed);
    table.drop().await;
}

async fn unknown(url: String) {
    let (table, store, proxy) = set_up(&url, Mode::Strict).await;
    let name = faulty("k");
    proxy.next([Some(Fault::NoAnswer), Some(Fault::NoAnswer)]);
    let error = store.put(&name, blob("v"), PutOptions::new(LONG)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::OutcomeUnknown, false), "{error}");
    // An expire that was not pinned to what it saw is not sent again.
    proxy.counts();
    proxy.next([Some(Fault::NoAnswer)]);
    let change = ExpiryChange::Set(Ttl::minutes(30).into());
    let error = store.expire(&name, change, ExpireOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), proxy.counts().0), (ErrorKind::OutcomeUnknown, 1), "{error}");
    table.drop().await;
}

async fn late(url: String) {
    let (table, store, proxy) = set_up(&url, Mode::Strict).await;
    let name = faulty("k");
    // The first one arrives when the second has been answered and somebody has written since.
    proxy.next([Some(Fault::Late(TIMEOUT * 2))]);
    applied(store.put(&name, blob("mine"), PutOptions::new(LONG)).await);
    let patient = PutOptions::new(Ttl::hours(2)).with_want(Want::VERSION | Want::DEADLINE);
    let meta = applied(table.store.put(&name, blob("newer"), patient).await);
    tokio::time::sleep(TIMEOUT * 2).await;
    let want = GetOptions::new().with_want(Want::VERSION | Want::DEADLINE);
    let entry = table.store.get(&name, want).await.unwrap().unwrap();
    assert_eq!(
        (entry.value, entry.version, entry.deadline),
        (Some(blob("newer")), meta.version, meta.deadline)
    );
    table.drop().await;
}

async fn deletes(url: String) {
    let (table, store, proxy) = set_up(&url, Mode::Strict).await;
    for options in [DeleteOptions::new(), DeleteOptions::take()] {
        let name = faulty("k");
        applied(table.store.put(&name, blob("v"), PutOptions::new(LONG)).await);
        let read = (options != DeleteOptions::new()).then_some(None);
        proxy.counts();
        proxy.next(read.into_iter().chain([Some(Fault::NoAnswer)]));
        let error = store.delete(&name, options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
        assert_eq!(proxy.counts().0, 1 + usize::from(read.is_some()), "nothing was sent again");
        assert!(table.store.get(&name, GetOptions::new()).await.unwrap().is_none());
    }
    table.drop().await;
}

async fn reads(url: String) {
    let (table, store, proxy) = set_up(&url, Mode::Strict).await;
    let name = faulty("k");
    applied(table.store.put(&name, blob("v"), PutOptions::new(LONG)).await);
    for (fault, kind) in [(Fault::NoAnswer, ErrorKind::Timeout), (Fault::Cut, ErrorKind::Unavailable)] {
        proxy.next([Some(fault)]);
        let error = store.get(&name, GetOptions::new()).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (kind, true), "{error}");
    }
    // The same handle works again (H4); a connection that was cut takes a moment to be replaced.
    let mut tries = 0;
    while store.get(&name, GetOptions::new()).await.is_err() {
        tries += 1;
        assert!(tries < 100, "the store does not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    table.drop().await;
}

async fn creators(url: String) {
    let (table, store, proxy) = set_up(&url, Mode::Strict).await;
    // Every fifth request loses its answer, for a while.
    proxy.next((0..400).map(|n| (n % 5 == 0).then_some(Fault::NoAnswer)));
    let (store, mut tasks) = (Arc::new(store), tokio::task::JoinSet::new());
    for task in 0..16 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut won = Vec::new();
            for n in 0..10 {
                let put = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
                match store.put(&faulty(&format!("{n}")), blob(&format!("{task}")), put).await {
                    Ok(outcome) if outcome.is_applied() => won.push((n, task)),
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}"),
                }
            }
            won
        });
    }
    let mut won = tasks.join_all().await.concat();
    won.sort_unstable();
    for (n, task) in &won {
        let entry = table.store.get(&faulty(&format!("{n}")), GetOptions::new()).await.unwrap().unwrap();
        assert_eq!(entry.value, Some(blob(&format!("{task}"))), "key {n}");
    }
    won.dedup_by_key(|(n, _)| *n);
    let count = won.len();
    assert!((1..=10).contains(&count));
    table.drop().await;
}

async fn increments(url: String) {
    let (table, store, proxy) = set_up(&url, Mode::Strict).await;
    let name = faulty("n");
    proxy.next((0..400).map(|n| (n % 7 == 3).then_some(Fault::NoAnswer)));
    let (store, mut tasks) = (Arc::new(store), tokio::task::JoinSet::new());
    for _ in 0..4 {
        let (store, name) = (Arc::clone(&store), name.clone());
        tasks.spawn(async move {
            let (mut done, mut unknown) = (0, 0);
            for _ in 0..5 {
                let options = PatchOptions::new().with_create(Create::new(LONG));
                match store.patch(&name, &Patch::new().increment("n", 1), options).await {
                    Ok(outcome) => done += i64::from(outcome.is_applied()),
                    // A read that had no answer changed nothing.
                    Err(error) if error.kind() == ErrorKind::Timeout => {}
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
                        unknown += 1;
                    }
                }
            }
            (done, unknown)
        });
    }
    let (mut done, mut unknown) = (0, 0);
    for (some, lost) in tasks.join_all().await {
        done += some;
        unknown += lost;
    }
    let entry = table.store.get(&name, GetOptions::new()).await.unwrap().unwrap();
    let record = entry.value.unwrap().into_record().unwrap();
    let total: i64 = record.get("n").unwrap().to_string().parse().unwrap();
    assert!((done..=done + unknown).contains(&total), "{done} done, {unknown} unknown, {total} there");
    table.drop().await;
}
