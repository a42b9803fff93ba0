//! The driver on a real server: the conformance suite, the layout, the round trips, and servers that fail.

mod suite;

use std::process::ExitCode;

use ttl_conformance::servers::{ServerKind, run_tests};

fn main() -> ExitCode {
    run_tests(ServerKind::Redis, |server| {
        let mut trials = suite::trials(&server);
        trials.sort_by(|a, b| a.name().cmp(b.name()));
        trials
    })
}
