//! Many tasks at once, for the cases of races: how they start together, and how they insist.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use ttl_core::{ErrorKind, Result, TtlStore};

use crate::{Check, Failure, Test};

/// How often a call that lost every race is made again.
const PATIENCE: usize = 1_000;

/// Runs so many tasks at once, on the two handles in turn, and lets time pass meanwhile; their answers, in the order
/// of the tasks.
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
        let store = if number % 2 == 0 { &t.store } else { &t.second };
        let (start, run) = (Arc::clone(&start), task(number, Arc::clone(store)));
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

/// A millisecond, on a clock that is moved by hand too.
async fn tick(t: &Test) {
    tokio::time::sleep(Duration::from_millis(1)).await;
    if t.is_manual() {
        t.pass(Duration::from_millis(1)).await;
    }
}

/// Makes a call until it is not lost to other writers: `Contention` means that nothing was applied (P6).
pub(super) async fn insist<T, F>(call: impl Fn() -> F) -> Check<T>
where
    F: Future<Output = Result<T>>,
{
    for _ in 0..PATIENCE {
        match call().await {
            Err(error) if error.kind() == ErrorKind::Contention => {
                if !error.is_retryable() {
                    return Err(Failure::new("a contention that is retryable", format!("{error:?}")));
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            other => return Ok(other?),
        }
    }
    Err(Failure::new("an end of the contention", format!("none after {PATIENCE} attempts")))
}

/// Drops a call after its future was polled and the others had so many turns.
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
