//! The suite on a store that implements only the required methods: the provided ones must be correct.

use std::process::ExitCode;
use std::sync::Arc;

use ttl_conformance::{Fixture, Harness, Time, run_trials, trials};
use ttl_core::driver::CasStore;
use ttl_core::{Clock, ManualClock, Result, TtlStore, async_trait, forward_ttl_store};

#[allow(dead_code, unreachable_pub)]
#[path = "zoo/den.rs"]
mod den;

use den::{Cellar, Den, Right};

#[derive(Debug)]
struct RequiredOnly(Right);

#[async_trait]
impl TtlStore for RequiredOnly {
    // The provided patch writes with a put, which changes the creation time. So such a store denies it.
    // The clock belongs to the den. A driver on the system clock can use the provided `now` too.
    forward_ttl_store!(self, self.0 => capabilities now get put expire);
}

#[derive(Debug)]
struct Provided;

#[async_trait]
impl Harness for Provided {
    async fn fresh(&self) -> Result<Fixture> {
        let clock = Arc::new(ManualClock::new());
        let mut den = Den::new(Arc::clone(&clock) as Arc<dyn Clock>, false);
        den.capabilities = den.capabilities.with_scan(false).with_created_at(false);
        let right = Arc::new(CasStore::new(den));
        let store = Arc::new(RequiredOnly(Arc::clone(&right)));
        Ok(Fixture::new(store, Time::Manual(clock)).with_beneath(Arc::new(Cellar(right))))
    }
}

fn main() -> ExitCode {
    run_trials(trials(|| Ok(Arc::new(Provided))))
}
