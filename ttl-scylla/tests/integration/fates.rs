//! Every operation under every fault: what was acknowledged is there, nothing is applied twice, what failed changed
//! nothing, and what is unknown is said to be.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use libtest_mimic::Trial;
use parking_lot::Mutex;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{Condition, GetOptions, PutOptions, Returning};
use ttl_core::{ErrorKind, Result, Ttl, TtlStore};
use ttl_scylla::{Mode, ScyllaStore};

use crate::frames::{REFUSALS, Refusal, SPOILT, Spoilt};
use crate::raw::Found;
use crate::space::{SHORT, Space, answers, eventually, in_both};
use crate::states::{State, planted};
use crate::support::{LONG, applied, blob, key};
use crate::wire::Fault;
use ttl_conformance::operations::{self, Class, Operation, Seen};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let mut trials = Vec::new();
    trials.extend(in_both("fates::a_request_that_is_refused_changes_nothing", server, refused));
    trials.extend(in_both("fates::an_error_after_the_write_loses_nothing", server, broken));
    trials.extend(in_both("fates::no_error_misleads_any_operation", server, every));
    trials.extend(in_both("fates::an_answer_that_makes_no_sense_is_no_answer", server, spoilt));
    trials.extend(in_both("fates::silence_is_no_answer", server, silent));
    trials.extend(in_both("fates::a_late_request_is_applied_once", server, late));
    trials.extend(in_both("fates::a_broken_connection_is_no_answer", server, cut));
    trials.extend(in_both("fates::a_late_request_takes_nothing_from_a_newer_one", server, newer));
    trials
}

/// Most of them wait for what does not come.
pub(crate) const AT_ONCE: usize = 16;

/// What a server may say of a write that was applied.
const AMBIGUOUS: [Refusal; 8] = [
    Refusal::ServerError,
    Refusal::Overloaded,
    Refusal::UnavailableForCommit,
    Refusal::WriteTimeoutCas,
    Refusal::WriteTimeoutSimple,
    Refusal::WriteFailure,
    // A transaction reads before it writes.
    Refusal::ReadTimeout,
    Refusal::ReadFailure,
];

/// What came of an operation without any fault.
struct Normal {
    answer: Result<Seen>,
    after: Option<Found>,
}

async fn normal(space: &Space, operation: &Operation, state: State) -> Normal {
    let twin = space.name();
    space.prepare(&twin, state).await;
    let answer = operation.run(&space.quiet, &key(&twin), planted()).await;
    Normal { answer, after: space.row(&twin).await }
}

