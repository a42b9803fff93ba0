//! Every operation under every fault: what was acknowledged is there once, what failed is not, and what is unknown is one
//! of the two.

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::{Error, ErrorKind, Result};

use crate::raw::Item;
use crate::states::{Ghost, State};
use crate::support::{SHORT, Space, key, with_server};
use crate::wire::{ANY, Fault};
use ttl_conformance::operations::{Class, Operation, Seen, changes, patches, puts, reads};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("faults::reads_survive_one_fault", server, |url| one_fault(url, reads())),
        with_server("faults::puts_survive_one_fault_or_say_so", server, |url| one_fault(url, puts())),
        with_server("faults::patches_survive_one_fault_or_say_so", server, |url| one_fault(url, patches())),
        with_server("faults::changes_survive_one_fault_or_say_so", server, |url| one_fault(url, changes())),
        with_server("faults::silence_ends_in_a_timeout_or_in_an_unknown_outcome", server, silence),
        with_server("faults::an_outage_is_never_a_miss", server, outages),
    ]
}

const QUICK: [Fault; 6] = [
    Fault::NotConnected,
    Fault::LostRequest,
    Fault::LostAnswer,
    Fault::Refused("ThrottlingException"),
    Fault::Broken { done: false },
    Fault::Broken { done: true },
];

const STATES: [State; 5] =
    [State::Nothing, State::Record, State::Capped, State::Persistent, State::Ghost(Ghost::Cap)];

/// What an operation does where nothing goes wrong.
pub(crate) struct Undisturbed {
    pub(crate) answer: Result<Seen>,
    after: Option<Item>,
    pub(crate) requests: usize,
}

impl Space {
    pub(crate) async fn undisturbed(&self, operation: &Operation, state: State) -> Undisturbed {
        self.prepare("twin", state).await;
        let before = self.raw.get("twin").await;
        let version = self.version("twin").await;
        self.wire.requests();
        let answer = operation.run(&self.store, &key("twin"), version).await;
        let requests = self.wire.requests().len();
        Undisturbed { answer, after: self.item("twin", before.as_ref()).await, requests }
    }

    /// Runs it with the fault in the request at this place, and judges.
    pub(crate) async fn disturbed(
        &self,
        operation: &Operation,
        state: State,
        fault: Fault,
        at: usize,
        normal: &Undisturbed,
    ) {
        let what = format!("{} on {state:?}, {fault:?} in request {at}", operation.name);
        self.prepare("k", state).await;
        let raw_before = self.raw.get("k").await;
        let before = self.item("k", raw_before.as_ref()).await;
        let version = self.version("k").await;
        (0..at).for_each(|_| self.wire.pass(ANY));
        self.wire.once(ANY, fault);
        let answer = operation.run(&self.store, &key("k"), version).await;
        let met = self.wire.is_used_up();
        self.wire.heal();
        let after = self.item("k", raw_before.as_ref()).await;
        assert!(met, "{what}: it was not met");
        judge(&what, operation.class, fault, &answer, normal, &before, &after);
    }
}

fn kind(answer: &Result<Seen>) -> Option<ErrorKind> {
    answer.as_ref().err().map(Error::kind)
}

/// What a read found, whatever became of its refresh.
fn without_deadline(text: &str) -> &str {
    text.split(", Some(Deadline").next().unwrap_or(text)
}

pub(crate) fn judge(
    what: &str,
    class: Class,
    fault: Fault,
    answer: &Result<Seen>,
    normal: &Undisturbed,
    before: &Option<Item>,
    after: &Option<Item>,
) {
    let seen = format!("{what}: {answer:?}");
    match (answer, &normal.answer) {
        (Ok(answer), Ok(expected)) => match answer.refresh_error {
            None => {
                // Whether a put created is told by its answer alone: of one whose answer was lost it says no.
                let text = match fault {
                    Fault::LostAnswer
                    | Fault::Broken { done: true }
                    | Fault::Foreign { done: true, .. }
                    | Fault::Silent { done: true } => {
                        expected.text.replace("created: true", "created: false")
                    }
                    _ => expected.text.clone(),
                };
                assert!(answer.text == expected.text || answer.text == text, "{seen}: {}", expected.text);
                assert_eq!(after, &normal.after, "{seen}");
            }
            Some(error) => {
                assert_eq!(class, Class::Refresh, "{seen}");
                assert_eq!(without_deadline(&answer.text), without_deadline(&expected.text), "{seen}");
                let unknown = error == ErrorKind::OutcomeUnknown;
                assert!(after == before || unknown && after == &normal.after, "{seen}");
            }
        },
        (Err(error), Err(expected)) if error.kind() == expected.kind() => {
            assert_eq!(after, before, "{seen}");
        }
        (Err(error), _) if error.kind() == ErrorKind::OutcomeUnknown => {
            assert_eq!(class, Class::Write, "{seen}");
            assert!(!error.is_retryable(), "{seen}");
            assert!(after == before || after == &normal.after, "{seen}\n{before:?}\n{after:?}");
            let sure = matches!(fault, Fault::NotConnected | Fault::Refused(_));
            assert!(!sure, "{seen}: it is known that nothing was done");
        }
        _ => panic!("{seen}, and without the fault {:?}", normal.answer),
    }
    // What was certainly not done is done again.
    if matches!(fault, Fault::NotConnected | Fault::Refused(_)) || class == Class::Read {
        assert_eq!(kind(answer), kind(&normal.answer), "{seen}");
    }
}

