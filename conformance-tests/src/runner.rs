//! Runs cases on a harness, concurrently and each on a fresh store. Panics and endless waits are failures.

use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use ttl_core::{Error, ErrorKind, Result};

use crate::calls::Calls;
use crate::{Case, Failure, FaultProxy, Fixture, Harness, Need, Retried, Test, watch};

/// The offset of a manual clock within its second when a case begins.
const OFF_THE_SECOND: Duration = Duration::from_millis(457);

/// The maximum number of runs of a case whose verdict depends on a write with an unknown outcome.
const RUNS: u32 = 4;

/// The verdict on a case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The store satisfies the requirement of the case.
    Passed,
    /// The store does not satisfy the requirement.
    Failed(Failure),
    /// The store or its harness lacks a capability that the case needs.
    Skipped(Need),
    /// The case could not be judged, because the store was too slow or the outcome of a write remained
    /// unknown; with the reason. It does not count as passed.
    Inconclusive(String),
}

/// The result of a case: its verdict, duration and retries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ran {
    /// The case.
    pub case: Case,
    /// The verdict.
    pub verdict: Verdict,
    /// The duration, including the creation of the store and the clean-up.
    pub took: Duration,
    /// The numbers of calls that failed with a retryable error and were repeated, in the last run.
    pub retried: Retried,
    /// The number of runs. A case that fails after one of its writes returned `OutcomeUnknown` is run again
    /// on a fresh store.
    pub runs: u32,
}

impl Ran {
    /// Returns a text about repeated calls and runs; `None` if there were none.
    pub(crate) fn troubles(&self) -> Option<String> {
        let retried = (self.retried.total() > 0).then(|| self.retried.to_string());
        let again = (self.runs > 1)
            .then(|| format!("run {} times because the outcome of a write was unknown", self.runs));
        let troubles: Vec<String> = retried.into_iter().chain(again).collect();
        (!troubles.is_empty()).then(|| troubles.join("; "))
    }
}

/// Runs cases concurrently, `jobs` at a time, each as a task of this runtime. It calls `next` for each case
/// to run, and `ended` with each result. After `next` returns `None`, no new case starts, and the running
/// cases end.
pub async fn run_all(
    harness: &Arc<dyn Harness>,
    jobs: NonZeroUsize,
    mut next: impl FnMut() -> Option<Case>,
    mut ended: impl FnMut(Ran),
) {
    let mut running = JoinSet::new();
    loop {
        while running.len() < jobs.get()
            && let Some(case) = next()
        {
            let harness = Arc::clone(harness);
            running.spawn(async move { run(&harness, &case).await });
        }
        match running.join_next().await {
            Some(Ok(ran)) => ended(ran),
            // Panics of a case are caught inside `run`, so this is a panic of the runner.
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            None => return,
        }
    }
}

/// Runs one case on a fresh store, and again, up to a limit, if an unknown outcome of a write prevents a
/// verdict.
pub async fn run(harness: &Arc<dyn Harness>, case: &Case) -> Ran {
    let started = Instant::now();
    let mut runs = 1;
    loop {
        let calls = Arc::new(Calls::new(format!("{case:?}"), harness.call_limit()));
        let verdict = verdict(harness, case, &calls).await;
        let unsettled = matches!(verdict, Verdict::Inconclusive(_)) && calls.has_unknown();
        if runs == RUNS || !unsettled {
            return Ran { case: *case, verdict, took: started.elapsed(), retried: calls.retried(), runs };
        }
        runs += 1;
    }
}

async fn verdict(harness: &Arc<dyn Harness>, case: &Case, calls: &Arc<Calls>) -> Verdict {
    let fresh = {
        let _watched = watch::begin(&calls.case, "Harness::fresh");
        tokio::time::timeout(harness.time_limit(), fresh(harness, case)).await
    };
    let (fixture, proxy) = match fresh {
        Ok(Ok(Some(fresh))) => fresh,
        Ok(Ok(None)) => return Verdict::Skipped(Need::network),
        Ok(Err(error)) => return Verdict::Failed(Failure::new("a fresh store", format!("{error:?}"))),
        Err(_) => {
            let limit = harness.time_limit();
            return Verdict::Failed(Failure::new(format!("a fresh store within {limit:?}"), "none"));
        }
    };
    if let crate::Time::Manual(clock) = &fixture.time {
        // Not on a whole second, so that a store that rounds to seconds fails.
        clock.advance(OFF_THE_SECOND);
    }
    let capabilities = fixture.store.capabilities();
    let manual = matches!(fixture.time, crate::Time::Manual(_));
    let storage = if case.needs.contains(&Need::no_storage) { &[][..] } else { &[Need::stores] };
    let missing = storage.iter().chain(case.needs).copied().find(|need| match need {
        Need::manual_clock => !manual,
        need => !need.is_met(&capabilities),
    });
    let others: Arc<Mutex<Vec<_>>> = Arc::default();
    let verdict = match missing {
        Some(need) => Verdict::Skipped(need),
        None => {
            let test = Test::new(harness, &fixture, &others, calls).behind(proxy);
            judge(harness, case, test, calls).await
        }
    };
    let others = std::mem::take(&mut *others.lock());
    for beneath in fixture.beneath.iter().chain(&others) {
        let _watched = watch::begin(&calls.case, "Beneath::clean_up");
        // The owner of the backend can see the entries that remain after a timeout.
        let _ = tokio::time::timeout(harness.time_limit(), beneath.clean_up()).await;
    }
    verdict
}

/// Creates the store of a case, behind a proxy if the case needs one; `None` if the harness has no network.
async fn fresh(harness: &Arc<dyn Harness>, case: &Case) -> Result<Option<(Fixture, Option<FaultProxy>)>> {
    if !case.needs.contains(&Need::network) {
        return harness.fresh().await.map(|fixture| Some((fixture, None)));
    }
    let Some(upstream) = harness.upstream() else { return Ok(None) };
    let proxy = FaultProxy::start(upstream).await.map_err(|error| {
        Error::new(ErrorKind::Unavailable, "the proxy for outages could not be started").with_source(error)
    })?;
    let fixture = harness.fresh_through(&proxy).await?;
    Ok(fixture.map(|fixture| (fixture, Some(proxy))))
}

async fn judge(harness: &Arc<dyn Harness>, case: &Case, test: Test, calls: &Calls) -> Verdict {
    let limit = harness.time_limit();
    let running = AssertUnwindSafe((case.run)(test)).catch_unwind();
    let ended = tokio::select! {
        ended = running => ended,
        failure = calls.hung() => return Verdict::Failed(failure),
        () = tokio::time::sleep(limit) => {
            let seen = format!("none within {limit:?}, after {} calls", calls.retried().calls);
            return Verdict::Failed(Failure::new("an end", seen));
        }
    };
    match ended {
        Ok(Ok(())) => calls.retried().excess().map_or(Verdict::Passed, Verdict::Failed),
        Ok(Err(failure)) if failure.is_inconclusive() => Verdict::Inconclusive(failure.seen),
        Ok(Err(failure)) if calls.has_unknown() => {
            Verdict::Inconclusive(format!("a write answered OutcomeUnknown; then {failure}"))
        }
        Ok(Err(failure)) => match case.needs.iter().find(|need| failure.is_missing(**need)) {
            Some(need) => Verdict::Skipped(*need),
            None => Verdict::Failed(failure),
        },
        Err(panic) => Verdict::Failed(Failure::new("no panic", panic_text(&*panic))),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a panic: {}", text.unwrap_or("without a text"))
}
