//! The Redis driver beside redis-rs and fred: throughput, processor time of the client, and that of the server.

use std::process::ExitCode;

use ttl_benches::arguments::Scale;
use ttl_benches::callers::{drive, named, runtime, server};
use ttl_benches::redis_clients::{Clients, Request, Who};
use ttl_benches::report::{Measured, Report};
use ttl_benches::rounds::Rounds;

const PURPOSE: &str = "requests to Redis, by ttl-store, redis-rs and fred, on one thread";

/// The times of a request, in microseconds.
struct Times {
    wall: f64,
    cpu: f64,
    server: f64,
}

fn main() -> ExitCode {
    let scale = Scale::from_arguments(PURPOSE);
    let url = server("TTL_TEST_REDIS_URL");
    let mut report = Report::begin("redis", PURPOSE, scale);
    let runtime = runtime();
    report.say("connecting, filling, and recording the commands of each client");
    let clients = match runtime.block_on(Clients::connect(&url, &"v".repeat(100))) {
        Ok(clients) => clients,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    for request in Request::ALL {
        let sent: Vec<String> = Who::all(request)
            .into_iter()
            .map(|who| format!("{}: {}", who.name(), brief(clients.commands(who, request))))
            .collect();
        report.say(format_args!("{} is sent as: {}", request.name(), sent.join("; ")));
    }
    for callers in [1, 50, 256] {
        for request in Request::ALL {
            if scale.quick && callers == 1 && !matches!(request, Request::Get | Request::PutDefault) {
                continue;
            }
            let total = scale.pick(1_500, 20_000) / if request == Request::GetMany { 10 } else { 1 };
            let each = (total / callers).clamp(2, scale.pick(400, 4_000));
            let contestants = Who::all(request);
            let mut rounds = Rounds::new(contestants.len());
            for _ in 0..scale.rounds() {
                for at in rounds.order() {
                    let who = contestants[at];
                    runtime.block_on(clients.reset_statistics());
                    let sample = drive(&runtime, callers, each, |n| clients.call(who, request, n));
                    let server = runtime.block_on(clients.server_time(who, request));
                    rounds.record(at, Times { wall: sample.wall / 1e3, cpu: sample.cpu / 1e3, server });
                }
            }
            let names: Vec<&str> = contestants.iter().map(|who| who.name()).collect();
            let workload = format!("{}, values 100 B", named(callers));
            let value = |metric: &str, times: &Times| match metric {
                "wall" => times.wall,
                "cpu" => times.cpu,
                _ => times.server,
            };
            for metric in ["wall", "cpu", "server cpu"] {
                // The baseline is for the server only.
                let shown = if metric == "server cpu" { names.len() } else { names.len() - 1 };
                let measured =
                    Measured { operation: request.name(), workload: &workload, metric, unit: "us" };
                report.compared(
                    measured,
                    &names[..shown],
                    &rounds.compared(|times| value(metric, times))[..shown],
                );
            }
        }
    }
    report.finish();
    if let Err(error) = runtime.block_on(clients.clean()) {
        eprintln!("error: keys remain in the server: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Returns the commands of a request, with a number instead of repetitions.
fn brief(commands: &[String]) -> String {
    match commands {
        [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|name| name == first) => {
            format!("{first} x {}", commands.len())
        }
        _ => commands.join(", "),
    }
}
