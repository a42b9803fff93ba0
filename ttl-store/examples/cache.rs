//! A slow function behind a cache, with a live panel: eight tasks ask for squares, and each takes 300 ms to compute.
//!
//! ```text
//! cargo run --example cache --features cache
//! cargo run --example cache --features cache,redis -- redis://127.0.0.1:6379 10
//! ```
//!
//! The second argument is the duration in seconds. Start it twice on the same server: the two processes share each load.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use ttl_store::cache::{Cache, CacheError, Near, Stats};
use ttl_store::{Json, Store, Ttl};

const TASKS: u64 = 8;

/// The slow function.
async fn square(n: u64) -> std::io::Result<u64> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(n * n)
}

fn squares(store: &Store) -> ttl_store::Result<Cache<u64, u64>> {
    store
        .cache("example/squares", Ttl::seconds(4), Json)
        .fresh_for(Ttl::seconds(1)) // then it is returned once more, and refreshed in the background
        .near(Near::new(1_000).max_staleness(Duration::from_millis(200)))
        .build()
}

/// Asks for small numbers often and for large ones seldom, until the time is over.
async fn ask(squares: Cache<u64, u64>, task: u64, end: Instant) -> Result<(), CacheError> {
    let mut state = task + 1;
    while Instant::now() < end {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let n = (state >> 33) % (1 + (state >> 40) % 50);
        assert_eq!(*squares.get_or_load(&n, move |_| square(n)).await?, n * n);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn line(stats: &Stats) -> String {
    let Stats { near_hits, hits, stale, misses, loads, waits, .. } = stats;
    format!(
        "near hits {near_hits}  hits {hits}  stale {stale}  misses {misses}  loads {loads}  waits {waits}"
    )
}

async fn run(url: &str, duration: Duration) -> Result<(), Box<dyn std::error::Error>> {
    let store = ttl_store::connect(url).await?;
    let squares = squares(&store)?;
    if store.capabilities().changes {
        squares.follow_changes().await?;
    }
    let end = Instant::now() + duration;
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(ask(squares.clone(), task, end))).collect();
    let panel = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}")?);
    while Instant::now() < end {
        panel.set_message(line(&squares.stats()));
        panel.tick();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panel.finish_and_clear();
    for task in tasks {
        task.await??;
    }
    println!("{}", line(&squares.stats()));
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "memory:".to_owned());
    let seconds = arguments.next().map_or(Ok(5), |seconds| seconds.parse());
    let Ok(seconds) = seconds else {
        eprintln!("invalid duration: expected a number of seconds");
        return ExitCode::FAILURE;
    };
    match run(&url, Duration::from_secs(seconds)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
