//! What the driver allocates beyond what the client library allocates for the same commands.

use allocation_counter::measure;
use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;

use crate::peer::{Operation, Pair};
use crate::support::with_server;

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![with_server("allocations::the_driver_adds_few_to_those_of_the_client_library", server, few)]
}

/// So many at most.
const MORE: u64 = 3;

async fn few(url: String) {
    let compared = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let pair = runtime.block_on(Pair::new(&url));
        // The least of many: the tasks of both connections run here too.
        let least = |run: &dyn Fn()| (0..50).map(|_| measure(run).count_total).min().unwrap();
        Operation::ALL.map(|operation| {
            let ours = least(&|| runtime.block_on(pair.ours(operation)));
            (operation, ours, least(&|| runtime.block_on(pair.raw(operation))))
        })
    });
    for (operation, ours, raw) in compared.await.unwrap() {
        let operation = operation.name();
        assert!(raw > 0, "{operation}: nothing is counted");
        assert!(ours <= raw + MORE, "{operation}: {ours} allocations, and {raw} by the client library");
    }
}
