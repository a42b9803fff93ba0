//! One operation many times, for callgrind to count: `counts OPERATION TIMES`.
//!
//! The count of an operation is the difference of two runs with different TIMES, divided by the difference. Its peer, with
//! `raw-` in front, is the same request made with the SDK. The key has 32 bytes, the value 100.

#[path = "../tests/canned/mod.rs"]
mod canned;

use canned::Pair;

fn main() {
    // `cargo bench` and `cargo test --benches` hand over flags of their own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let operation = words.first().map_or("get", String::as_str);
    let times = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(100);
    let pair = Pair::new();
    match operation {
        "get" => pair.get(times),
        "raw-get" => pair.raw_get(times),
        "overwrite" => pair.overwrite(times),
        "raw-overwrite" => pair.raw_overwrite(times),
        other => panic!("{other} is none of: get, raw-get, overwrite, raw-overwrite"),
    }
}
