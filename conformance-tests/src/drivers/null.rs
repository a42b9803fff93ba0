//! The harness of the store that keeps nothing.

use std::sync::Arc;

use ttl_core::driver::NullStore;
use ttl_core::{ManualClock, Result, async_trait};

use crate::{Fixture, Harness, Time};

/// Stores that keep nothing, each with its own manual clock.
#[derive(Clone, Copy, Debug)]
pub struct NullHarness;

#[async_trait]
impl Harness for NullHarness {
    async fn fresh(&self) -> Result<Fixture> {
        let clock = Arc::new(ManualClock::new());
        let store = Arc::new(NullStore::new().with_clock(clock.clone()));
        Ok(Fixture::new(store.clone(), Time::Manual(clock)).with_second(store))
    }

    async fn backend_version(&self) -> Result<Option<String>> {
        Ok(Some("this process".to_owned()))
    }
}
