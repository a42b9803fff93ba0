//! Concurrent histories: several tasks on two handles, and a search for a sequential order that explains all
//! answers (linearizability, key by key).

mod checker;
mod register;
mod tasks;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ttl_core::{Key, Kind, Value};

use self::checker::{Operation, explain};
use self::register::Done;
use self::tasks::Worker;
use crate::{Check, Failure, Test, case_table};

/// The number of keys that the tasks of a round share.
const KEYS: usize = 2;

/// The number of tasks of a round.
const TASKS: usize = 6;

/// The number of operations of each task. All operations of a round must fit one search, even if all use one
/// key.
const OPERATIONS: usize = 14;
const _: () = assert!(TASKS * OPERATIONS <= checker::MOST);

case_table! {
    /// C1, C2, C3, E5, X1, X2, X8, P1, P6, R2, R6: Concurrent puts, patches, expires, takes and
    /// refreshing reads of one record are linearizable, including batches. One order explains every
    /// value, version and deadline.
    concurrent_histories_of_records_are_linearizable: needs(conditions, patch),
    /// C1, C2, C3, E5, X1, X2, X8, R2, R6: Concurrent puts, expires, takes and refreshing reads of one
    /// blob are linearizable, including batches. One order explains every value, version and deadline.
    concurrent_histories_of_blobs_are_linearizable: needs(conditions),
}

async fn concurrent_histories_of_records_are_linearizable(t: Test) -> Check {
    rounds(t, Kind::Record).await
}

async fn concurrent_histories_of_blobs_are_linearizable(t: Test) -> Check {
    rounds(t, Kind::Blob).await
}

async fn rounds(test: Test, kind: Kind) -> Check {
    let test = Arc::new(test);
    let seed = crate::model::seed()?;
    for round in 0..if test.is_manual() { 60 } else { 12 } {
        let keys: Vec<Key> = (0..KEYS).map(|n| crate::test::key(&format!("{round}-{n}"))).collect();
        if round % 2 == 1 {
            for key in &keys {
                test.ghost(
                    key,
                    if kind == Kind::Blob { "ghost".into() } else { Value::from(crate::test::record()) },
                )
                .await?;
            }
        }
        let (begun, base) = (Instant::now(), whole_second(test.store.now()));
        let workers = (0..TASKS).map(|task| {
            let random = seed.wrapping_mul(1 << 32) ^ (round * TASKS + task) as u64;
            let worker = Worker::new(test.racing(task), keys.clone(), kind, begun, base, random);
            tokio::spawn(worker.run(OPERATIONS))
        });
        let mut histories = vec![Vec::new(); KEYS];
        for worker in workers.collect::<Vec<_>>() {
            let operations = worker.await.map_err(|error| Failure::new("no panic", error.to_string()))??;
            for (key, operation) in operations {
                histories[key].push(operation);
            }
        }
        for history in histories {
            check(history)?;
        }
    }
    Ok(())
}

fn whole_second(instant: SystemTime) -> SystemTime {
    let since = instant.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

fn check(mut history: Vec<Operation<Done>>) -> Check {
    history.sort_by_key(|operation| operation.called);
    let Err(stuck) = explain(&history, &None) else { return Ok(()) };
    let line = |at: &usize| {
        let Operation { what, called, answered } = &history[*at];
        let answered = answered.map_or("never".to_owned(), |answered| format!("{answered}"));
        format!("\n    {called}..{answered} ns: {:?}: {:?}", what.asked, what.answer)
    };
    let rest = (0..history.len()).filter(|at| !stuck.explained.contains(at));
    let rest: String = rest.map(|at| line(&at)).collect();
    let explained: String = stuck.explained.iter().map(line).collect();
    Err(Failure::new(
        "an order of the calls on one key that explains every answer",
        format!("none; the best explains{explained}\n  which leaves {:?}, but not{rest}", stuck.state),
    ))
}
