//! 64 concurrent tasks: exactly one wins each race, and no update is lost.

use std::future::Future;

use ttl_store::options::Returning;
use ttl_store::{Patch, Raw};

use crate::support::{Fixture, Session, TTL, session};

const TASKS: usize = 64;

/// Returns the results of all tasks.
async fn race<T, F>(attempt: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..TASKS).map(|n| tokio::spawn(attempt(n))).collect();
    let mut answers = Vec::with_capacity(TASKS);
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

fn count(wins: impl IntoIterator<Item = bool>) -> usize {
    wins.into_iter().filter(|won| *won).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_acquires_a_lease() {
    let leases = Fixture::new().store.leases("jobs", TTL).unwrap();
    let mut held: Vec<_> = race(|_| {
        let leases = leases.clone();
        async move { leases.acquire("a").await.unwrap().applied() }
    })
    .await
    .into_iter()
    .flatten()
    .collect();
    assert_eq!(held.len(), 1);
    assert!(held[0].is_held().await.unwrap());
    assert!(held[0].release().await.unwrap().is_applied());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_takes_a_token() {
    let tokens = Fixture::new().store.blobs::<String, _>("tokens", TTL, Raw).build().unwrap();
    tokens.put("t", &"ada".to_owned()).await.unwrap();
    let taken = race(|_| {
        let tokens = tokens.clone();
        async move { tokens.take("t").await.unwrap() }
    })
    .await;
    assert_eq!(taken.into_iter().flatten().collect::<Vec<_>>(), ["ada"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_creates_and_one_swaps() {
    let sessions = Fixture::new().store.records::<Session>("s", TTL).build().unwrap();
    let created = race(|n| {
        let sessions = sessions.clone();
        async move { sessions.create("k", &session(&n.to_string())).await.unwrap().is_applied() }
    })
    .await;
    assert_eq!(count(created), 1);
    let version = sessions.get_item("k", Returning::VERSION).await.unwrap().unwrap().version.unwrap();
    let swapped = race(|n| {
        let sessions = sessions.clone();
        let value = session(&format!("swapped by {n}"));
        async move { sessions.compare_and_swap("k", version, &value).await.unwrap().is_applied() }
    })
    .await;
    assert_eq!(count(swapped), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn additions_add_up() {
    let store = Fixture::new().store;
    let counters = store.counters("n", TTL).build().unwrap();
    let sessions = store.records::<Session>("s", TTL).build().unwrap();
    let sums = race(|_| {
        let (counters, sessions) = (counters.clone(), sessions.clone());
        async move {
            let hit = Patch::new().increment("hits", 1);
            sessions.patch_or_create("k", hit, &session("/")).await.unwrap();
            counters.increment("k").await.unwrap()
        }
    })
    .await;
    let sums: std::collections::BTreeSet<i64> = sums.into_iter().collect();
    assert_eq!(sums.len(), TASKS, "each sum is answered once");
    assert_eq!(counters.get("k").await.unwrap(), Some(64));
    assert_eq!(sessions.get("k").await.unwrap().unwrap().hits, 65);
}
