//! The driver on a real server: the conformance suite, the layout, the round trips, and servers that fail.

mod allocations;
mod changes;
mod costs;
mod crash;
mod faults;
mod fuzz;
mod garbled;
mod greetings;
mod layout;
mod peer;
mod proxy;
mod reach;
mod recovery;
mod refusals;
mod resp;
mod scans;
mod server;
mod shortcuts;
mod support;
mod trips;

use std::process::ExitCode;
use std::sync::Arc;

use ttl_conformance::drivers::redis::RedisHarness;
use ttl_conformance::servers::{ServerKind, conformance_trials, run_tests};

fn main() -> ExitCode {
    if let Some(end) = crash::child() {
        return end;
    }
    if !server::is_installed() {
        println!("ignored: the trials that start servers of their own, because redis-server is not on PATH");
    }
    run_tests(ServerKind::REDIS, |server| {
        let mut trials = conformance_trials(&server, |url| Ok(Arc::new(RedisHarness::new(url)?)));
        trials.extend(allocations::trials(&server));
        trials.extend(fuzz::trials(&server));
        trials.extend(garbled::trials(&server));
        trials.extend(trips::trials(&server));
        trials.extend(changes::trials(&server));
        trials.extend(costs::trials(&server));
        trials.extend(crash::trials());
        trials.extend(faults::trials());
        trials.extend(greetings::trials());
        trials.extend(reach::trials());
        trials.extend(recovery::trials(&server));
        trials.extend(refusals::trials());
        trials.extend(shortcuts::trials(&server));
        trials.extend(scans::trials(&server));
        trials.extend(layout::trials(&server));
        trials.sort_by(|a, b| a.name().cmp(b.name()));
        trials
    })
}
