//! Concurrent callers of a network client, and the servers that they use.

use std::future::Future;

use futures_util::future::join_all;
use tokio::runtime::Runtime;

use crate::rounds::Sample;

/// Returns the URL of a server, such as that of `TTL_TEST_REDIS_URL`. Exits if it is not set.
#[must_use]
pub fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        eprintln!("error: {variable} names no server; scripts/bench starts one");
        std::process::exit(2);
    })
}

/// Creates the runtime of all clients: one thread.
///
/// # Panics
/// If the system refuses it.
#[must_use]
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("the runtime starts")
}

/// Runs `each` calls one after the other for each caller, all callers at once, and returns the time for each call. The
/// calls are numbered.
pub fn drive<F: Future<Output = ()>>(
    runtime: &Runtime,
    callers: usize,
    each: usize,
    call: impl Fn(usize) -> F,
) -> Sample {
    let call = &call;
    let caller = |caller: usize| async move {
        for n in 0..each {
            call(caller * each + n).await;
        }
    };
    let run = || drop(runtime.block_on(join_all((0..callers).map(caller))));
    Sample::of_process(callers * each, run)
}

/// Returns the name of a number of callers.
#[must_use]
pub fn named(callers: usize) -> String {
    format!("{callers} caller{}", if callers == 1 { "" } else { "s" })
}
