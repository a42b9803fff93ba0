//! The driver on a real server: the conformance suite in both modes, the layout, the requests, tables that do not fit,
//! ghosts, clocks that differ, answers that are lost, and nodes that hang or stop.

mod allocations;
mod clocks;
mod cluster;
mod connections;
mod damage;
mod deserved;
mod disk;
mod ended;
mod far;
mod fates;
mod frames;
mod ghosts;
mod layout;
mod node;
mod outages;
mod peer;
mod races;
mod raw;
mod requests;
mod runtimes;
mod scans;
mod secrets;
mod secured;
mod settled;
mod space;
mod states;
mod support;
mod tables;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::Trial;
use ttl_conformance::drivers::scylla::ScyllaHarness;
use ttl_conformance::servers::{ServerKind, ServerUrl, conformance_trials, run_tests};

/// A node that gives up on fewer ended cells than a table of the trials can hold.
const SOON_TOO_MUCH: &str = "tombstone_warn_threshold: 1000\ntombstone_failure_threshold: 3000";

fn main() -> ExitCode {
    if let Some(program) = node::missing() {
        println!("ignored: the trials that start nodes of their own, because {program} is not on PATH");
    }
    run_tests(ServerKind::SCYLLA, |server| {
        let mut trials = suite(&server, "strict");
        trials.extend(suite(&server, "lww"));
        trials.extend(allocations::trials(&server));
        trials.extend(clocks::trials(&server));
        trials.extend(connections::trials(&server));
        trials.extend(damage::trials(&server));
        trials.extend(deserved::trials(&server));
        trials.extend(ended::trials(&server));
        trials.extend(far::trials(&server));
        trials.extend(fates::trials(&server));
        trials.extend(ghosts::trials(&server));
        trials.extend(layout::trials(&server));
        trials.extend(outages::trials(&server));
        trials.extend(races::trials(&server));
        trials.extend(requests::trials(&server));
        trials.extend(runtimes::trials(&server));
        trials.extend(secrets::trials(&server));
        trials.extend(settled::trials(&server));
        trials.extend(tables::trials(&server));
        // They start nodes of their own.
        trials.extend(cluster::trials());
        let node = node::SharedNode::with(SOON_TOO_MUCH);
        trials.extend(disk::trials(&node));
        trials.extend(scans::trials(&server, &node));
        trials.extend(secured::trials());
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
