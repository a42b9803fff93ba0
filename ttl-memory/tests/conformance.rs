//! The conformance suite on this driver, with a clock that the cases move.

use std::sync::Arc;

use ttl_conformance::{Fixture, Harness, Time};
use ttl_core::{ManualClock, Result, async_trait};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

#[derive(Debug)]
struct Memory;

#[async_trait]
impl Harness for Memory {
    async fn fresh(&self) -> Result<Fixture> {
        let clock = Arc::new(ManualClock::new());
        // Expired entries stay where they are until a put comes by: every case meets ghosts.
        let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
        let store = MemoryStore::new(config);
        let second = store.clone();
        Ok(Fixture::new(Arc::new(store), Time::Manual(clock)).with_second(Arc::new(second)))
    }
}

ttl_conformance::conformance_tests!(Memory);
