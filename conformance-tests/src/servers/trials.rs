//! The suite on a server that `main` owns: one trial for each case.

use std::sync::Arc;

use libtest_mimic::{Completion, Trial};
use ttl_core::Result;

use super::ServerUrl;
use crate::{Harness, Verdict, all, run};

/// One trial for each case, named `conformance::group::name`, on the harness that `make` makes of the server's URL.
/// A case that the store does not offer enough for is reported as ignored, with what is missing.
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
///     run_tests(ServerKind::Redis, |server| {
///         conformance_trials(&server, |url| Ok(Arc::new(MyHarness::new(url)?)))
///     })
/// }
/// ```
pub fn conformance_trials(
    server: &ServerUrl,
    make: impl Fn(&str) -> Result<Arc<dyn Harness>> + Clone + Send + 'static,
) -> Vec<Trial> {
    let trial = |case: crate::Case| {
        let (server, make) = (server.clone(), make.clone());
        Trial::ignorable_test(format!("conformance::{case:?}"), move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            let verdict = runtime.block_on(run(&make(server.url())?, &case));
            match &verdict {
                Verdict::Skipped(need) => Ok(Completion::ignored_with(format!("it needs {need}"))),
                verdict => match crate::tests_macro::verdict_text(&case, verdict) {
                    Ok(()) => Ok(Completion::Completed),
                    Err(text) => Err(text.into()),
                },
            }
        })
    };
    all().into_iter().map(trial).collect()
}
