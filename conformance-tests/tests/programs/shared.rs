//! The scenarios of `ttl-store` on one kind of server, each in its own place.

use libtest_mimic::Trial;
use ttl_conformance::servers::{ServerUrl, trial};
use ttl_store::{Version, connect};

#[macro_use]
#[path = "../shared/scenarios/mod.rs"]
mod scenarios;

/// Returns the URL with an additional query parameter.
pub(crate) fn with_query(url: &str, query: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{query}")
}

/// Creates the trials. `place` returns the URL of an empty place on the server, whose name contains the
/// given unique part.
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
