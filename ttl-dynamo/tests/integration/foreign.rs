//! Answers that are not DynamoDB's: of a proxy, a gateway, a login page, or damaged on the way. They say nothing of a
//! write, and are no miss.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{GetOptions, PatchOptions, ScanOptions};
use ttl_core::{ErrorKind, Patch, TtlStore};

use crate::states::State;
use crate::support::{Space, key, with_server};
use crate::wire::{ANY, Fault};
use ttl_conformance::operations::{self, Class, Operation};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("foreign::a_foreign_answer_is_no_refusal_and_no_miss", server, each_operation),
        with_server("foreign::every_foreign_answer_is_known_as_one", server, each_answer),
        with_server("foreign::nothing_but_foreign_answers_is_an_outage", server, nothing_else),
        with_server("foreign::only_dynamodb_sends_a_patch_the_long_way", server, long_way),
        with_server("foreign::a_damaged_answer_is_known_by_its_checksum", server, checksum),
    ]
}

/// An answer that somebody else than DynamoDB gives.
pub(crate) struct Foreign {
    status: u16,
    media_type: &'static str,
    body: &'static str,
}

const fn foreign(status: u16, media_type: &'static str, body: &'static str) -> Foreign {
    Foreign { status, media_type, body }
}

const OWN: &str = "application/x-amz-json-1.0";
const JSON: &str = "application/json";
const HTML: &str = "text/html";

/// The first of these are for every operation in every state, the rest for some.
const FOR_ALL: usize = 7;

