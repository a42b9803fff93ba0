//! Programs on a real Redis, with both spellings of the URL.

mod cache;
mod near_redis;
mod shared;

use std::process::ExitCode;

use ttl_conformance::servers::{ServerKind, run_tests, trial};
use ttl_store::{Version, connect};

async fn valkey_is_another_spelling(url: &str) {
    let key = format!("valkey-{}", Version::random());
    let valkey = connect(&url.replacen("redis", "valkey", 1)).await.unwrap();
    valkey.put(&key, "v", ttl_store::Ttl::seconds(10)).await.unwrap();
    assert!(connect(url).await.unwrap().delete(&key).await.unwrap());
}

fn main() -> ExitCode {
    if let Some(end) = cache::run_child() {
        return end;
    }
    run_tests(ServerKind::REDIS, |server| {
        // Long enough for a busy machine.
        let place =
            |url: &str, name: &str| shared::with_query(url, &format!("timeout=20s&namespace=facade-{name}"));
        let mut trials = shared::trials(&server, place);
        trials.extend(near_redis::trials(&server, move |url| place(url, &Version::random().to_string())));
        trials.extend(cache::trials(&server, cache::Extent::All, place));
        trials.push(trial("valkey_is_another_spelling", async move {
            valkey_is_another_spelling(server.url()).await;
        }));
        trials
    })
}
