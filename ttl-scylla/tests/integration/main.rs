//! The driver on a real server: the conformance suite in both modes, the layout, the requests, tables that do not fit, and
//! answers that are lost.

mod faults;
mod layout;
mod proxy;
mod requests;
mod support;
mod tables;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::Trial;
use ttl_conformance::drivers::scylla::ScyllaHarness;
use ttl_conformance::servers::{ServerKind, ServerUrl, conformance_trials, run_tests};

fn main() -> ExitCode {
    run_tests(ServerKind::Scylla, |server| {
        let mut trials = suite(&server, "strict");
        trials.extend(suite(&server, "lww"));
        trials.extend(faults::trials(&server));
        trials.extend(layout::trials(&server));
        trials.extend(requests::trials(&server));
        trials.extend(tables::trials(&server));
        trials.sort_by(|a, b| a.name().cmp(b.name()));
        trials
    })
}

/// The suite on tables of one mode, whose name stands before those of the cases.
fn suite(server: &ServerUrl, mode: &'static str) -> Vec<Trial> {
    conformance_trials(server, move |url| Ok(Arc::new(ScyllaHarness::new(&support::in_mode(url, mode))?)))
        .into_iter()
        .map(|trial| trial.with_kind(mode))
        .collect()
}
