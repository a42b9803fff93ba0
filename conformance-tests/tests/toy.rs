//! The suite on the toy driver of ttl-core's documentation: three methods and core's rules, nothing else.

use std::process::ExitCode;
use std::sync::Arc;

use ttl_conformance::{Fixture, Harness, Time, run_trials, trials};
use ttl_core::driver::CasStore;
use ttl_core::{Result, async_trait};

#[allow(unreachable_pub)]
#[path = "shared/toy.rs"]
mod toy;

#[derive(Debug)]
struct ToyHarness;

#[async_trait]
impl Harness for ToyHarness {
    async fn fresh(&self) -> Result<Fixture> {
        let mut toy = toy::Toy::default();
        toy.name = ttl_core::Version::random().to_string();
        Ok(Fixture::new(Arc::new(CasStore::new(toy)), Time::Real))
    }
}

fn main() -> ExitCode {
    run_trials(trials(|| Ok(Arc::new(ToyHarness))))
}
