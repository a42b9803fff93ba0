//! Runs cases on a harness: each on a fresh store, side by side, panics and endless waits included.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;

use crate::{Case, Failure, Harness, Need, Test};

/// How long a case may take: an endless wait is a failure.
const TIME_LIMIT: Duration = Duration::from_secs(120);

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
