//! Runs cases on a harness: each on a fresh store, side by side; panics and endless waits are failures.

use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::{Case, Failure, Harness, Need, Test};

/// How long a case may take: an endless wait is a failure. Many times what the longest takes on a server that has a
/// machine to itself.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The store does what the case demands.
    Passed,
    /// It does not.
    Failed(Failure),
    /// The store or its harness does not offer what the case needs.
    Skipped(Need),
}

/// What a case came to, and how long it took.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ran {
    /// The case.
    pub case: Case,
    /// What became of it.
    pub verdict: Verdict,
    /// How long that took, the making of the store and the clean-up included.
    pub took: Duration,
}

/// Runs cases side by side, `jobs` at a time, each as a task of this runtime; hands each on when it ends. `next` is
/// asked for one case after another: who answers `None` has the running ones end and no new one begin.
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
            running.spawn(async move {
                let started = Instant::now();
                let verdict = run(&harness, &case).await;
                Ran { case, verdict, took: started.elapsed() }
            });
        }
        match running.join_next().await {
            Some(Ok(ran)) => ended(ran),
            // A panic of a case is caught within: this one is the runner's.
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            None => return,
        }
    }
}

/// Runs one case on a fresh store.
pub async fn run(harness: &Arc<dyn Harness>, case: &Case) -> Verdict {
    let fixture = match harness.fresh().await {
        Ok(fixture) => fixture,
        Err(error) => return Verdict::Failed(Failure::new("a fresh store", format!("{error:?}"))),
    };
    let capabilities = fixture.store.capabilities();
    let manual = matches!(fixture.time, crate::Time::Manual(_));
    let missing = case.needs.iter().copied().find(|need| match need {
        Need::manual_clock => !manual,
        need => !need.is_met(&capabilities),
    });
    if let Some(need) = missing {
        if let Some(beneath) = &fixture.beneath {
            beneath.clean_up().await;
        }
        return Verdict::Skipped(need);
    }
    let others: Arc<Mutex<Vec<_>>> = Arc::default();
    let running = AssertUnwindSafe((case.run)(Test::new(harness, &fixture, &others))).catch_unwind();
    let verdict = match tokio::time::timeout(TIME_LIMIT, running).await {
        Ok(Ok(Ok(()))) => Verdict::Passed,
        Ok(Ok(Err(failure))) => match case.needs.iter().find(|need| failure.is_missing(**need)) {
            Some(need) => Verdict::Skipped(*need),
            None => Verdict::Failed(failure),
        },
        Ok(Err(panic)) => Verdict::Failed(Failure::new("no panic", panic_text(&*panic))),
        Err(_) => Verdict::Failed(Failure::new("an end", format!("none within {TIME_LIMIT:?}"))),
    };
    let others = std::mem::take(&mut *others.lock());
    for beneath in fixture.beneath.iter().chain(&others) {
        beneath.clean_up().await;
    }
    verdict
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a panic: {}", text.unwrap_or("without a text"))
}
