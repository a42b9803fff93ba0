//! Many who write an absent key at the same time: each needs a few requests, however many they are.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::Value as Json;
use tokio::sync::Barrier;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{Create, ExistingDeadline, PatchOptions, PutOptions, Refresh};
use ttl_core::{Patch, Ttl, TtlStore};

use crate::states::{Ghost, State};
use crate::support::{LONG, Space, blob, key, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("bursts::first_increments_cost_a_few_requests_each", server, increments),
        with_server("bursts::first_puts_cost_three_requests_each_at_most", server, puts),
    ]
}

const WRITERS: usize = 100;

/// Runs so many at once and hands back what came of each.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(run: impl Fn() -> F) -> Vec<T> {
    let barrier = Arc::new(Barrier::new(WRITERS));
    let tasks: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (barrier, work) = (Arc::clone(&barrier), run());
            tokio::spawn(async move {
                barrier.wait().await;
                work.await
            })
        })
        .collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

/// One that fails because nothing is there, one that creates, and one that adds to what another created.
async fn increments(endpoint: String) {
    let space = Space::new(endpoint).await;
    let create = || PatchOptions::new().with_create(Create::new(LONG));
    // The clock stands still, so that all but one have nothing to extend.
    for options in [create(), create().with_refresh(Refresh::extend_only(LONG))] {
        for state in [State::Nothing, State::Ghost(Ghost::Record), State::Ghost(Ghost::Cap)] {
            space.prepare("k", state).await;
            space.wire.requests();
            let done = at_once(|| {
                let (store, options) = (space.store.clone(), options.clone());
                async move {
                    let done =
                        store.patch(&key("k"), &Patch::new().increment("n", 1), options).await.unwrap();
                    done.applied().unwrap().fields.get("n").and_then(Json::as_u64).unwrap()
                }
            });
            let mut sums = done.await;
            sums.sort_unstable();
            let expected: Vec<u64> = (1..=WRITERS as u64).collect();
            assert_eq!(sums, expected, "{state:?}");
            let sent = space.wire.requests().len();
            let each = if options.refresh.is_some() { 4 } else { 3 };
            assert!(sent <= each * WRITERS, "{sent} requests for {WRITERS} increments on {state:?}");
        }
    }
}

async fn puts(endpoint: String) {
    let space = Space::new(endpoint).await;
    let kept = PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Keep);
    let reset = PutOptions::new(LONG)
        .with_existing_deadline(ExistingDeadline::Refresh(Refresh::reset(Ttl::minutes(5))));
    for options in [PutOptions::new(LONG), kept, reset] {
        for state in [State::Nothing, State::Ghost(Ghost::Record), State::Ghost(Ghost::Cap)] {
            space.prepare("k", state).await;
            space.wire.requests();
            let done = at_once(|| {
                let (store, options) = (space.store.clone(), options.clone());
                async move { store.put(&key("k"), blob("v"), options).await.unwrap().applied().unwrap().created }
            });
            let created = done.await.into_iter().filter(|created| *created).count();
            assert_eq!(created, 1, "{state:?}");
            let sent = space.wire.requests().len();
            assert!(sent <= 3 * WRITERS, "{sent} requests for {WRITERS} puts on {state:?}");
        }
    }
}
