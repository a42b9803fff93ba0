//! The cases as the tests of a cargo target, one for each case.

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Completion, Trial};
use ttl_core::Result;

use crate::watch::notice;
use crate::{Case, Harness, Ran, Verdict, all, run};

/// Creates one test for each case of the suite, named `group::case`, on the harness that `make` creates. If a
/// capability is missing, the test is reported as ignored, with the name of the capability.
///
/// Each test creates a harness and a runtime of its own. `make` is called by the tests, so the server need
/// not run before. Declare the target with `harness = false`, because it has a `main` of its own:
///
/// ```toml
/// [[test]]
/// name = "conformance"
/// harness = false
/// ```
///
/// ```no_run
/// use std::process::ExitCode;
/// use std::sync::Arc;
/// use ttl_conformance::{run_trials, trials};
/// # #[derive(Debug)]
/// # struct MyHarness;
/// # #[ttl_core::async_trait]
/// # impl ttl_conformance::Harness for MyHarness {
/// #     async fn fresh(&self) -> ttl_core::Result<ttl_conformance::Fixture> { unimplemented!() }
/// # }
///
/// fn main() -> ExitCode {
///     run_trials(trials(|| Ok(Arc::new(MyHarness))))
/// }
/// ```
pub fn trials(make: impl Fn() -> Result<Arc<dyn Harness>> + Clone + Send + 'static) -> Vec<Trial> {
    trials_in("", make)
}

/// Creates the tests of [`trials`] with a prefix before their names.
pub(crate) fn trials_in(
    prefix: &str,
    make: impl Fn() -> Result<Arc<dyn Harness>> + Clone + Send + 'static,
) -> Vec<Trial> {
    let last = Arc::new(Last::default());
    let trial = |case: Case| {
        let (make, last) = (make.clone(), Arc::clone(&last));
        Trial::ignorable_test(format!("{prefix}{case:?}"), move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            let harness = make()?;
            let ran = runtime.block_on(run(&harness, &case));
            last.0.get_or_init(|| harness);
            completion(&ran).map_err(Into::into)
        })
    };
    all().into_iter().map(trial).collect()
}

/// Runs the tests with the arguments of this process, which are those of a cargo test target. It is the `main`
/// of a target that needs no server; `servers::run_tests` (feature `servers`) is for the others.
#[must_use]
pub fn run_trials(trials: Vec<Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The last harness, shared by the trials. It is dropped after the last trial, and finishes the harness.
#[derive(Default)]
struct Last(OnceLock<Arc<dyn Harness>>);

impl Drop for Last {
    fn drop(&mut self) {
        let Some(harness) = self.0.take() else { return };
        // Without a runtime, the owner of the server can see the entries that remain.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(harness.finish());
    }
}

/// Returns the result of a test, or the text of its failure: the clauses, the expected and the actual result.
fn completion(ran: &Ran) -> std::result::Result<Completion, String> {
    let case = &ran.case;
    match &ran.verdict {
        Verdict::Skipped(need) => Ok(Completion::ignored_with(format!("it needs {need}"))),
        Verdict::Passed => {
            if let Some(troubles) = ran.troubles() {
                notice(&format!("{case:?}: {troubles}"));
            }
            Ok(Completion::Completed)
        }
        Verdict::Inconclusive(why) => {
            Err(format!("{case:?} is inconclusive, which does not count as passed: {why}"))
        }
        Verdict::Failed(failure) => Err(format!(
            "{}: {}\n  expected {}\n  seen     {}",
            case.clauses().join(", "),
            case.demand(),
            failure.expected,
            failure.seen
        )),
    }
}
