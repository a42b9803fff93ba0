//! What programs do with `ttl-store`, on a real Redis: each scenario in a namespace of its own, by both spellings of the URL.

use std::process::ExitCode;

use ttl_conformance::servers::{ServerKind, run_tests, trial};
use ttl_store::{Store, Version, connect};

#[macro_use]
#[path = "../../ttl-store/tests/scenarios/mod.rs"]
mod scenarios;

async fn fresh(url: &str) -> Store {
    let separator = if url.contains('?') { '&' } else { '?' };
    connect(&format!("{url}{separator}namespace=facade-{}", Version::random())).await.unwrap()
}

async fn valkey_is_another_spelling(url: &str) {
    let key = format!("valkey-{}", Version::random());
    let valkey = connect(&url.replacen("redis", "valkey", 1)).await.unwrap();
    valkey.put(&key, "v", ttl_store::Ttl::seconds(10)).await.unwrap();
    assert!(connect(url).await.unwrap().delete(&key).await.unwrap());
}

fn main() -> ExitCode {
    run_tests(ServerKind::Redis, |server| {
        let mut trials = Vec::new();
        macro_rules! push {
            ($scenario:ident) => {
                let named = server.clone();
                trials.push(trial(stringify!($scenario), async move {
                    scenarios::$scenario(fresh(named.url()).await).await;
                }));
            };
        }
        for_each_scenario!(push);
        trials.push(trial("valkey_is_another_spelling", async move {
            valkey_is_another_spelling(server.url()).await;
        }));
        trials
    })
}
