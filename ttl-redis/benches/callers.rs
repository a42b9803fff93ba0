//! The time of each operation in comparison with that of the client library that sends the same command, by 1, 50 and
//! 256 callers at once: `callers`, on the server that `TTL_TEST_REDIS_URL` names.
//!
//! The two alternate, and the order is another one in each round. Prints the median of the rounds' ratios: 1.00 means as
//! fast as the client library.

#[path = "../tests/integration/peer.rs"]
mod peer;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use peer::{Operation, Pair};

const ROUNDS: usize = 15;
const CALLS: usize = 12_800;

fn main() {
    let Ok(url) = std::env::var("TTL_TEST_REDIS_URL") else {
        println!("TTL_TEST_REDIS_URL names no server; nothing is run");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pair = runtime.block_on(Pair::new(&url));
    for callers in [1, 50, 256] {
        for operation in Operation::ALL {
            let measure = |ours: bool| runtime.block_on(time(&pair, operation, callers, ours));
            let mut ratios: Vec<f64> = Vec::new();
            let mut calls: Vec<f64> = Vec::new();
            for round in 0..ROUNDS {
                let first = measure(round % 2 == 0);
                let second = measure(round % 2 != 0);
                let [ours, raw] = if round % 2 == 0 { [first, second] } else { [second, first] };
                ratios.push(raw.as_secs_f64() / ours.as_secs_f64());
                calls.push(CALLS as f64 / ours.as_secs_f64());
            }
            let [ratio, calls] = [ratios, calls].map(|mut all| {
                all.sort_by(f64::total_cmp);
                all[ROUNDS / 2]
            });
            println!(
                "{callers:3} callers, {}: {ratio:.2} of the client library, {calls:.0} calls/s",
                operation.name()
            );
        }
    }
}

async fn time(pair: &Pair, operation: Operation, callers: usize, ours: bool) -> Duration {
    let each = CALLS / callers / if callers == 1 { 4 } else { 1 };
    let begin = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let pair = pair.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    if ours { pair.ours(operation).await } else { pair.raw(operation).await }
                }
            })
        })
        .collect();
    join_all(callers).await.into_iter().for_each(|done| done.unwrap());
    begin.elapsed()
}
