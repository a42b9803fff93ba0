//! Writes whose request or response is lost or late: results are true, and no write is applied twice.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::trial::{Trial, Watched, watch_over};
use super::under_faults::{Write, ready};
use crate::{Check, Failure, Fault, Test, case_table};

/// The maximum number of requests of one write. The fault meets each of them in turn.
const MOST_REQUESTS: usize = 6;

/// The number of times that the fault meets each request.
const ROUNDS: usize = 2;

/// The maximum number of attempts for each request. If the fault never meets the first one, the case is
/// inconclusive.
const ATTEMPTS: usize = 5;

/// Makes each write with this fault at its first request, at its second one, and so on.
async fn one_by_one(t: &Test, fault: fn(usize) -> Fault) -> Check {
    let (mut watched, mut slowest) = (Vec::new(), Duration::ZERO);
    for write in Write::ALL.into_iter().filter(|write| write.is_offered(&t.capabilities())) {
        for after in 0..MOST_REQUESTS {
            let mut rounds = 0;
            for attempt in 0..ATTEMPTS {
                let name = format!("{write:?}-{after}-{attempt}");
                let hit = once(t, write, &name, fault(after), &mut watched, &mut slowest).await?;
                rounds += usize::from(hit);
                // The fault meets nothing if the write has fewer requests.
                if rounds == ROUNDS || (!hit && after > 0) {
                    break;
                }
            }
            match rounds {
                0 if after == 0 => {
                    let why = format!("the fault met no request in {ATTEMPTS} calls of {write:?}");
                    return Err(Failure::inconclusive(why));
                }
                0 => break,
                _ => {}
            }
        }
    }
    watch_over(t, &watched, slowest).await
}

/// Makes a write under this fault and returns whether the fault met a request.
async fn once(
    t: &Test,
    write: Write,
    name: &str,
    fault: Fault,
    watched: &mut Vec<Watched>,
    slowest: &mut Duration,
) -> Check<bool> {
    let (proxy, store) = (t.proxy()?, t.bare());
    let trial = Trial::new(t, write, name).await?;
    ready(t, &*store).await?;
    let hits = proxy.hits();
    proxy.set(fault);
    let since = Instant::now();
    let answers = trial.call(&*store).await?;
    *slowest = since.elapsed().max(*slowest);
    let hit = proxy.hits() > hits;
    proxy.heal();
    watched.extend(trial.check(t, answers).await?);
    Ok(hit)
}

/// Makes all writes at once under this fault, which ends when all of them have returned.
async fn all_at_once(t: &Test, fault: Fault) -> Check {
    let (proxy, store) = (t.proxy()?, t.bare());
    let trials = Trial::all(t).await?;
    ready(t, &*store).await?;
    let hits = proxy.hits();
    proxy.set(fault);
    let since = Instant::now();
    let answers = join_all(trials.iter().map(|trial| trial.call(&*store))).await;
    let slowest = since.elapsed();
    if proxy.hits() == hits {
        return Err(Failure::inconclusive("the fault met no request"));
    }
    proxy.heal();
    let mut watched = Vec::new();
    for (trial, answers) in trials.iter().zip(answers) {
        watched.extend(trial.check(t, answers?).await?);
    }
    watch_over(t, &watched, slowest).await
}

case_table! {
    /// H3: A write whose request is cut off is applied once if it succeeds, never if its error is
    /// retryable, and otherwise at most once.
    a_write_whose_request_is_cut_tells_the_truth: needs(network),
    /// H3: A write whose response is lost does not fail with a retryable error, does not conflict with
    /// itself and is applied once.
    a_write_whose_answer_is_lost_tells_the_truth: needs(network),
    /// H3: A write whose request is delayed is never applied twice. It is not applied later if its error
    /// was retryable.
    a_write_whose_request_is_late_tells_the_truth: needs(network),
    /// H3: A write whose response is delayed does not fail with a retryable error and is applied once.
    a_write_whose_answer_is_late_tells_the_truth: needs(network),
}

async fn a_write_whose_request_is_cut_tells_the_truth(t: Test) -> Check {
    one_by_one(&t, |after| Fault::CutRequest { after }).await
}

async fn a_write_whose_answer_is_lost_tells_the_truth(t: Test) -> Check {
    one_by_one(&t, |after| Fault::LoseAnswer { after }).await
}

async fn a_write_whose_request_is_late_tells_the_truth(t: Test) -> Check {
    all_at_once(&t, Fault::Stall).await
}

async fn a_write_whose_answer_is_late_tells_the_truth(t: Test) -> Check {
    all_at_once(&t, Fault::StallAnswers).await
}
