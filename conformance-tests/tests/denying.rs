//! The suite on stores that deny parts of the contract: every case that needs such a part is skipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ttl_conformance::{Case, Fixture, Harness, Verdict, all, run};
use ttl_core::{Capabilities, Result, async_trait};

#[path = "shared/clocked.rs"]
mod clocked;

/// Creates stores with other capabilities. `CasStore` refuses calls that the capabilities do not allow.
#[derive(Clone, Copy, Debug)]
struct DenyingHarness(Capabilities);

#[async_trait]
impl Harness for DenyingHarness {
    async fn fresh(&self) -> Result<Fixture> {
        let (store, time) = clocked::store(self.0);
        Ok(Fixture::new(Arc::new(store), time))
    }
}

/// Runs every case. Fails if a case failed, or if one of `denials` did not run.
async fn check(declares: Capabilities, denials: &[&str]) {
    let harness: Arc<dyn Harness> = Arc::new(DenyingHarness(declares));
    let cases = Arc::new(all());
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (harness, cases, next) = (Arc::clone(&harness), Arc::clone(&cases), Arc::clone(&next));
        workers.spawn(async move {
            let mut verdicts: Vec<(Case, Verdict)> = Vec::new();
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                verdicts.push((*case, run(&harness, case).await.verdict));
            }
            verdicts
        });
    }
    let verdicts = workers.join_all().await.concat();
    assert_eq!(verdicts.len(), cases.len());
    let failed: Vec<String> = verdicts
        .iter()
        .filter_map(|(case, verdict)| match verdict {
            Verdict::Failed(failure) => Some(format!("{case:?}: {failure}")),
            _ => None,
        })
        .collect();
    assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), failed.join("\n"));
    for denial in denials {
        let passed =
            verdicts.iter().any(|(case, verdict)| case.name == *denial && *verdict == Verdict::Passed);
        assert!(passed, "{denial} did not run");
    }
}

fn declared() -> Capabilities {
    Capabilities::new("denying")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_conditions() {
    let denials = ["denied_conditions_are_unsupported", "denied_conditions_are_unsupported_in_batches"];
    check(declared().with_conditions(false), &denials).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_caps() {
    let denials = ["denied_caps_are_unsupported", "denied_caps_are_unsupported_in_batches"];
    check(declared().with_caps(false), &denials).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_patches() {
    check(declared().with_patch(false), &["denied_patches_are_unsupported"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_scans() {
    check(declared().with_scan(false), &["a_denied_scan_is_unsupported", "denied_changes_are_unsupported"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_creation() {
    check(declared().with_created_at(false), &["a_denied_creation_is_unsupported"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_least() {
    let least = declared().with_conditions(false).with_caps(false).with_patch(false).with_scan(false);
    let least = least.with_created_at(false).with_unique_versions(false);
    check(least, &["denied_patches_are_unsupported"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_small_values() {
    check(declared().with_max_value_bytes(350_000), &["a_put_that_is_too_large_refreshes_nothing"]).await;
}
