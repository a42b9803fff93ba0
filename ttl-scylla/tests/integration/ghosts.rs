//! Ghosts under every operation: to each of them the key is empty, and nothing of the ghost is left in what comes after.
//! What lives and cannot be read is neither a miss nor overwritten unseen.

use std::num::NonZeroUsize;

use futures_util::stream::{self, StreamExt};
use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{DeleteOptions, GetOptions, Projection, PutOptions, Refresh, ScanOptions};
use ttl_core::{ErrorKind, Key, Ttl, TtlStore};
use ttl_scylla::Mode;

use crate::raw::{Cells, NEVER};
use crate::space::{Space, in_both};
use crate::states::{DAMAGES, FOREIGN, GHOSTS, Ghost, State, planted};
use crate::support::{LONG, applied, blob, key};
use ttl_conformance::operations::{Operation, changes, patches, puts, reads};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    [
        in_both("ghosts::no_read_sees_one", server, |space| haunted(space, reads())),
        in_both("ghosts::no_put_meets_one", server, |space| haunted(space, puts())),
        in_both("ghosts::no_patch_meets_one", server, |space| haunted(space, patches())),
        in_both("ghosts::no_change_meets_one", server, |space| haunted(space, changes())),
        in_both("ghosts::pages_are_filled_between_them", server, pages),
        in_both("ghosts::batches_leave_them_out", server, batches),
        in_both("ghosts::what_ends_during_a_run_is_one", server, ended),
        in_both("ghosts::what_is_not_ours_is_corrupt", server, foreign),
        in_both("ghosts::a_damaged_value_is_corrupt", server, damaged),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How many keys are under way at once.
const AT_ONCE: usize = 8;

async fn haunted(space: Space, operations: Vec<Operation>) {
    stream::iter(&operations).for_each_concurrent(AT_ONCE, |operation| haunt(&space, operation)).await;
}

async fn haunt(space: &Space, operation: &Operation) {
    let empty = space.name();
    let expected = operation.run(&space.store, &key(&empty), planted()).await;
    let left = space.row(&empty).await;
    for ghost in GHOSTS {
        let (what, name) = (format!("{} on {ghost:?}", operation.name), space.name());
        space.prepare(&name, State::Ghost(ghost)).await;
        let before = space.raw.find(&name).await;
        // By the ghost's own version, where an operation names one.
        let answer = operation.run(&space.store, &key(&name), planted()).await;
        match (&answer, &expected) {
            (Ok(answer), Ok(expected)) => assert_eq!(answer, expected, "{what}"),
            (Err(error), Err(expected)) => assert_eq!(error.kind(), expected.kind(), "{what}"),
            _ => panic!("{what}: {answer:?}, and on an empty key {expected:?}"),
        }
        if left.is_some() {
            assert_eq!(space.row(&name).await, left, "{what}");
        } else {
            // It may be cleaned up, or be left to the server, whole but for the mark that it has ended.
            let after = space.raw.find(&name).await;
            let cells = |found: &Option<crate::raw::Found>| {
                found.as_ref().map(|found| Cells { version: None, covers: None, ..found.cells.clone() })
            };
            assert!(after.is_none() || cells(&after) == cells(&before), "{what}: {after:?}");
        }
        let seen = space.quiet.get(&key(&name), GetOptions::new()).await.unwrap();
        assert_eq!(seen.is_some(), left.is_some(), "{what}");
    }
}

async fn pages(space: Space) {
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
    let ghosts = space.store.scan(ScanOptions::new("ghost-").with_projection(Projection::All)).await.unwrap();
    assert!(ghosts.items.is_empty());
}

async fn batches(space: Space) {
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
    let deleted = space.store.delete_many(&keys, DeleteOptions::new()).await;
    for (number, result) in deleted.into_iter().enumerate() {
        assert_eq!(result.unwrap().is_applied(), is_live(number), "{:?}", keys[number]);
    }
}

/// Live when it was written, and ended by the clock alone: what the driver itself writes becomes a ghost.
async fn ended(space: Space) {
    let mut states = vec![State::Record, State::Blob, State::Covered, State::Persistent];
    if space.mode == Mode::Strict {
        states.push(State::Capped);
    }
    for state in states {
        let name = space.name();
        space.prepare(&name, state).await;
        if state != State::Persistent {
            // Written by the driver, at least the deadline.
            let touch = GetOptions::new().with_refresh(Refresh::reset(Ttl::minutes(10)));
            let entry = space.store.get(&key(&name), touch).await.unwrap().unwrap();
            assert!(entry.refresh_error.is_none(), "{state:?}: {:?}", entry.refresh_error);
        }
        let is_live = async || space.store.get(&key(&name), GetOptions::new()).await.unwrap().is_some();
        assert!(is_live().await, "{state:?}");
        space.clock.advance(Ttl::minutes(10).as_duration() - std::time::Duration::from_nanos(1));
        assert!(is_live().await, "{state:?}");
        space.clock.advance(std::time::Duration::from_nanos(1));
        assert_eq!(is_live().await, state == State::Persistent, "{state:?}");
    }
}

/// Neither a miss nor a refusal, and nothing is written over it but by a put or delete that asks nothing of it.
async fn foreign(space: Space) {
    let operations: Vec<Operation> = ttl_conformance::operations::all();
    stream::iter(&operations)
        .for_each_concurrent(AT_ONCE, |operation| async {
            for foreign in FOREIGN {
                let (what, name) = (format!("{} on {foreign:?}", operation.name), space.name());
                space.prepare(&name, State::Foreign(foreign)).await;
                let before = space.raw.find(&name).await.unwrap();
                let answer = operation.run(&space.store, &key(&name), planted()).await;
                let after = space.raw.find(&name).await;
                let untouched = after.as_ref().is_some_and(|after| after.cells == before.cells);
                match answer {
                    Err(error) => {
                        let known = [ErrorKind::Corrupt, ErrorKind::Unsupported];
                        assert!(known.contains(&error.kind()), "{what}: {error}");
                        assert!(untouched, "{what}: {after:?}");
                    }
                    // A scan passes it over; a delete takes it away; the deadline may be moved without a look; and who
                    // names its version knows what it replaces.
                    Ok(seen) => {
                        let deleted = operation.name.starts_with("delete") && after.is_none();
                        let moved = operation.name.starts_with("expire");
                        let swapped = operation.name == "put if version";
                        let refused = operation.name.contains("if version") && untouched;
                        assert!(
                            operation.name == "scan" || deleted || moved || swapped || refused,
                            "{what}: {seen:?}"
                        );
                        assert!(operation.name != "scan" || seen.text == "none", "{what}: {seen:?}");
                    }
                }
            }
        })
        .await;
}

async fn damaged(space: Space) {
    for damage in DAMAGES {
        let name = space.name();
        space.damage(&name, damage).await;
        let before = space.raw.find(&name).await.unwrap();
        for operation in reads().iter().chain(&patches()) {
            let what = format!("{} on {damage:?}", operation.name);
            if operation.name.contains("nothing") || operation.name == "scan" {
                continue;
            }
            let error = operation.run(&space.store, &key(&name), planted()).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported), "{what}: {error}");
            assert_eq!(space.raw.find(&name).await.unwrap().cells, before.cells, "{what}");
        }
        let take = space.store.delete(&key(&name), DeleteOptions::take()).await.unwrap_err();
        assert!(matches!(take.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported), "{damage:?}: {take}");
        assert_eq!(space.raw.find(&name).await.unwrap().cells, before.cells, "{damage:?}");
        // Its header is ours: it counts as an entry, and a put replaces it whole.
        assert!(space.store.get(&key(&name), GetOptions::nothing()).await.unwrap().is_some());
        let meta = applied(space.store.put(&key(&name), blob("new"), PutOptions::new(LONG)).await);
        assert!(!meta.created, "{damage:?}");
        let row = space.raw.find(&name).await.unwrap();
        assert_eq!((row.cells.value, row.cells.cap), (Some(b"new".to_vec()), Some(NEVER)));
    }
    // A ghost of the same kind is none of that.
    let name = space.name();
    space.prepare(&name, State::Ghost(Ghost::Unreadable)).await;
    assert!(space.store.get(&key(&name), GetOptions::new()).await.unwrap().is_none());
}
