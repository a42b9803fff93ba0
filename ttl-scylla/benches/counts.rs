//! One operation many times, for callgrind to count: `counts OPERATION TIMES`, on the server that `TTL_TEST_SCYLLA_URL`
//! names.
//!
//! The count of an operation is the difference of two runs with different TIMES, divided by the difference. Its peer, with
//! `raw-` in front, is the same request made with the client library. The key has 32 bytes, the value 100.

#[path = "../tests/integration/peer.rs"]
mod peer;

use std::time::Duration;

use peer::Pair;
use ttl_scylla::ScyllaConfig;

fn main() {
    // `cargo bench` and `cargo test --benches` hand over flags of their own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let operation = words.first().map_or("get", String::as_str);
    let times = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(100);
    let Ok(url) = std::env::var("TTL_TEST_SCYLLA_URL") else {
        println!("TTL_TEST_SCYLLA_URL names no server; nothing is run");
        return;
    };
    let config = ScyllaConfig::from_url(&url).unwrap_or_else(|error| panic!("{error}"));
    // Under callgrind everything takes longer.
    let pair =
        Pair::new(&config.with_table("counts").with_ensure_schema().with_timeout(Duration::from_secs(60)));
    match operation {
        "get" => pair.get(times),
        "raw-get" => pair.raw_get(times),
        "swap" => pair.swap(times),
        "raw-swap" => pair.raw_swap(times),
        other => panic!("{other} is none of: get, raw-get, swap, raw-swap"),
    }
}
