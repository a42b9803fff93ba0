//! What the driver is to find out of a write in strict mode whose answer is lost, and what it cannot.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::ErrorKind;
use ttl_scylla::Mode;

use crate::fates::{AT_ONCE, forms, run};
use crate::frames::Refusal;
use crate::space::{Space, in_mode};
use crate::states::State;
use crate::wire::Fault;

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![in_mode(Mode::Strict, "fates::each_write_has_the_one_it_deserves", server, deserved)]
}

async fn deserved(space: Space) {
    use ErrorKind::{OutcomeUnknown, PermissionDenied, Unavailable};
    let hasty = space.another(|config| config.with_timeout(Duration::from_secs(2))).await;
    let forms = forms();
    let cases = [
        // A version that is new with the write says whose it is; that a version has the deadline is what was asked.
        ("put", State::Nothing, (1, "UPDATE", Fault::Silent { done: true }), None),
        ("put if absent", State::Nothing, (1, "UPDATE", Fault::Silent { done: true }), None),
        ("put if version", State::Record, (1, "UPDATE", Fault::Broken(Refusal::Overloaded)), None),
        ("increment", State::Record, (1, "UPDATE", Fault::Silent { done: true }), None),
        ("increment", State::Record, (1, "UPDATE", Fault::Broken(Refusal::ServerError)), None),
        ("put if version", State::Record, (1, "UPDATE", Fault::Silent { done: false }), None),
        ("increment", State::Record, (1, "UPDATE", Fault::Silent { done: false }), None),
        // That nothing is there, or a deadline, comes back: what is pinned on that is not sent again.
        ("put if absent", State::Nothing, (1, "UPDATE", Fault::Silent { done: false }), Some(OutcomeUnknown)),
        ("get, later", State::Record, (1, "UPDATE", Fault::Silent { done: false }), Some(OutcomeUnknown)),
        // Another one who extends wants the same deadline.
        ("extend", State::Covered, (1, "UPDATE", Fault::Silent { done: true }), Some(OutcomeUnknown)),
        ("get, later", State::Record, (1, "UPDATE", Fault::Silent { done: true }), None),
        // It was refused, and nobody knows: others may have written between the two.
        ("put", State::Record, (1, "UPDATE", Fault::Broken(Refusal::WriteTimeoutCas)), Some(OutcomeUnknown)),
        // Twice is twice too often.
        ("increment", State::Record, (2, "UPDATE", Fault::Silent { done: true }), Some(OutcomeUnknown)),
        // What a delete leaves tells nothing; it is not sent again.
        ("delete", State::Record, (1, "DELETE", Fault::Silent { done: true }), Some(OutcomeUnknown)),
        ("delete", State::Record, (1, "DELETE", Fault::Silent { done: false }), Some(OutcomeUnknown)),
        ("take", State::Record, (1, "DELETE", Fault::Broken(Refusal::WriteTimeoutCas)), Some(OutcomeUnknown)),
        (
            "delete if version",
            State::Record,
            (1, "DELETE", Fault::Broken(Refusal::Overloaded)),
            Some(OutcomeUnknown),
        ),
        // It was decided, or another one that was completed before: what is stored tells, where it can.
        ("put", State::Nothing, (1, "UPDATE", Fault::Broken(Refusal::WriteTimeoutSimple)), None),
        ("increment", State::Record, (1, "UPDATE", Fault::Broken(Refusal::WriteTimeoutSimple)), None),
        (
            "delete",
            State::Record,
            (1, "DELETE", Fault::Broken(Refusal::WriteTimeoutSimple)),
            Some(OutcomeUnknown),
        ),
        (
            "expire sooner",
            State::Record,
            (1, "UPDATE", Fault::Broken(Refusal::WriteTimeoutSimple)),
            Some(OutcomeUnknown),
        ),
        // It had not begun.
        (
            "put",
            State::Nothing,
            (1, "UPDATE", Fault::Refused(Refusal::UnavailableForPaxos)),
            Some(Unavailable),
        ),
        (
            "delete",
            State::Record,
            (1, "DELETE", Fault::Refused(Refusal::UnavailableForPaxos)),
            Some(Unavailable),
        ),
        (
            "increment",
            State::Record,
            (1, "UPDATE", Fault::Refused(Refusal::Unauthorized)),
            Some(PermissionDenied),
        ),
        (
            "get, later",
            State::Record,
            (1, "UPDATE", Fault::Refused(Refusal::Unauthorized)),
            Some(PermissionDenied),
        ),
        ("delete", State::Record, (1, "DELETE", Fault::Refused(Refusal::Unprepared)), None),
        // Reads change nothing.
        ("get", State::Record, (1, "SELECT", Fault::Silent { done: true }), Some(ErrorKind::Timeout)),
        ("get", State::Record, (1, "SELECT", Fault::Refused(Refusal::ReadTimeout)), Some(ErrorKind::Timeout)),
        ("get", State::Nothing, (1, "SELECT", Fault::Refused(Refusal::ReadFailure)), Some(Unavailable)),
        ("get", State::Nothing, (1, "SELECT", Fault::Refused(Refusal::Overloaded)), Some(Unavailable)),
    ];
    stream::iter(cases)
        .for_each_concurrent(AT_ONCE, |(name, state, fault, expected)| {
            let (space, hasty, forms) = (&space, &hasty, &forms);
            async move {
                let operation = forms.iter().find(|operation| operation.name == name).unwrap();
                let end = run(space, hasty, operation, state, fault).await;
                assert_eq!(end, expected, "{name} on {state:?} with {fault:?}");
            }
        })
        .await;
}