/// Runs one operation with one fault, and checks what must hold whatever it answers. Says how it ended.
pub(crate) async fn run(
    space: &Space,
    store: &ScyllaStore,
    operation: &Operation,
    state: State,
    (times, verb, fault): (u32, &'static str, Fault),
) -> Option<ErrorKind> {
    let what = format!("{} on {state:?} with {times} {verb} {fault:?}", operation.name);
    let normal = normal(space, operation, state).await;
    let name = space.name();
    space.prepare(&name, state).await;
    let before = space.row(&name).await;
    space.wire.fail(times, verb, &name, fault);
    let answer = operation.run(store, &key(&name), planted()).await;
    if let Fault::Late(delay) = fault {
        tokio::time::sleep(delay).await;
    }
    space.wire.settle().await;
    let after = space.row(&name).await;
    let either = after == before || after == normal.after;
    match (&answer, &normal.answer) {
        (Ok(seen), Ok(normal_seen)) => match seen.refresh_error {
            None => {
                assert_eq!(seen, normal_seen, "{what}");
                assert_eq!(after, normal.after, "{what}");
            }
            // R9: the value all the same.
            Some(kind) => {
                assert_eq!(operation.class, Class::Refresh, "{what}");
                let value = |seen: &Seen| seen.text.split(", Some(Deadline").next().unwrap().to_owned();
                assert_eq!(value(seen), value(normal_seen), "{what}");
                assert!(
                    if kind == ErrorKind::OutcomeUnknown { either } else { after == before },
                    "{what}: {after:?}"
                );
                return Some(kind);
            }
        },
        (Err(error), _) if error.kind() == ErrorKind::OutcomeUnknown => {
            assert!(operation.class == Class::Write && !error.is_retryable(), "{what}: {error}");
            assert!(either, "{what}: {after:?}, and before {before:?}, and done {:?}", normal.after);
        }
        (Err(error), Err(normal_error)) if error.kind() == normal_error.kind() => {}
        (Err(_), _) => assert_eq!(after, before, "{what}: {answer:?}"),
        (Ok(_), Err(error)) => panic!("{what}: {answer:?}, and without the fault {error}"),
    }
    answer.err().map(|error| error.kind())
}

/// The states that tell operations apart, of those that the mode has.
fn states(mode: Mode) -> Vec<State> {
    match mode {
        Mode::Strict => vec![State::Nothing, State::Record, State::Capped, State::Covered],
        _ => vec![State::Nothing, State::Record, State::Covered],
    }
}

/// The forms that send different statements.
pub(crate) fn forms() -> Vec<Operation> {
    let telling = [
        "get",
        "get nothing",
        "get, later",
        "get nothing, reset",
        "put",
        "put a blob with a cap",
        "put, keep",
        "put if absent",
        "put if version",
        "put what has passed",
        "increment",
        "increment or create",
        "pop_back if version",
        "expire later",
        "expire sooner",
        "expire now",
        "persist",
        "extend",
        "extend if version",
        "expire if version",
        "delete",
        "take",
        "delete if version",
    ];
    let mut all = operations::all();
    all.retain(|operation| telling.contains(&operation.name));
    assert_eq!(all.len(), telling.len());
    all
}

/// Every form on every state with every one of these faults. Answers how they ended.
async fn all(
    space: &Space,
    store: &ScyllaStore,
    faults: &[(u32, &'static str, Fault)],
) -> Vec<Option<ErrorKind>> {
    meet(space, store, &forms(), &states(space.mode), faults).await
}

fn ends_entries(operation: &Operation) -> bool {
    let ends = ["delete", "take", "expire now", "put what has passed"];
    ends.iter().any(|beginning| operation.name.starts_with(beginning))
}

/// Whether an operation's requests can begin with a word.
fn sends(operation: &Operation, verb: &str) -> bool {
    match verb {
        "UPDATE" => operation.class != Class::Read && !ends_entries(operation),
        "DELETE" => ends_entries(operation),
        _ => true,
    }
}

/// Every operation on every state with every fault that it can meet, several at once. Answers how they ended.
async fn meet(
    space: &Space,
    store: &ScyllaStore,
    operations: &[Operation],
    states: &[State],
    faults: &[(u32, &'static str, Fault)],
) -> Vec<Option<ErrorKind>> {
    let mut runs = Vec::new();
    for operation in operations {
        for state in states {
            let met = faults.iter().filter(|(_, verb, _)| sends(operation, verb));
            runs.extend(met.map(|fault| (operation, *state, *fault)));
        }
    }
    let ends = Mutex::new(Vec::new());
    stream::iter(runs)
        .for_each_concurrent(AT_ONCE, |(operation, state, fault)| {
            let ends = &ends;
            async move {
                let end = run(space, store, operation, state, fault).await;
                ends.lock().push(end);
            }
        })
        .await;
    ends.into_inner()
}

fn count(ends: &[Option<ErrorKind>], end: Option<ErrorKind>) -> usize {
    ends.iter().filter(|other| **other == end).count()
}

#[track_caller]
fn at_least(least: usize, ends: &[Option<ErrorKind>], end: Option<ErrorKind>) {
    let found = count(ends, end);
    assert!(found > least, "{found} of {} ended with {end:?}", ends.len());
}

async fn refused(space: Space) {
    let mut faults = Vec::new();
    for refusal in
        [Refusal::Bootstrapping, Refusal::Unauthorized, Refusal::UnavailableForPaxos, Refusal::Invalid]
    {
        // All of them, and those behind the first read.
        faults.extend([(9, "", Fault::Refused(refusal)), (9, "UPDATE", Fault::Refused(refusal))]);
    }
    faults.push((1, "", Fault::Refused(Refusal::Unprepared)));
    let ends = all(&space, &space.store, &faults).await;
    assert_eq!(count(&ends, Some(ErrorKind::OutcomeUnknown)), 0, "no server has begun anything");
    for end in [ErrorKind::Unavailable, ErrorKind::PermissionDenied, ErrorKind::Backend] {
        at_least(50, &ends, Some(end));
    }
}

async fn broken(space: Space) {
    let mut faults = Vec::new();
    for refusal in AMBIGUOUS {
        for times in [1, 9] {
            faults.extend([
                (times, "UPDATE", Fault::Broken(refusal)),
                (times, "DELETE", Fault::Broken(refusal)),
            ]);
        }
        // Said of what was never done.
        faults.push((1, "UPDATE", Fault::Refused(refusal)));
    }
    if space.mode == Mode::Lww {
        // What is committed after a transaction is nothing here.
        faults.retain(|(_, _, fault)| *fault != Fault::Broken(Refusal::UnavailableForCommit));
    }
    let ends = all(&space, &space.store, &faults).await;
    at_least(100, &ends, None);
    at_least(50, &ends, Some(ErrorKind::OutcomeUnknown));
}

/// Every form of every operation that the mode offers; most send the same statements.
async fn every(space: Space) {
    let mut offered = Vec::new();
    for operation in operations::all() {
        let tried = operation.run(&space.quiet, &key(&space.name()), planted()).await;
        if !tried.is_err_and(|error| error.kind() == ErrorKind::Unsupported) {
            offered.push(operation);
        }
    }
    let mut faults: Vec<_> = REFUSALS.map(|refusal| (1, "", Fault::Refused(refusal))).into();
    for verb in ["UPDATE", "DELETE"] {
        faults.extend(AMBIGUOUS.map(|refusal| (1, verb, Fault::Broken(refusal))));
    }
    if space.mode == Mode::Lww {
        faults.retain(|(_, _, fault)| *fault != Fault::Broken(Refusal::UnavailableForCommit));
    }
    let ends = meet(&space, &space.store, &offered, &[State::Record], &faults).await;
    for end in [ErrorKind::Unavailable, ErrorKind::PermissionDenied, ErrorKind::Timeout, ErrorKind::Backend] {
        at_least(20, &ends, Some(end));
    }
    at_least(100, &ends, None);
}

/// Of a write it is not known what it did, and of a read that nothing is there.
async fn spoilt(space: Space) {
    let mut faults = Vec::new();
    for verb in ["SELECT", "UPDATE", "DELETE"] {
        faults.extend(SPOILT.map(|spoilt| (1, verb, Fault::Spoilt(spoilt))));
        // What is asked afterwards is answered like it.
        faults.push((9, verb, Fault::Spoilt(Spoilt::TruncatedError)));
    }
    // The client library looks at the schema then, which takes its time.
    faults.push((1, "UPDATE", Fault::Spoilt(Spoilt::SchemaChange)));
    let ends = all(&space, &space.store, &faults).await;
    at_least(100, &ends, None);
    at_least(20, &ends, Some(ErrorKind::OutcomeUnknown));
}

async fn silent(space: Space) {
    let store = space.another(|config| config.with_timeout(SHORT)).await;
    let mut faults = Vec::new();
    for done in [true, false] {
        for (times, verb) in [(1, "UPDATE"), (1, "DELETE"), (2, "UPDATE"), (1, "SELECT")] {
            faults.push((times, verb, Fault::Silent { done }));
        }
    }
    let ends = all(&space, &store, &faults).await;
    at_least(40, &ends, None);
    at_least(20, &ends, Some(ErrorKind::OutcomeUnknown));
    at_least(10, &ends, Some(ErrorKind::Timeout));
}

async fn late(space: Space) {
    let store = space.another(|config| config.with_timeout(SHORT)).await;
    // It arrives when the second one is under way, or is over.
    let faults = [3, 5].map(|halves| (1, "UPDATE", Fault::Late(SHORT / 2 * halves)));
    let deletes = (1, "DELETE", Fault::Late(SHORT / 2 * 3));
    let ends = all(&space, &store, &[faults[0], faults[1], deletes]).await;
    at_least(20, &ends, None);
    // A plain write that is sent again is as good as the first.
    if space.mode == Mode::Strict {
        at_least(5, &ends, Some(ErrorKind::OutcomeUnknown));
    }
}

/// The first one arrives when the second has been answered and somebody has written since.
async fn newer(space: Space) {
    // Long enough for the second one to be answered on a busy machine.
    const PAUSE: Duration = Duration::from_secs(1);
    let store = space.another(|config| config.with_timeout(PAUSE)).await;
    let returning = Returning::VERSION | Returning::DEADLINE;
    join_all((0..5).map(|_| space.name()).map(async |name| {
        let first = space
            .quiet
            .put(&key(&name), blob("first"), PutOptions::new(LONG).with_returning(returning))
            .await;
        let mut older = PutOptions::new(LONG);
        if space.mode == Mode::Strict {
            // What is not pinned on a version is not sent again.
            older = older.with_condition(Condition::IfVersion(applied(first).version.unwrap()));
        }
        space.wire.fail(1, "UPDATE", &name, Fault::Late(PAUSE * 3));
        applied(store.put(&key(&name), blob("older"), older).await);
        let put = PutOptions::new(Ttl::hours(2)).with_returning(returning);
        let meta = applied(space.quiet.put(&key(&name), blob("newer"), put).await);
        tokio::time::sleep(PAUSE * 3).await;
        space.wire.settle().await;
        let entry =
            space.quiet.get(&key(&name), GetOptions::new().with_returning(returning)).await.unwrap().unwrap();
        let seen = (entry.value, entry.version, entry.deadline);
        assert_eq!(seen, (Some(blob("newer")), meta.version, meta.deadline), "{name}");
    }))
    .await;
}

/// One after another: what breaks is everybody's connection.
async fn cut(space: Space) {
    let mut ends = Vec::new();
    for operation in forms() {
        for (state, fault) in [
            (State::Record, (1, "", Fault::LostRequest)),
            (State::Record, (1, "UPDATE", Fault::LostAnswer)),
            (State::Covered, (1, "DELETE", Fault::LostAnswer)),
        ] {
            eventually("a connection", || answers(&space.store)).await;
            ends.push(run(&space, &space.store, &operation, state, fault).await);
            space.wire.heal();
        }
    }
    if space.mode == Mode::Strict {
        at_least(10, &ends, Some(ErrorKind::OutcomeUnknown));
    }
    at_least(1, &ends, Some(ErrorKind::Unavailable));
    // The same handle works again.
    eventually("a connection", || answers(&space.store)).await;
    assert_eq!(
        run(&space, &space.store, &forms()[0], State::Record, (1, "BATCH", Fault::LostRequest)).await,
        None
    );
}
