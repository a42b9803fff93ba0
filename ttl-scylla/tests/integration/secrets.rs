//! Errors and `Debug` name neither keys nor values nor credentials, however deep one looks (H5).

use std::error::Error;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::PutOptions;
use ttl_core::{TtlStore, Version};
use ttl_scylla::{ScyllaConfig, ScyllaStore};

use crate::frames::{QUOTED, REFUSALS};
use crate::space::{SHORT, Space, in_both, node};
use crate::states::{DAMAGES, FOREIGN, State};
use crate::support::{LONG, applied, key};
use crate::wire::Fault;
use ttl_conformance::operations;

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let mut trials = Vec::new();
    trials.extend(in_both("secrets::no_error_tells_one", server, errors));
    trials.extend(in_both("secrets::debug_tells_none", server, debug));
    trials
}

const KEY: &str = "key-of-s3cret-session";
const VALUE: &str = "value-with-s3cret-token";

#[track_caller]
fn silent(text: &str, what: &str) {
    for secret in [KEY, VALUE, QUOTED, "s3cret"] {
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

async fn errors(space: Space) {
    let mut told = 0;
    for operation in operations::all() {
        for refusal in REFUSALS {
            // The first request, and what is sent to find out.
            space.wire.fail(2, "", "", Fault::Refused(refusal));
            let answer = operation.run(&space.store, &key(KEY), Version::random()).await;
            space.wire.heal();
            if let Err(error) = answer {
                told += 1;
                silent(&texts(&error), &format!("{} with {refusal:?}", operation.name));
            }
        }
        for state in FOREIGN.map(State::Foreign) {
            let name = format!("{KEY} {}", space.name());
            space.prepare(&name, state).await;
            if let Err(error) = operation.run(&space.store, &key(&name), Version::random()).await {
                told += 1;
                silent(&texts(&error), &format!("{} on {state:?}", operation.name));
            }
        }
    }
    assert!(told > 300, "{told} errors");
    for damage in DAMAGES {
        space.damage(&format!("{KEY} {damage:?}"), damage).await;
        let error =
            space.store.get(&key(&format!("{KEY} {damage:?}")), ttl_core::options::GetOptions::new()).await;
        silent(&texts(&error.unwrap_err()), &format!("{damage:?}"));
    }
    let hasty = space.another(|config| config.with_timeout(SHORT)).await;
    for fault in [Fault::Silent { done: true }, Fault::LostAnswer] {
        space.wire.fail(2, "", KEY, fault);
        let error = hasty.put(&key(KEY), VALUE.into(), PutOptions::new(LONG)).await.unwrap_err();
        silent(&texts(&error), &format!("{fault:?}"));
        space.wire.heal();
    }
}

async fn debug(space: Space) {
    applied(space.store.put(&key(KEY), VALUE.into(), PutOptions::new(LONG)).await);
    // The server asks for no password, and takes one.
    let url = format!("scylla://me:s3cret@{}/{}", node(&format!("scylla://{}/", space.wire.address())), {
        let table = space.raw.table.replace('"', "");
        table.replace('.', "/")
    });
    let config =
        ScyllaConfig::from_url(&url).unwrap().with_mode(space.mode).with_timeout(crate::space::PATIENCE);
    let store = ScyllaStore::connect(&config).await.unwrap();
    silent(&format!("{store:?} {store:#?} {config:?} {config:#?}"), "Debug");
    space.wire.shut().await;
    let config = config.with_timeout(std::time::Duration::from_secs(1));
    silent(&texts(&ScyllaStore::connect(&config).await.unwrap_err()), "no server");
}
