//! Caches on one kind of server: interleavings of two clients, and races of eight processes.

#[path = "../../shared/cache_interleavings/gate.rs"]
mod gate;
mod processes;
#[path = "../../shared/cache_interleavings/scenario.rs"]
mod scenario;

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use ttl_conformance::servers::{ServerUrl, trial};
use ttl_store::{Version, connect};

pub(crate) use self::processes::run_child;
use self::scenario::{GoesOn, Interleaving, Place, Stopped, interleavings, run};

/// The number of interleavings that run at the same time.
const TOGETHER: usize = 48;

/// How many of the interleavings run.
#[allow(dead_code, reason = "each test target uses one variant")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    All,
    /// Those of three calls, for servers whose writes take long.
    Some,
}

/// Creates the trials. `place` returns the URL of an empty place on the server, whose name contains the
/// given unique part.
pub(crate) fn trials(
    server: &ServerUrl,
    extent: Extent,
    place: impl Fn(&str, &str) -> String + Clone + Send + 'static,
) -> Vec<Trial> {
    let mut trials = Vec::new();
    let calls = [
        ("cache_no_old_value_after_a_miss", Stopped::Miss),
        ("cache_no_old_value_after_a_refresh", Stopped::Stale),
        ("cache_no_old_value_after_a_batch", Stopped::Batch),
        ("cache_no_old_value_after_a_soft_timeout", Stopped::StaleWithTimeout),
        ("cache_no_old_value_after_late_tags", Stopped::LateTags),
    ];
    for (name, stopped) in calls.into_iter().take(if extent == Extent::All { 5 } else { 3 }) {
        let (server, place) = (server.clone(), place.clone());
        trials.push(trial(name, async move {
            let url = place(server.url(), &Version::random().to_string());
            no_later_call_returns_the_old_value(&url, stopped, extent).await;
        }));
    }
    let (cold, killed) = ((server.clone(), place.clone()), (server.clone(), place));
    trials.push(trial("cache_eight_processes_load_once", async move {
        let (server, place) = cold;
        processes::eight_processes_load_once(place(server.url(), &Version::random().to_string())).await;
    }));
    trials.push(trial("cache_another_process_loads_after_kill_9", async move {
        let (server, place) = killed;
        processes::another_loads_after_kill_9(place(server.url(), &Version::random().to_string())).await;
    }));
    trials
}

async fn no_later_call_returns_the_old_value(url: &str, stopped: Stopped, extent: Extent) {
    let (one, other) = (connect(url).await.unwrap(), connect(url).await.unwrap());
    let mut count = 0;
    for step in 0.. {
        let mut reached = 0;
        let runs = |it: &Interleaving| !it.near && (extent == Extent::All || it.goes_on != GoesOn::Dropped);
        let all: Vec<_> = interleavings(stopped, step).into_iter().filter(runs).collect();
        for some in all.chunks(TOGETHER) {
            let runs = some.iter().map(|it| {
                let place = Place {
                    name: Version::random().to_string(),
                    stores: [Arc::clone(one.driver()), Arc::clone(other.driver())],
                    clock: None,
                    patience: Duration::from_millis(100),
                };
                run(place, *it)
            });
            for result in futures_util::future::join_all(runs).await {
                reached += usize::from(result.unwrap());
            }
        }
        if reached == 0 {
            println!("{stopped:?}: {step} steps, {count} interleavings");
            break;
        }
        count += reached;
    }
    assert!(count > 100, "only {count} interleavings");
}
