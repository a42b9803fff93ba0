//! The driver on a real server: the conformance suite, requests lost, refused, late and counted, ghosts, the layout, the
//! limits and the table.

mod batches;
mod bursts;
mod cancellation;
mod clocks;
mod connecting;
mod creation;
mod faults;
mod foreign;
mod gate;
mod ghosts;
mod layout;
mod limits;
mod outages;
mod raw;
mod replays;
mod requests;
mod runtimes;
mod scans;
mod secrets;
mod settled;
mod states;
mod support;
mod tables;
mod wire;
mod wire_trials;

use std::process::ExitCode;
use std::sync::Arc;

use ttl_conformance::Harness;
use ttl_conformance::drivers::dynamo::DynamoHarness;
use ttl_conformance::servers::{ServerKind, conformance_trials, run_tests};

/// The groups of cases about expired entries.
const WITH_TABLE_TTL: [&str; 5] = [
    "conformance::elapsed::",
    "conformance::expiry::",
    "conformance::far::",
    "conformance::ghosts::",
    "conformance::scan::",
];

fn main() -> ExitCode {
    if let Some(done) = connecting::child() {
        return done;
    }
    run_tests(ServerKind::DYNAMODB, |server| {
        let off = |url: &str| Ok(Arc::new(DynamoHarness::new(url)?.without_table_ttl()) as Arc<dyn Harness>);
        let mut trials: Vec<_> = conformance_trials(&server, off)
            .into_iter()
            .map(|trial| trial.with_kind("no table TTL"))
            .collect();
        // With the table's TTL, which deletes ghosts at any time, run the cases about expired entries. The program
        // `ttl-conformance` runs all cases with it.
        let on = conformance_trials(&server, |url| Ok(Arc::new(DynamoHarness::new(url)?)));
        trials.extend(
            on.into_iter().filter(|trial| WITH_TABLE_TTL.iter().any(|group| trial.name().starts_with(group))),
        );
        trials.extend(batches::trials(&server));
        trials.extend(bursts::trials(&server));
        trials.extend(cancellation::trials(&server));
        trials.extend(clocks::trials(&server));
        trials.extend(connecting::trials(&server));
        trials.extend(creation::trials(&server));
        trials.extend(faults::trials(&server));
        trials.extend(foreign::trials(&server));
        trials.extend(ghosts::trials(&server));
        trials.extend(layout::trials(&server));
        trials.extend(limits::trials(&server));
        trials.extend(outages::trials(&server));
        trials.extend(replays::trials(&server));
        trials.extend(requests::trials(&server));
        trials.extend(runtimes::trials(&server));
        trials.extend(scans::trials(&server));
        trials.extend(secrets::trials(&server));
        trials.extend(settled::trials(&server));
        trials.extend(tables::trials(&server));
        trials.extend(wire_trials::trials(&server));
        trials.sort_by(|a, b| a.name().cmp(b.name()));
        trials
    })
}
