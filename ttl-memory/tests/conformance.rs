//! The conformance suite on this driver: with a manual clock, and in real time with the sweeper.

use std::process::ExitCode;
use std::sync::Arc;

use ttl_conformance::{Beneath, Fixture, Harness, Time, run_trials, trials};
use ttl_core::{ManualClock, Result, async_trait};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

/// Expired entries remain until a put reclaims them, so the cases encounter ghosts.
#[derive(Debug)]
struct Manual;

#[async_trait]
impl Harness for Manual {
    async fn fresh(&self) -> Result<Fixture> {
        let clock = Arc::new(ManualClock::new());
        let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
        Ok(fixture(MemoryStore::new(&config), Time::Manual(clock)))
    }
}

/// The store as programs use it.
#[derive(Debug)]
struct InRealTime;

#[async_trait]
impl Harness for InRealTime {
    async fn fresh(&self) -> Result<Fixture> {
        Ok(fixture(MemoryStore::new(&MemoryConfig::new()), Time::Real))
    }
}

fn fixture(store: MemoryStore, time: Time) -> Fixture {
    let beneath = Arc::new(Counted(store.clone()));
    Fixture::new(Arc::new(store.clone()), time).with_second(Arc::new(store)).with_beneath(beneath)
}

#[derive(Debug)]
struct Counted(MemoryStore);

#[async_trait]
impl Beneath for Counted {
    async fn count_stored(&self) -> Result<Option<usize>> {
        Ok(Some(self.0.len()))
    }
}

fn main() -> ExitCode {
    let manual = trials(|| Ok(Arc::new(Manual))).into_iter().map(|trial| trial.with_kind("manual clock"));
    let in_real_time = trials(|| Ok(Arc::new(InRealTime)));
    run_trials(manual.chain(in_real_time).collect())
}
