//! Errors and `Debug` name neither keys nor values nor credentials, however deep one looks (H5).

use std::error::Error;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::PutOptions;
use ttl_core::{Record, TtlStore, Value, Version};

use crate::raw::{SECRET, item, s};
use crate::support::{LONG, SHORT, Space, applied, key, with_server};
use crate::wire::{ANY, Fault};
use ttl_conformance::operations;

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("secrets::no_error_tells_one", server, errors),
        with_server("secrets::debug_tells_none", server, debug),
    ]
}

const KEY: &str = "key-of-s3cret-session";
const VALUE: &str = "value-with-s3cret-token";

#[track_caller]
fn silent(text: &str, what: &str) {
    for secret in [KEY, VALUE, SECRET, "s3cret"] {
        assert!(!text.contains(secret), "{what}: {text}");
    }
}

/// The whole chain, in both forms.
pub(crate) fn texts(error: &ttl_core::Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(inner) = source {
        text += &format!(" {inner} {inner:?}");
        source = inner.source();
    }
    text
}

const FAULTS: [Fault; 10] = [
    Fault::NotConnected,
    Fault::LostRequest,
    Fault::LostAnswer,
    Fault::Refused("ThrottlingException"),
    Fault::Refused("AccessDeniedException"),
    Fault::Refused("ExpiredTokenException"),
    Fault::Refused("ResourceNotFoundException"),
    Fault::Refused("ValidationException"),
    Fault::Refused("ConditionalCheckFailedException"),
    Fault::Broken { done: false },
];

async fn errors(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_attempts(1).with_attempt_timeout(SHORT)).await;
    let mut told = 0;
    let record =
        || Record::new().with("n", VALUE).with("list", VALUE).with("text", [VALUE]).with("m", [VALUE]);
    for operation in operations::all() {
        let states = [Some(Value::from(record())), Some(VALUE.into()), None];
        for (number, state) in states.into_iter().enumerate() {
            space.raw.delete(KEY).await;
            match state {
                Some(value) => {
                    applied(space.quiet.put(&key(KEY), value, PutOptions::new(LONG)).await);
                }
                // Not ours.
                None => space.raw.put(KEY, item([("theirs", s(VALUE))])).await,
            }
            for fault in FAULTS.map(Some).into_iter().chain([None]) {
                if let Some(fault) = fault {
                    space.wire.always(ANY, fault);
                }
                let answer = operation.run(&space.store, &key(KEY), Version::random()).await;
                space.wire.heal();
                if let Err(error) = answer {
                    told += 1;
                    silent(&texts(&error), &format!("{} with {fault:?} on {number}", operation.name));
                }
            }
        }
    }
    assert!(told > 1000, "{told} errors");
    space.wire.once(ANY, Fault::Silent { done: false });
    let error = space.store.get(&key(KEY), ttl_core::options::GetOptions::new()).await;
    silent(&texts(&error.unwrap_err()), "silence");
}

async fn debug(endpoint: String) {
    let space = Space::new(endpoint).await;
    applied(space.store.put(&key(KEY), VALUE.into(), PutOptions::new(LONG)).await);
    silent(&format!("{:?} {:#?} {:?}", space.store, space.store, space.config), "Debug");
}
