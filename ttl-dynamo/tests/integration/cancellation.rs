//! Calls that nobody waits for any more: the entry is as it was, or as it should be, and never between (C4).

use std::time::Duration;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::TtlStore;
use ttl_core::options::GetOptions;

use crate::states::{Ghost, State};
use crate::support::{Space, eventually, key, with_server};
use crate::wire::{ANY, Fault};
use ttl_conformance::operations::{changes, patches, puts, reads};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server(
            "cancellation::a_call_that_ends_at_any_request_leaves_old_or_new",
            server,
            at_each_request,
        ),
        with_server("cancellation::a_call_that_ends_at_any_moment_leaves_old_or_new", server, at_any_moment),
    ]
}

async fn at_each_request(endpoint: String) {
    let space = Space::new(endpoint).await;
    for operation in [reads(), puts(), patches(), changes()].into_iter().flatten() {
        for state in [State::Record, State::Ghost(Ghost::Cap)] {
            space.prepare("twin", state).await;
            let before = space.raw.get("twin").await;
            let version = space.version("twin").await;
            space.wire.requests();
            let _ = operation.run(&space.store, &key("twin"), version).await;
            let requests = space.wire.requests().len();
            let expected = space.item("twin", before.as_ref()).await;
            for (at, done) in (0..requests).flat_map(|at| [(at, false), (at, true)]) {
                space.prepare("k", state).await;
                let raw_before = space.raw.get("k").await;
                let before = space.item("k", raw_before.as_ref()).await;
                let version = space.version("k").await;
                (0..at).for_each(|_| space.wire.pass(ANY));
                space.wire.once(ANY, Fault::Silent { done });
                let silent = space.wire.silent();
                let task = tokio::spawn(operation.run(&space.store, &key("k"), version));
                eventually("silence", || async { space.wire.silent() > silent }).await;
                task.abort();
                assert!(task.await.is_err());
                let after = space.item("k", raw_before.as_ref()).await;
                let what = format!("{} on {state:?}, request {at}, done: {done}", operation.name);
                assert!(after == before || after == expected, "{what}: {after:?}");
                // The same handle works on.
                assert!(space.store.get(&key("other"), GetOptions::new()).await.unwrap().is_none());
            }
        }
    }
}

async fn at_any_moment(endpoint: String) {
    let space = Space::new(endpoint).await;
    let mut watched = Vec::new();
    for (number, operation) in [puts(), patches(), changes()].into_iter().flatten().enumerate() {
        space.prepare("twin", State::Record).await;
        let before = space.raw.get("twin").await;
        let version = space.version("twin").await;
        let _ = operation.run(&space.store, &key("twin"), version).await;
        let expected = space.item("twin", before.as_ref()).await;
        for micros in [100, 500, 1000, 2000, 4000] {
            // Of its own, because what is under way can arrive later.
            let name = format!("{number}-{micros}");
            space.prepare(&name, State::Record).await;
            let raw_before = space.raw.get(&name).await;
            let before = space.item(&name, raw_before.as_ref()).await;
            let version = space.version(&name).await;
            let call = operation.run(&space.store, &key(&name), version);
            let _ = tokio::time::timeout(Duration::from_micros(micros), call).await;
            watched.push((operation.name, name, raw_before, before, expected.clone()));
        }
    }
    for (operation, name, raw_before, before, expected) in watched {
        let after = space.item(&name, raw_before.as_ref()).await;
        assert!(after == before || after == expected, "{operation} at {name}: {after:?}");
    }
}
