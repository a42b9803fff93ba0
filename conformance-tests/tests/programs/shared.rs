//! What programs do with `ttl-store`, on the server of one kind: each scenario in a namespace of its own.

use libtest_mimic::Trial;
use ttl_conformance::servers::{ServerUrl, trial};
use ttl_store::{Store, Version, connect};

#[macro_use]
#[path = "../../../ttl-store/tests/scenarios/mod.rs"]
mod scenarios;

async fn fresh(url: &str, patience: &str) -> Store {
    let separator = if url.contains('?') { '&' } else { '?' };
    connect(&format!("{url}{separator}{patience}&namespace=facade-{}", Version::random())).await.unwrap()
}

/// `patience` is a piece of the URL's query: times that are long enough for a machine on which much else runs.
pub(crate) fn trials(server: &ServerUrl, patience: &'static str) -> Vec<Trial> {
    let mut trials = Vec::new();
    macro_rules! push {
        ($scenario:ident) => {
            let named = server.clone();
            trials.push(trial(stringify!($scenario), async move {
                scenarios::$scenario(fresh(named.url(), patience).await).await;
            }));
        };
    }
    for_each_scenario!(push);
    trials
}
