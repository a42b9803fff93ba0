//! The allocations of the driver, beyond those of the client library for the same commands.

use allocation_counter::measure;
use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;

use crate::peer::{Operation, Pair};
use crate::server::{OwnServer, with_own_servers};
use crate::support::{raw, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("allocations::the_driver_adds_few_to_those_of_the_client_library", server, few),
        with_own_servers("allocations::both_send_the_same_commands", same_commands),
    ]
}

/// The maximum number of additional allocations.
const MORE: u64 = 3;

/// The comparison is fair: both send the same commands, with the same number of arguments.
async fn same_commands() {
    let server = OwnServer::start(["--slowlog-log-slower-than", "0"]);
    let pair = Pair::new(&server.url()).await;
    let mut raw = raw(&server.url()).await;
    // The time, and more, precedes the arguments of the last command.
    let mut last = async || {
        let mut cmd = redis::cmd("SLOWLOG");
        let log: Vec<(i64, i64, i64, Vec<String>, String, String)> =
            cmd.arg("GET").arg("1").query_async(&mut raw).await.unwrap();
        let arguments = &log[0].3;
        (arguments[0].clone(), arguments.len())
    };
    for operation in Operation::ALL {
        pair.ours(operation).await;
        let ours = last().await;
        pair.raw(operation).await;
        assert_eq!(ours, last().await, "{}", operation.name());
    }
}

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
