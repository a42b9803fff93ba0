//! One operation many times, for callgrind to count: `counts OPERATION TIMES`, on the server that `TTL_TEST_REDIS_URL`
//! names.
//!
//! The count of an operation is the difference of two runs with different TIMES, divided by the difference. Its peer, with
//! `raw-` in front, is the same command sent with the client library. The key has 32 bytes, the value 100.

#[path = "../tests/integration/peer.rs"]
mod peer;

use peer::{Operation, Pair};

fn main() {
    // `cargo bench` and `cargo test --benches` hand over flags of their own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let word = words.first().map_or("get", String::as_str);
    let times = words.get(1).and_then(|word| word.parse().ok()).unwrap_or(100);
    let name = word.strip_prefix("raw-").unwrap_or(word);
    let Some(operation) = Operation::ALL.into_iter().find(|operation| operation.name() == name) else {
        panic!("{word} is none of {:?}, with or without raw-", Operation::ALL.map(Operation::name));
    };
    let Ok(url) = std::env::var("TTL_TEST_REDIS_URL") else {
        println!("TTL_TEST_REDIS_URL names no server; nothing is run");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pair = Pair::new(&url).await;
        for _ in 0..times {
            if name == word { pair.ours(operation).await } else { pair.raw(operation).await }
        }
    });
}
