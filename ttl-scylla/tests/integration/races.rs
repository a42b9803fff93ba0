//! Many writers while answers are being lost: at most one creates a key, acknowledged increments add up, and in lww mode
//! a put stays, however many refreshes are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::Value as Json;
use tokio::task::JoinSet;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{Condition, Create, GetOptions, PatchOptions, PutOptions, Refresh, Returning};
use ttl_core::{ErrorKind, Outcome, Patch, Ttl, TtlStore, Value};
use ttl_scylla::Mode;

use crate::frames::Refusal;
use crate::space::{SHORT, Space, answers, eventually, in_mode};
use crate::support::{LONG, key};
use crate::wire::Fault;

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        in_mode(Mode::Strict, "races::one_creates_a_key_while_answers_are_lost", server, creators),
        in_mode(
            Mode::Strict,
            "races::acknowledged_increments_add_up_while_answers_are_lost",
            server,
            increments,
        ),
        in_mode(Mode::Strict, "races::a_burst_of_first_increments_costs_two_requests_each", server, burst),
        in_mode(Mode::Lww, "races::no_refresh_takes_anything_from_a_put", server, refreshes),
    ]
}

const TASKS: usize = 64;
const KEYS: usize = 200;

/// Long enough for what is answered on a busy machine, and it is waited for when nothing is.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Most of them leave the connection whole.
const TOLL: [Fault; 12] = [
    Fault::Silent { done: true },
    Fault::Broken(Refusal::WriteTimeoutCas),
    Fault::Silent { done: false },
    Fault::Broken(Refusal::Overloaded),
    Fault::Late(Duration::from_millis(500)),
    Fault::Refused(Refusal::WriteTimeoutCas),
    Fault::LostAnswer,
    Fault::Broken(Refusal::WriteFailure),
    Fault::Late(Duration::from_millis(3_000)),
    Fault::Refused(Refusal::Overloaded),
    Fault::Silent { done: true },
    Fault::LostRequest,
];

/// The creation of a window's counter is raced for by all who come first.
async fn burst(space: Space) {
    const CALLS: usize = 100;
    let create = || PatchOptions::new().with_create(Create::new(LONG));
    let increment = Patch::new().increment("n", 1);
    // Stores that know nothing of each other, as in several processes.
    for (stores, most) in [(1, 2 * CALLS), (2, 4 * CALLS), (4, 6 * CALLS)] {
        let name = key(&space.name());
        let mut others = Vec::new();
        for _ in 0..stores {
            others.push(space.another(|config| config).await);
        }
        let calls = (0..CALLS).map(|number| others[number % stores].patch(&name, &increment, create()));
        for outcome in futures_util::future::join_all(calls).await {
            assert!(outcome.unwrap().is_applied());
        }
        let requests = space.wire.seen().len();
        assert!(requests <= most, "{requests} requests of {CALLS} increments by {stores} stores");
        let entry = space.quiet.get(&name, GetOptions::new()).await.unwrap().unwrap();
        let record = entry.value.unwrap().into_record().unwrap();
        assert_eq!(record.get("n"), Some(&Json::from(CALLS)));
    }
}

async fn creators(space: Space) {
    let store = space.another(|config| config.with_timeout(TIMEOUT)).await;
    space.wire.take_toll(100, &TOLL);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            let mut ends = Vec::new();
            for number in 0..KEYS {
                let name = key(&format!("k{number}"));
                let put = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
                ends.push(match store.put(&name, Value::from(task.to_string()), put).await {
                    Ok(Outcome::Applied(_)) => Some(true),
                    Ok(_) => Some(false),
                    Err(error) if error.kind() == ErrorKind::OutcomeUnknown => None,
                    Err(error) => {
                        assert!(error.is_retryable(), "{error}");
                        eventually("a connection", || answers(&store)).await;
                        Some(false)
                    }
                });
            }
            (task, ends)
        });
    }
    let mut ends = vec![Vec::new(); TASKS];
    for (task, of_task) in tasks.join_all().await {
        ends[task] = of_task;
    }
    assert!(space.wire.heal() > 20, "faults met the writers");
    space.wire.settle().await;
    let mut unknown = 0;
    for number in 0..KEYS {
        let entry = space.quiet.get(&key(&format!("k{number}")), GetOptions::new()).await.unwrap();
        let of_key: Vec<Option<bool>> = ends.iter().map(|of_task| of_task[number]).collect();
        let with = |end| (0..TASKS).filter(|task| of_key[*task] == end).collect::<Vec<_>>();
        let (winners, perhaps) = (with(Some(true)), with(None));
        unknown += perhaps.len();
        assert!(winners.len() <= 1, "k{number}: {winners:?}");
        let stored = entry.map(|entry| entry.value.unwrap().into_blob().unwrap());
        let stored = stored.map(|bytes| std::str::from_utf8(&bytes).unwrap().parse::<usize>().unwrap());
        match (winners.first(), stored) {
            (Some(winner), stored) => assert_eq!(stored, Some(*winner), "k{number}"),
            (None, Some(stored)) => assert!(perhaps.contains(&stored), "k{number}: {stored} was refused"),
            (None, None) => {}
        }
    }
    assert!(unknown > 0, "some fates are unknown");
}

