//! Layers on a real Redis: the suite on a stack of them, and an outage of the server.

mod outage;
mod stack;

use std::process::ExitCode;

use ttl_conformance::servers::{ServerKind, run_tests, trial};

fn main() -> ExitCode {
    run_tests(ServerKind::REDIS, |server| {
        let mut trials = stack::trials(&server);
        let url = server.clone();
        trials.push(trial("an_open_circuit_closes_again", async move { outage::circuit(url.url()).await }));
        let url = server.clone();
        trials.push(trial("outages_become_misses_with_fail_open_only", async move {
            outage::fail_open(url.url()).await;
        }));
        trials.push(trial("a_second_store_serves_during_an_outage", async move {
            outage::fallback(server.url()).await;
        }));
        trials
    })
}