async fn one_fault(endpoint: String, operations: Vec<Operation>) {
    let space = Space::new(endpoint).await;
    for operation in &operations {
        for state in STATES {
            let normal = space.undisturbed(operation, state).await;
            for fault in QUICK {
                for at in 0..normal.requests {
                    space.disturbed(operation, state, fault, at, &normal).await;
                }
            }
        }
    }
}

/// The same, where each fault costs the time that an attempt may take.
async fn silence(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_attempt_timeout(SHORT)).await;
    let some =
        ["get", "get, later", "get_many", "put", "put if absent", "increment", "pop_back", "take", "extend"];
    for operation in
        ttl_conformance::operations::all().iter().filter(|operation| some.contains(&operation.name))
    {
        let normal = space.undisturbed(operation, State::Record).await;
        for fault in [Fault::Silent { done: false }, Fault::Silent { done: true }] {
            for at in 0..normal.requests {
                space.disturbed(operation, State::Record, fault, at, &normal).await;
            }
        }
    }
}

/// A fault that stays, and what it is called.
const OUTAGES: [(Fault, ErrorKind); 7] = [
    (Fault::NotConnected, ErrorKind::Unavailable),
    (Fault::Refused("ProvisionedThroughputExceededException"), ErrorKind::Unavailable),
    (Fault::Refused("RequestLimitExceeded"), ErrorKind::Unavailable),
    (Fault::Refused("AccessDeniedException"), ErrorKind::PermissionDenied),
    (Fault::Refused("ExpiredTokenException"), ErrorKind::PermissionDenied),
    (Fault::Refused("UnrecognizedClientException"), ErrorKind::PermissionDenied),
    (Fault::Refused("ResourceNotFoundException"), ErrorKind::InvalidConfig),
];

async fn outages(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_attempts(2)).await;
    for operation in ttl_conformance::operations::all() {
        for state in [State::Nothing, State::Record] {
            let normal = space.undisturbed(&operation, state).await;
            if normal.requests == 0 {
                continue;
            }
            space.prepare("k", state).await;
            let (before, version) = (space.raw.get("k").await, space.version("k").await);
            for (fault, expected) in OUTAGES {
                space.wire.always(ANY, fault);
                let error = operation.run(&space.store, &key("k"), version).await.unwrap_err();
                space.wire.heal();
                let what = format!("{} on {state:?} with {fault:?}: {error}", operation.name);
                assert_eq!(error.kind(), expected, "{what}");
                assert_eq!(error.is_retryable(), expected == ErrorKind::Unavailable, "{what}");
                assert_eq!(space.raw.get("k").await, before, "{what}");
            }
            // Nothing is known of a write whose connection breaks each time, except that a read has done nothing.
            space.wire.always(ANY, Fault::LostRequest);
            let error = operation.run(&space.store, &key("k"), version).await.unwrap_err();
            space.wire.heal();
            let expected = match (operation.class, &normal.answer) {
                (Class::Read, _) => [ErrorKind::Unavailable; 2],
                _ => [ErrorKind::Unavailable, ErrorKind::OutcomeUnknown],
            };
            assert!(expected.contains(&error.kind()), "{}: {error}", operation.name);
            assert_eq!(space.raw.get("k").await, before);
            // The same handle works again.
            let answer = operation.run(&space.store, &key("k"), version).await;
            assert_eq!(kind(&answer), kind(&normal.answer), "{}", operation.name);
            assert_eq!(
                answer.ok().map(|seen| seen.text),
                normal.answer.as_ref().ok().map(|seen| seen.text.clone())
            );
            let after = space.item("k", before.as_ref()).await;
            assert_eq!(after, normal.after, "{} on {state:?}", operation.name);
        }
    }
}
