//! Programs on DynamoDB Local, which take their credentials from the environment as usual.

mod shared;

use std::process::ExitCode;

use ttl_conformance::servers::{ServerKind, run_tests};

fn main() -> ExitCode {
    run_tests(ServerKind::DYNAMODB, |server| {
        shared::trials(&server, |url, name| {
            // Long enough for a busy machine.
            let patience = "timeout=60s&attempt_timeout=20s&connect_timeout=20s";
            shared::with_query(url, &format!("{patience}&namespace=facade-{name}"))
        })
    })
}
