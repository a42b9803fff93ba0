//! One `#[tokio::test]` for each case, and the texts of verdicts.

use std::sync::Arc;

use crate::watch::notice;
use crate::{Harness, Ran, Verdict, all, run};

/// Creates one `#[tokio::test]` for each case of the suite, on the harness that the expression creates.
///
/// It is for drivers that need no server. Drivers with a server run `servers::conformance_trials` (feature
/// `servers`) on a server that `main` owns. Call it in `tests/conformance.rs`:
///
/// ```ignore
/// ttl_conformance::conformance_tests!(MyDriver);
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        $crate::__each_group!($harness, $crate::__group_tests);
    };
}

/// Passes the names of the cases of each file to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_group {
    ($harness:expr, $($callback:tt)+) => {
        $crate::each_basics!($harness, $($callback)+);
        $crate::each_keys!($harness, $($callback)+);
        $crate::each_values!($harness, $($callback)+);
        $crate::each_records!($harness, $($callback)+);
        $crate::each_kinds!($harness, $($callback)+);
        $crate::each_sizes!($harness, $($callback)+);
        $crate::each_corruption!($harness, $($callback)+);
        $crate::each_expiry!($harness, $($callback)+);
        $crate::each_deadlines!($harness, $($callback)+);
        $crate::each_exact!($harness, $($callback)+);
        $crate::each_far!($harness, $($callback)+);
        $crate::each_elapsed!($harness, $($callback)+);
        $crate::each_ghosts!($harness, $($callback)+);
        $crate::each_caps!($harness, $($callback)+);
        $crate::each_extend!($harness, $($callback)+);
        $crate::each_guards!($harness, $($callback)+);
        $crate::each_conditions!($harness, $($callback)+);
        $crate::each_versions!($harness, $($callback)+);
        $crate::each_previous!($harness, $($callback)+);
        $crate::each_created!($harness, $($callback)+);
        $crate::each_deletes!($harness, $($callback)+);
        $crate::each_honesty!($harness, $($callback)+);
        $crate::each_refresh_matrix!($harness, $($callback)+);
        $crate::each_refresh!($harness, $($callback)+);
        $crate::each_refresh_slack!($harness, $($callback)+);
        $crate::each_patch_lists!($harness, $($callback)+);
        $crate::each_patch_texts!($harness, $($callback)+);
        $crate::each_patch_numbers!($harness, $($callback)+);
        $crate::each_patch_bounds!($harness, $($callback)+);
        $crate::each_patch_fields!($harness, $($callback)+);
        $crate::each_patch_create!($harness, $($callback)+);
        $crate::each_refresh_nothing!($harness, $($callback)+);
        $crate::each_batch!($harness, $($callback)+);
        $crate::each_scan!($harness, $($callback)+);
        $crate::each_limits!($harness, $($callback)+);
        $crate::each_scenarios!($harness, $($callback)+);
        $crate::each_declared!($harness, $($callback)+);
        $crate::each_concurrency!($harness, $($callback)+);
        $crate::each_races!($harness, $($callback)+);
        $crate::each_pairs!($harness, $($callback)+);
        $crate::each_churn!($harness, $($callback)+);
        $crate::each_outages!($harness, $($callback)+);
        $crate::each_fates!($harness, $($callback)+);
        $crate::each_model!($harness, $($callback)+);
        $crate::each_histories!($harness, $($callback)+);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __group_tests {
    ($harness:expr; $group:ident { $($name:ident)+ }) => {
        mod $group {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    $crate::check_case(::std::sync::Arc::new($harness), stringify!($group), stringify!($name)).await;
                }
            )+
        }
    };
}

/// Runs the case with this name. Writes a skip to standard error, which tests do not capture.
///
/// # Panics
/// If the case fails, is inconclusive or does not exist.
#[doc(hidden)]
pub async fn check_case(harness: Arc<dyn Harness>, group: &str, name: &str) {
    let case = all().into_iter().find(|case| case.group == group && case.name == name);
    let case = case.unwrap_or_else(|| panic!("there is no case {group}::{name}"));
    let ran = run(&harness, &case).await;
    if let Some(text) = remark(&ran) {
        notice(&text);
    }
    if let Err(text) = verdict_text(&ran) {
        panic!("{text}");
    }
}

/// Returns a note for the output about a case that did not fail: a skip, or retries.
pub(crate) fn remark(ran: &Ran) -> Option<String> {
    match &ran.verdict {
        Verdict::Skipped(need) => Some(format!("{:?} skipped: it needs {need}", ran.case)),
        _ => ran.troubles().map(|troubles| format!("{:?}: {troubles}", ran.case)),
    }
}

/// Returns the text of a failure, with the clauses, the expected and the actual result, or of an inconclusive
/// case.
pub(crate) fn verdict_text(ran: &Ran) -> Result<(), String> {
    let case = &ran.case;
    match &ran.verdict {
        Verdict::Passed | Verdict::Skipped(_) => Ok(()),
        Verdict::Inconclusive(why) => {
            Err(format!("{case:?} is inconclusive, which does not count as passed: {why}"))
        }
        Verdict::Failed(failure) => {
            let clauses = case.clauses().join(", ");
            Err(format!(
                "{clauses}: {}\n  expected {}\n  seen     {}",
                case.demand(),
                failure.expected,
                failure.seen
            ))
        }
    }
}
