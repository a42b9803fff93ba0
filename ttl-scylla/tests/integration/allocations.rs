//! What the driver allocates beyond what the client library allocates for the same requests.

use allocation_counter::measure;
use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;

use crate::peer::Pair;
use crate::support::{Table, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![with_server("allocations::the_driver_adds_few_to_those_of_the_client_library", server, few)]
}

/// So many at most.
const MORE: u64 = 3;

/// Allocations of one operation: the least of many, since a session also hears of the tables of other trials.
fn least(run: impl Fn(usize)) -> u64 {
    (0..100).map(|_| measure(|| run(1)).count_total).min().unwrap()
}

async fn few(url: String) {
    let table = Table::new(&url).await;
    let config = table.config.clone();
    let compared = tokio::task::spawn_blocking(move || {
        let pair = Pair::new(&config);
        [
            ("get", least(|times| pair.get(times)), least(|times| pair.raw_get(times))),
            ("swap", least(|times| pair.swap(times)), least(|times| pair.raw_swap(times))),
        ]
    });
    for (operation, ours, raw) in compared.await.unwrap() {
        assert!(raw > 0, "{operation}: nothing is counted");
        assert!(ours <= raw + MORE, "{operation}: {ours} allocations, and {raw} by the client library");
    }
    table.drop().await;
}
