//! The suite on a server that `main` owns, with one trial for each case.

use std::sync::{Arc, OnceLock};

use libtest_mimic::{Completion, Trial};
use ttl_core::Result;

use super::ServerUrl;
use crate::{Harness, Verdict, all, run};

/// Creates one trial for each case, named `conformance::group::name`, on the harness that `make` returns for
/// the server's URL. A case that needs a missing capability is reported as ignored, with the name of the
/// capability.
///
/// ```no_run
/// use std::process::ExitCode;
/// use std::sync::Arc;
/// use ttl_conformance::servers::{ServerKind, conformance_trials, run_tests};
/// # #[derive(Debug)]
/// # struct MyHarness;
/// # impl MyHarness {
/// #     fn new(url: &str) -> ttl_core::Result<Self> { Ok(Self) }
/// # }
/// # #[ttl_core::async_trait]
/// # impl ttl_conformance::Harness for MyHarness {
/// #     async fn fresh(&self) -> ttl_core::Result<ttl_conformance::Fixture> { unimplemented!() }
/// # }
///
/// fn main() -> ExitCode {
///     run_tests(ServerKind::REDIS, |server| {
///         conformance_trials(&server, |url| Ok(Arc::new(MyHarness::new(url)?)))
///     })
/// }
/// ```
pub fn conformance_trials(
    server: &ServerUrl,
    make: impl Fn(&str) -> Result<Arc<dyn Harness>> + Clone + Send + 'static,
) -> Vec<Trial> {
    let last = Arc::new(Last::default());
    let trial = |case: crate::Case| {
        let (server, make, last) = (server.clone(), make.clone(), Arc::clone(&last));
        Trial::ignorable_test(format!("conformance::{case:?}"), move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            let harness = make(server.url())?;
            let ran = runtime.block_on(run(&harness, &case));
            last.0.get_or_init(|| harness);
            match &ran.verdict {
                Verdict::Skipped(need) => Ok(Completion::ignored_with(format!("it needs {need}"))),
                _ => match crate::tests_macro::verdict_text(&ran) {
                    Ok(()) => {
                        if let Some(text) = crate::tests_macro::remark(&ran) {
                            crate::watch::notice(&text);
                        }
                        Ok(Completion::Completed)
                    }
                    Err(text) => Err(text.into()),
                },
            }
        })
    };
    all().into_iter().map(trial).collect()
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
