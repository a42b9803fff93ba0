//! Programs on DynamoDB Local, which take their credentials from the environment as usual.

mod cache;
mod shared;

use std::process::ExitCode;

use ttl_conformance::servers::{ServerKind, run_tests};

fn main() -> ExitCode {
    if let Some(end) = cache::run_child() {
        return end;
    }
    run_tests(ServerKind::DYNAMODB, |server| {
        let place = |url: &str, name: &str| {
            // Long enough for a busy machine.
            let patience = "timeout=60s&attempt_timeout=20s&connect_timeout=20s";
            shared::with_query(url, &format!("{patience}&namespace=facade-{name}"))
        };
        let mut trials = shared::trials(&server, place);
        trials.extend(cache::trials(&server, cache::Extent::Some, place));
        trials
    })
}
