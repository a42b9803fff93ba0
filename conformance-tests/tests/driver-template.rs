//! The suite on the driver that others copy.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use harness::FileHarness;
use ttl_conformance::{run_trials, trials};

#[allow(unreachable_pub)]
#[path = "../examples/driver-template/backend.rs"]
mod backend;
#[allow(unreachable_pub)]
#[path = "../examples/driver-template/harness.rs"]
mod harness;
// The unit tests of these two run with the example.
#[allow(unreachable_pub, unused_imports)]
#[path = "../examples/driver-template/layout.rs"]
mod layout;
#[allow(dead_code, unreachable_pub, unused_imports)]
#[path = "../examples/driver-template/store.rs"]
mod store;

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let harness = |name: &str, sweep| FileHarness { folder: folder.join(name), sweep };
    let (keeping, sweeping) = (harness("driver-template", false), harness("driver-template-sweeping", true));
    let keeping = trials(move || Ok(Arc::new(keeping.clone())));
    // The sweep only matters to the cases of what a store declares.
    let sweeping = trials(move || Ok(Arc::new(sweeping.clone()))).into_iter();
    let sweeping = sweeping.filter(|trial| trial.name().starts_with("declared::"));
    run_trials(sweeping.map(|trial| trial.with_kind("sweeping")).chain(keeping).collect())
}
