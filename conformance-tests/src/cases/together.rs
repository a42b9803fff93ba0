//! Concurrent tasks for cases about races: how they start together, and how calls are dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use ttl_core::TtlStore;

use crate::{Check, Failure, Test};

/// Runs this many tasks concurrently, on the two handles in turn, while time passes. Returns their
/// results in the order of the tasks. Calls that fail with a retryable error, including `Contention`, are
/// repeated.
pub(super) async fn together<T, F>(
    t: &Test,
    count: usize,
    task: impl Fn(usize, Arc<dyn TtlStore>) -> F,
) -> Check<Vec<T>>
where
    F: Future<Output = Check<T>> + Send + 'static,
    T: Send + 'static,
{
    let start = Arc::new(Barrier::new(count));
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let (start, run) = (Arc::clone(&start), task(number, t.racing(number)));
        tasks.spawn(async move {
            start.wait().await;
            (number, run.await)
        });
    }
    let mut answers = Vec::with_capacity(count);
    loop {
        tokio::select! {
            joined = tasks.join_next() => match joined {
                Some(Ok((number, answer))) => answers.push((number, answer?)),
                Some(Err(error)) => return Err(Failure::new("no panic", error.to_string())),
                None => break,
            },
            () = tick(t) => {}
        }
    }
    answers.sort_by_key(|(number, _)| *number);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// Waits for a millisecond, also with a manual clock.
async fn tick(t: &Test) {
    tokio::time::sleep(Duration::from_millis(1)).await;
    if t.is_manual() {
        t.pass(Duration::from_millis(1)).await;
    }
}

/// Drops a call after its future was polled and the other tasks had this number of turns.
pub(super) async fn cancelled(call: impl Future, turns: usize) {
    tokio::select! {
        biased;
        _ = call => {}
        () = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        } => {}
    }
}
