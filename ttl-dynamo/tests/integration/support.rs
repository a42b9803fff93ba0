//! What the trials share.

use std::time::Duration;

use libtest_mimic::Trial;
use ttl_conformance::servers::{ServerUrl, trial};

use crate::raw;

/// A trial on the common server, given its endpoint.
pub(crate) fn with_server<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    server: &ServerUrl,
    test: impl FnOnce(String) -> F + Send + 'static,
) -> Trial {
    let server = server.clone();
    trial(name, async move { test(raw::endpoint(server.url())).await })
}

/// Waits until something holds, for a while.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..2000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not happen within 20 s");
}