async fn increments(space: Space) {
    space.wire.take_toll(25, &TOLL);
    let mut tasks = JoinSet::new();
    // Patches of one store wait for each other: these are four programs.
    for _ in 0..4 {
        let store = space.another(|config| config.with_timeout(TIMEOUT)).await;
        for _ in 0..TASKS / 4 {
            let store = store.clone();
            tasks.spawn(async move {
                let (mut sure, mut unsure) = (0_i64, 0_i64);
                let increment = Patch::new().increment("n", 1).append("list", 1);
                while sure + unsure < 6 {
                    let create = PatchOptions::new().with_create(Create::new(LONG));
                    match store.patch(&key("n"), &increment, create).await {
                        Ok(done) => sure += i64::from(done.is_applied()),
                        Err(error) if error.kind() == ErrorKind::OutcomeUnknown => unsure += 1,
                        Err(error) => {
                            assert!(error.is_retryable(), "{error}");
                            eventually("a connection", || answers(&store)).await;
                        }
                    }
                }
                (sure, unsure)
            });
        }
    }
    let (mut sure, mut unsure) = (0, 0);
    for (these, those) in tasks.join_all().await {
        sure += these;
        unsure += those;
    }
    assert!(space.wire.heal() > 5, "faults met the writers");
    space.wire.settle().await;
    let entry = space.quiet.get(&key("n"), GetOptions::new()).await.unwrap().unwrap();
    let record = entry.value.unwrap().into_record().unwrap();
    let total = record.get("n").and_then(Json::as_i64).unwrap();
    assert!((sure..=sure + unsure).contains(&total), "{sure}..={}: {total}", sure + unsure);
    assert_eq!(record.get("list").and_then(Json::as_array).map(Vec::len), usize::try_from(total).ok());
}

/// Each key has one writer and is refreshed all the time, by requests that come late or twice.
async fn refreshes(space: Space) {
    let store = space.another(|config| config.with_timeout(SHORT)).await;
    let late = [50, 150, 600].map(|millis| Fault::Late(Duration::from_millis(millis)));
    let lost = [Fault::Silent { done: true }, Fault::Broken(Refusal::Overloaded)];
    space.wire.take_toll(7, &[&late[..], &lost].concat());
    let ends = Arc::new(AtomicBool::new(false));
    let mut refreshers = JoinSet::new();
    for number in 0..16_u64 {
        let (store, ends) = (store.clone(), Arc::clone(&ends));
        refreshers.spawn(async move {
            let (name, mut refreshed) = (key(&format!("k{}", number % 8)), 0);
            while !ends.load(Ordering::SeqCst) {
                // Far apart, so that cells are written again.
                let ttl = Ttl::minutes(1 + refreshed * 7 % 50 * (number % 3 + 1));
                let refresh = if number % 2 == 0 { Refresh::extend_only(ttl) } else { Refresh::reset(ttl) };
                let read = store.get(&name, GetOptions::new().with_refresh(refresh)).await;
                let done = read.ok().flatten().is_some_and(|entry| entry.refresh_error.is_none());
                refreshed += u64::from(done);
            }
            refreshed
        });
    }
    let mut writers = JoinSet::new();
    for number in 0..8 {
        let (store, quiet, raw) = (store.clone(), space.quiet.clone(), space.raw.clone());
        writers.spawn(async move {
            let (name, mut acknowledged) = (key(&format!("k{number}")), 0);
            for round in 0..40 {
                let value = Value::from(format!("{number} {round}"));
                let put = PutOptions::new(Ttl::minutes(1 + round % 5)).with_returning(Returning::VERSION);
                let Ok(done) = store.put(&name, value.clone(), put).await else { continue };
                acknowledged += 1;
                let returning = GetOptions::new().with_returning(Returning::VERSION);
                let entry = quiet.get(&name, returning).await.unwrap().unwrap();
                assert_eq!(entry.version, done.applied().unwrap().version, "{number} {round}");
                assert_eq!(entry.value, Some(value), "{number} {round}");
                let cells = raw.find(name.as_str()).await.unwrap().cells;
                assert!(cells.covers >= cells.deadline, "{number} {round}: {cells:?}");
            }
            acknowledged
        });
    }
    let acknowledged: i32 = writers.join_all().await.into_iter().sum();
    ends.store(true, Ordering::SeqCst);
    let refreshed: u64 = refreshers.join_all().await.into_iter().sum();
    assert!(space.wire.heal() > 20, "faults met the requests");
    assert!(acknowledged > 200 && refreshed > 100, "{acknowledged} puts, {refreshed} refreshes");
}
