//! The time that operations take the server in comparison with the plainest command for the same purpose: `server`, on
//! the server that `TTL_TEST_REDIS_URL` names, which should serve nothing else.
//!
//! Both are counted by the server: within its commands (`INFO commandstats`), and in total (`INFO cpu`), which includes
//! reading requests and writing answers. 50 callers share a connection, so requests arrive together. The two alternate.
//! Prints the medians of the rounds' ratios.

#[path = "../tests/integration/peer.rs"]
#[expect(dead_code, reason = "the peers here are plainer commands")]
mod peer;

use futures_util::future::join_all;
use peer::{Operation, Pair, VALUE};
use redis::Cmd;
use redis::aio::MultiplexedConnection;

const ROUNDS: usize = 15;
const CALLERS: usize = 50;
const CALLS: usize = 100;

const SUM: &str =
    "local sum = redis.call('INCR', KEYS[1]) redis.call('PEXPIRE', KEYS[1], ARGV[1]) return sum";

fn main() {
    let Ok(url) = std::env::var("TTL_TEST_REDIS_URL") else {
        println!("TTL_TEST_REDIS_URL names no server; nothing is run");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(compare_all(&url));
}

async fn compare_all(url: &str) {
    let pair = Pair::new(url).await;
    let client = redis::Client::open(url.split('?').next().unwrap()).unwrap();
    let client = client.get_multiplexed_async_connection().await.unwrap();
    let mut raw = client.clone();
    let command = |words: &[&str]| {
        let mut cmd = Cmd::new();
        cmd.arg(words);
        cmd
    };
    let mut set = command(&["SET", "server-bench-blob"]);
    set.arg(VALUE).arg("PX").arg("3600000");
    set.exec_async(&mut raw).await.unwrap();
    let sha: String = redis::cmd("SCRIPT").arg("LOAD").arg(SUM).query_async(&mut raw).await.unwrap();
    for (operation, ours_is, name, peer_is, peer) in [
        (Operation::Get, "get", "GET", "get", command(&["GET", "server-bench-blob"])),
        (
            Operation::Refresh,
            "evalsha",
            "GETEX PX",
            "getex",
            command(&["GETEX", "server-bench-blob", "PX", "3600000"]),
        ),
        (Operation::Put, "set", "SET PX", "set", set.clone()),
        (Operation::RefreshingPut, "evalsha", "SET PX", "set", set),
        (
            Operation::Increment,
            "evalsha",
            "a script of INCR and PEXPIRE",
            "evalsha",
            command(&["EVALSHA", &sha, "1", "server-bench-sum", "3600000"]),
        ),
    ] {
        let mut ratios = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            let ours = spent(&mut raw, ours_is, || pair.ours(operation)).await;
            let theirs = spent(&mut raw, peer_is, || {
                let (peer, mut client) = (peer.clone(), client.clone());
                async move { peer.exec_async(&mut client).await.unwrap() }
            });
            let theirs = theirs.await;
            ratios.iter_mut().zip(ours.iter().zip(theirs)).for_each(|(ratios, (ours, theirs))| {
                ratios.push(ours / theirs);
            });
        }
        let [within, total] = ratios.map(|mut ratios| {
            ratios.sort_by(f64::total_cmp);
            ratios[ROUNDS / 2]
        });
        println!("{}: {within:.2} of {name} within commands, {total:.2} in total", operation.name());
    }
    let mut delete = redis::cmd("DEL");
    delete.arg("server-bench-blob").arg("server-bench-sum").exec_async(&mut raw).await.unwrap();
}

/// Returns the time that so many calls take the server: within this command, and in total.
async fn spent<F: Future<Output = ()>>(
    raw: &mut MultiplexedConnection,
    name: &str,
    call: impl Fn() -> F,
) -> [f64; 2] {
    let before = counters(raw, name).await;
    let callers = (0..CALLERS).map(|_| async {
        for _ in 0..CALLS {
            call().await;
        }
    });
    join_all(callers).await;
    let after = counters(raw, name).await;
    [after[0] - before[0], after[1] - before[1]]
}

async fn counters(raw: &mut MultiplexedConnection, name: &str) -> [f64; 2] {
    let text: String = redis::cmd("INFO").arg("commandstats").arg("cpu").query_async(raw).await.unwrap();
    let number = |text: &str| text.parse::<f64>().unwrap();
    let value = |begin: &str| text.lines().find_map(|line| line.strip_prefix(begin));
    let within = value(&format!("cmdstat_{name}:"))
        .and_then(|fields| fields.split(',').find_map(|field| field.strip_prefix("usec=")));
    let cpu = ["used_cpu_user:", "used_cpu_sys:"].map(|begin| value(begin).map_or(0.0, number));
    [within.map_or(0.0, number), cpu.iter().sum()]
}
