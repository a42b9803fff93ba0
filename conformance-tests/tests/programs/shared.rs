//! What programs do with `ttl-store`, on the server of one kind: each scenario in a place of its own.

use libtest_mimic::Trial;
use ttl_conformance::servers::{ServerUrl, trial};
use ttl_store::{Version, connect};

#[macro_use]
#[path = "../../../ttl-store/tests/scenarios/mod.rs"]
mod scenarios;

/// The URL with a further piece of query.
pub(crate) fn with_query(url: &str, query: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{query}")
}

/// `place` makes the URL of an empty place on the server, whose name has this part that no other has.
pub(crate) fn trials(
    server: &ServerUrl,
    place: impl Fn(&str, &str) -> String + Clone + Send + 'static,
) -> Vec<Trial> {
    let mut trials = Vec::new();
    macro_rules! push {
        ($scenario:ident) => {
            let (named, place) = (server.clone(), place.clone());
            trials.push(trial(stringify!($scenario), async move {
                let store = connect(&place(named.url(), &Version::random().to_string())).await.unwrap();
                scenarios::$scenario(store).await;
            }));
        };
    }
    for_each_scenario!(push);
    trials
}
