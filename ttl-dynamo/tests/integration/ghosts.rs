//! Ghosts under every operation: to each of them the key is empty, and nothing of the ghost is left in what comes after.

use std::num::NonZeroUsize;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{GetOptions, PutOptions, ScanOptions};
use ttl_core::{Key, TtlStore, Version};

use crate::states::{GHOSTS, State};
use crate::support::{LONG, Space, applied, blob, key, with_server};
use ttl_conformance::operations::{Operation, changes, patches, puts, reads};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("ghosts::no_read_sees_one", server, |url| haunted(url, reads())),
        with_server("ghosts::no_put_meets_one", server, |url| haunted(url, puts())),
        with_server("ghosts::no_patch_meets_one", server, |url| haunted(url, patches())),
        with_server("ghosts::no_change_meets_one", server, |url| haunted(url, changes())),
        with_server("ghosts::pages_are_filled_between_them", server, pages),
        with_server("ghosts::batches_leave_them_out", server, batches),
        with_server("ghosts::what_ends_during_a_run_is_one", server, ended),
    ]
}

/// By the ghost's own version, where an operation names one.
async fn haunted(endpoint: String, operations: Vec<Operation>) {
    let space = Space::new(endpoint).await;
    for operation in &operations {
        space.prepare("empty", State::Nothing).await;
        let expected = operation.run(&space.store, &key("empty"), Version::random()).await;
        let left = space.item("empty", None).await;
        for ghost in GHOSTS {
            let what = format!("{} on {ghost:?}", operation.name);
            space.prepare("k", State::Ghost(ghost)).await;
            let planted = space.raw.get("k").await;
            let token = planted.as_ref().unwrap()["ttl:version"].as_s().unwrap();
            let version = Version::from_bytes(token.as_bytes()).unwrap();
            let answer = operation.run(&space.store, &key("k"), version).await;
            match (&answer, &expected) {
                (Ok(answer), Ok(expected)) => assert_eq!(answer, expected, "{what}"),
                (Err(error), Err(expected)) => assert_eq!(error.kind(), expected.kind(), "{what}"),
                _ => panic!("{what}: {answer:?}, and on an empty key {expected:?}"),
            }
            let after = space.raw.get("k").await;
            if left.is_some() {
                assert_eq!(space.item("k", planted.as_ref()).await, left, "{what}");
            } else {
                // It may be cleaned up, or be left to the server.
                assert!(after.is_none() || after == planted, "{what}: {after:?}");
            }
            let seen = space.quiet.get(&key("k"), GetOptions::new()).await.unwrap();
            assert_eq!(seen.is_some(), left.is_some() && !operation.name.contains("passed"), "{what}");
        }
    }
}

async fn pages(endpoint: String) {
    let space = Space::new(endpoint).await;
    let live: Vec<Key> = (0..20).map(|number| key(&format!("live-{number:02}"))).collect();
    for key in &live {
        applied(space.quiet.put(key, blob("v"), PutOptions::new(LONG)).await);
    }
    for number in 0..60 {
        space.prepare(&format!("ghost-{number}"), State::Ghost(GHOSTS[number % GHOSTS.len()])).await;
    }
    let mut seen = Vec::new();
    let mut options = ScanOptions::new("").with_limit(NonZeroUsize::new(7).unwrap());
    loop {
        let page = space.store.scan(options.clone()).await.unwrap();
        let full = page.items.len() == 7;
        seen.extend(page.items.into_iter().map(|item| item.key));
        let Some(next) = page.next else { break };
        assert!(full, "a page that is not the last one is full");
        options = options.with_cursor(next);
    }
    seen.sort_unstable();
    assert_eq!(seen, live);
    let ghosts = space.store.scan(ScanOptions::new("ghost-")).await.unwrap();
    assert!(ghosts.items.is_empty());
}

async fn batches(endpoint: String) {
    let space = Space::new(endpoint).await;
    let mut keys = Vec::new();
    for (number, ghost) in GHOSTS.into_iter().enumerate() {
        for state in [State::Ghost(ghost), State::Record] {
            let name = format!("{state:?}-{number}");
            space.prepare(&name, state).await;
            keys.push(key(&name));
        }
    }
    let is_live = |number: usize| number % 2 == 1;
    for (number, result) in space.store.get_many(&keys, GetOptions::new()).await.into_iter().enumerate() {
        assert_eq!(result.unwrap().is_some(), is_live(number), "{:?}", keys[number]);
    }
    let deleted = space.store.delete_many(&keys, ttl_core::options::DeleteOptions::take()).await;
    for (number, result) in deleted.into_iter().enumerate() {
        assert_eq!(result.unwrap().is_applied(), is_live(number), "{:?}", keys[number]);
    }
}

/// Live when it was written, and ended by the clock alone: what the driver itself writes becomes a ghost.
async fn ended(endpoint: String) {
    let space = Space::new(endpoint).await;
    for state in crate::states::LIVE {
        space.prepare("k", state).await;
        assert!(space.store.get(&key("k"), GetOptions::new()).await.unwrap().is_some());
        space.clock.advance(LONG.as_duration() - std::time::Duration::from_nanos(1));
        assert!(space.store.get(&key("k"), GetOptions::new()).await.unwrap().is_some());
        space.clock.advance(std::time::Duration::from_nanos(1));
        let after = space.store.get(&key("k"), GetOptions::new()).await.unwrap();
        assert_eq!(after.is_some(), state == State::Persistent, "{state:?}");
    }
}
