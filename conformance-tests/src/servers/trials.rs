//! The suite on a server that `main` owns, with one trial for each case.

use std::sync::Arc;

use libtest_mimic::Trial;
use ttl_core::Result;

use super::ServerUrl;
use crate::Harness;
use crate::trials::trials_in;

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
    let server = server.clone();
    trials_in("conformance::", move || make(server.url()))
}
