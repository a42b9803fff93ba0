//! The driver on a real server: the conformance suite, the layout, the round trips, and servers that fail.

mod fuzz;
mod layout;
mod proxy;
mod server;
mod suite;
mod support;
mod trips;

use std::process::ExitCode;

use ttl_conformance::servers::{ServerKind, run_tests};

fn main() -> ExitCode {
    if !server::is_installed() {
        println!("ignored: the trials that start servers of their own, because redis-server is not on PATH");
    }
    run_tests(ServerKind::Redis, |server| {
        let mut trials = suite::trials(&server);
        trials.extend(fuzz::trials(&server));
        trials.extend(trips::trials(&server));
        trials.extend(layout::trials(&server));
        trials.sort_by(|a, b| a.name().cmp(b.name()));
        trials
    })
}