pub(crate) const FOREIGN: [Foreign; 25] = [
    foreign(200, "", ""),
    foreign(403, HTML, "<html>Forbidden</html>"),
    foreign(404, JSON, r#"{"message":"no route"}"#),
    foreign(429, "", ""),
    foreign(200, OWN, r#"{"Attributes":{"ttl:v"#),
    foreign(302, HTML, "<html>log in</html>"),
    foreign(400, JSON, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}"#),
    foreign(200, OWN, ""),
    foreign(200, HTML, "<html>log in</html>"),
    foreign(200, JSON, "{}"),
    foreign(200, "", "{}"),
    foreign(200, OWN, "[]"),
    foreign(200, OWN, r#"{"Item":5,"Attributes":5,"Items":5,"Responses":5}"#),
    foreign(200, OWN, "{} {}"),
    foreign(201, JSON, "{}"),
    foreign(204, "", ""),
    foreign(400, OWN, "{}"),
    foreign(400, OWN, r#"{"__type":"com.amazonaws.dynamodb.v20120810#Condit"#),
    foreign(400, JSON, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}"#),
    foreign(407, HTML, ""),
    foreign(408, "", ""),
    foreign(413, HTML, "too large"),
    foreign(502, HTML, "<html>Bad Gateway</html>"),
    foreign(503, "", ""),
    foreign(504, JSON, r#"{"__type":"ThrottlingException"}"#),
];

impl Foreign {
    pub(crate) fn response(&self) -> HttpResponse {
        let status = StatusCode::try_from(self.status).unwrap();
        let mut answer = HttpResponse::new(status, SdkBody::from(self.body));
        if !self.media_type.is_empty() {
            answer.headers_mut().insert("content-type", self.media_type);
        }
        if self.status == 302 {
            answer.headers_mut().insert("location", "http://127.0.0.1:9/login");
        }
        answer
    }
}

async fn one_each(
    space: &Space,
    operations: &[Operation],
    states: &[State],
    answers: impl Iterator<Item = usize> + Clone,
) {
    for operation in operations {
        for state in states {
            let normal = space.undisturbed(operation, *state).await;
            for answer in answers.clone() {
                for (at, done) in (0..normal.requests).flat_map(|at| [(at, false), (at, true)]) {
                    let fault = Fault::Foreign { answer, done };
                    space.disturbed(operation, *state, fault, at, &normal).await;
                }
            }
        }
    }
}

async fn each_operation(endpoint: String) {
    let space = Space::new(endpoint).await;
    one_each(&space, &operations::all(), &[State::Nothing, State::Record], 0..FOR_ALL).await;
}

async fn each_answer(endpoint: String) {
    let space = Space::new(endpoint).await;
    let some = [
        "get",
        "get, later",
        "get, later and due",
        "get_many",
        "scan",
        "put",
        "put, keep",
        "put if absent",
        "put if version",
        "increment",
        "pop_back",
        "take",
        "delete if version",
        "extend",
        "persist",
    ];
    let operations: Vec<_> =
        operations::all().into_iter().filter(|operation| some.contains(&operation.name)).collect();
    assert_eq!(operations.len(), some.len());
    one_each(&space, &operations, &[State::Record], FOR_ALL..FOREIGN.len()).await;
}

async fn nothing_else(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_attempts(2)).await;
    for operation in operations::all() {
        for state in [State::Nothing, State::Record] {
            for answer in [0, 1, 3, 4] {
                space.prepare("k", state).await;
                let (before, version) = (space.raw.get("k").await, space.version("k").await);
                space.wire.always(ANY, Fault::Foreign { answer, done: false });
                space.wire.requests();
                let result = operation.run(&space.store, &key("k"), version).await;
                let sent = space.wire.operations();
                space.wire.heal();
                let what = format!("{} on {state:?}, {}: {result:?}", operation.name, FOREIGN[answer].status);
                if sent.is_empty() {
                    continue;
                }
                let error = result.expect_err(&what);
                let wrote =
                    sent.iter().any(|operation| operation.ends_with("Item") && operation != "GetItem");
                let expected = match operation.class {
                    Class::Write if wrote => ErrorKind::OutcomeUnknown,
                    _ => ErrorKind::Unavailable,
                };
                assert_eq!(error.kind(), expected, "{what}");
                assert!(error.to_string().contains("does not come from DynamoDB"), "{what}");
                assert_eq!(space.raw.get("k").await, before, "{what}");
            }
        }
    }
    // Of many keys none is a miss.
    space.wire.always(ANY, Fault::Foreign { answer: 0, done: false });
    let keys: Vec<_> = (0..120).map(|number| key(&number.to_string())).collect();
    for result in space.store.get_many(&keys, GetOptions::new()).await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert_eq!(space.store.scan(ScanOptions::new("")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    for error in [space.store.check_table().await, space.store.ensure_table().await] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable, "a table is not missing");
    }
}

/// What DynamoDB itself does not take is done in another way; what something else refuses may have been done.
async fn long_way(endpoint: String) {
    let space = Space::new(endpoint).await;
    let patch = Patch::new().increment("n", 1);
    space.prepare("k", State::Record).await;
    space.wire.once("UpdateItem", Fault::Refused("ValidationException"));
    space.wire.requests();
    assert!(space.store.patch(&key("k"), &patch, PatchOptions::new()).await.unwrap().is_applied());
    assert_eq!(space.wire.operations(), ["UpdateItem", "GetItem", "UpdateItem"]);
    for fault in [Fault::Refused("NotKnownYetException"), Fault::Foreign { answer: 1, done: false }] {
        space.wire.once("UpdateItem", fault);
        let error = space.store.patch(&key("k"), &patch, PatchOptions::new()).await.unwrap_err();
        let updates = space.wire.operations().iter().filter(|sent| *sent == "UpdateItem").count();
        assert_eq!(updates, 1, "{fault:?}: {error}");
    }
}

async fn checksum(endpoint: String) {
    let space = Space::new(endpoint).await;
    space.prepare("k", State::Record).await;
    space.wire.once("GetItem", Fault::Damaged);
    space.wire.requests();
    let entry = space.store.get(&key("k"), GetOptions::new()).await.unwrap().unwrap();
    assert_eq!(entry.value, Some(crate::support::record()));
    assert_eq!(space.wire.operations(), ["GetItem", "GetItem"]);
}
