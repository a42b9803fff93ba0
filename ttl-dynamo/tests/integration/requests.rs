//! How many requests each operation is: one, and the exceptions that the crate's documentation lists.

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, ExpiryChange, GetOptions, PatchOptions, Projection, PutOptions, ScanOptions,
};
use ttl_core::{ErrorKind, Expiry, Kind, Patch, Ttl, TtlStore};

use crate::states::{Ghost, State};
use crate::support::{LONG, Space, applied, blob, key, with_server};
use ttl_conformance::operations;

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("requests::each_operation_is_one_but_for_the_exceptions", server, operations),
        with_server("requests::bad_input_is_none", server, bad_input),
        with_server("requests::reads_are_consistent_unless_they_are_to_be_eventual", server, consistency),
    ]
}

const STATES: [State; 7] = [
    State::Nothing,
    State::Record,
    State::Blob,
    State::Capped,
    State::Persistent,
    State::Ghost(Ghost::Record),
    State::Ghost(Ghost::Cap),
];

/// Where an operation is more than one request: on these states of [`STATES`], so many.
const EXCEPTIONS: &[(&str, [usize; 7])] = &[
    ("get, later and due", [1, 2, 2, 2, 1, 1, 1]),
    ("put", [1, 1, 1, 1, 1, 1, 2]),
    ("put a blob", [1, 1, 1, 1, 1, 1, 2]),
    ("put, handing back", [1, 1, 1, 1, 1, 1, 2]),
    ("put for ever", [1, 1, 1, 2, 1, 1, 2]),
    ("put with a cap", [1, 1, 1, 1, 1, 1, 2]),
    ("put a blob with a cap", [1, 1, 1, 1, 1, 1, 2]),
    ("put, keep", [1, 1, 1, 1, 2, 2, 2]),
    ("put, refresh", [2, 1, 1, 1, 2, 2, 2]),
    ("put, reset", [2, 1, 1, 1, 1, 2, 2]),
    ("put_many", [1, 1, 1, 1, 1, 1, 2]),
    ("pop_back", [1, 2, 1, 2, 2, 1, 1]),
    ("remove_value", [1, 2, 1, 2, 2, 1, 1]),
    ("clear what is missing", [1, 2, 1, 2, 2, 1, 1]),
    ("a field twice", [1, 2, 1, 2, 2, 1, 1]),
    ("increment or create", [2, 1, 1, 1, 1, 2, 2]),
    ("pop_back or create", [2, 2, 1, 2, 2, 2, 2]),
    ("increment, later", [1, 1, 1, 1, 2, 1, 1]),
    ("increment, not later", [1, 2, 1, 2, 2, 1, 1]),
    ("a fraction within", [1, 2, 1, 2, 2, 1, 1]),
    ("pop_back if version", [1, 2, 1, 2, 2, 1, 1]),
    ("persist", [1, 1, 1, 2, 1, 1, 1]),
];

async fn operations(endpoint: String) {
    let space = Space::new(endpoint).await;
    let mut wrong = Vec::new();
    for operation in operations::all() {
        let mut counted = [0; STATES.len()];
        let mut sent = Vec::new();
        for (number, state) in STATES.into_iter().enumerate() {
            space.prepare("k", state).await;
            let version = space.version("k").await;
            space.wire.requests();
            let _ = operation.run(&space.store, &key("k"), version).await;
            let requests = space.wire.operations();
            counted[number] = requests.len();
            sent.push(requests.join("+"));
        }
        let exception = EXCEPTIONS.iter().find(|(name, _)| *name == operation.name);
        if counted != exception.map_or([1; 7], |(_, counts)| *counts) {
            wrong.push(format!("(\"{}\", {counted:?}), // {sent:?}", operation.name));
        }
    }
    assert!(wrong.is_empty(), "on {STATES:?}\n{}", wrong.join("\n"));
}

async fn bad_input(endpoint: String) {
    let space = Space::new(endpoint).await;
    let store = &space.store;
    let far = Expiry::At(std::time::UNIX_EPOCH + std::time::Duration::from_secs(100_000_000_000));
    let error = store.put(&key("k"), vec![0; 409_601].into(), PutOptions::new(LONG)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let error = store.put(&key("k"), blob("v"), PutOptions::new(far)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidExpiry);
    let reserved = Patch::new().set("ttl:version", 1);
    let error = store.patch(&key("k"), &reserved, PatchOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidField);
    let long = (0..=Patch::MAX_OPERATIONS).fold(Patch::new(), |patch, _| patch.unset("f"));
    assert!(store.patch(&key("k"), &long, PatchOptions::new()).await.is_err());
    let expire =
        store.expire(&key("k"), ExpiryChange::Set(far), ttl_core::options::ExpireOptions::new()).await;
    assert_eq!(expire.unwrap_err().kind(), ErrorKind::InvalidExpiry);
    let cursor: ttl_core::Cursor = "bad".parse().unwrap();
    let error = store.scan(ScanOptions::new("").with_cursor(cursor)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCursor);
    assert!(space.wire.requests().is_empty(), "bad input");
}

async fn consistency(endpoint: String) {
    let space = Space::new(endpoint).await;
    let (eventual, wire) = space.another(|config| config.with_reads(ttl_dynamo::Reads::Eventual));
    applied(space.quiet.put(&key("k"), blob("v"), PutOptions::new(LONG)).await);
    for (store, wire, consistent) in [(&space.store, &space.wire, true), (&eventual, &wire, false)] {
        assert!(store.get(&key("k"), GetOptions::new().with_kind(Kind::Blob)).await.unwrap().is_some());
        let many = store.get_many(&[key("k")], GetOptions::new()).await;
        assert!(many[0].as_ref().unwrap().is_some());
        let page = store.scan(ScanOptions::new("k").with_projection(Projection::All)).await.unwrap();
        assert_eq!(page.items.len(), 1);
        let asked = wire.requests();
        assert!(asked.len() >= 3);
        for request in asked {
            let said = match &request.body["RequestItems"][&space.raw.table] {
                serde_json::Value::Null => request.body["ConsistentRead"].clone(),
                table => table["ConsistentRead"].clone(),
            };
            assert_eq!(said.as_bool().unwrap_or(false), consistent, "{}", request.operation);
        }
        // What decides a write is read consistently whatever is said.
        let patch = Patch::new().pop_back("list");
        applied(space.quiet.put(&key("r"), crate::support::record(), PutOptions::new(LONG)).await);
        assert!(store.patch(&key("r"), &patch, PatchOptions::new()).await.unwrap().is_applied());
        let keep = PutOptions::new(Ttl::minutes(1)).with_condition(Condition::IfPresent);
        let keep = keep.with_existing_deadline(ttl_core::options::ExistingDeadline::Keep);
        assert!(store.put(&key("r"), blob("v"), keep).await.unwrap().is_applied());
        for request in wire.requests() {
            if request.operation == "GetItem" {
                assert_eq!(request.body["ConsistentRead"], true);
            }
        }
    }
}
