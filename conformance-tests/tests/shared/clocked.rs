//! The toy backend with a manual clock, and with any capabilities.

use std::sync::Arc;
use std::time::SystemTime;

use ttl_conformance::Time;
use ttl_core::driver::{CasBackend, CasStore, Stored};
use ttl_core::{Capabilities, Clock, Key, ManualClock, Result, Version, async_trait};

#[allow(unreachable_pub)]
#[path = "toy.rs"]
mod toy;

#[derive(Debug)]
pub(crate) struct Clocked {
    toy: toy::Toy,
    clock: Arc<ManualClock>,
    capabilities: Capabilities,
}

/// Creates a store with these capabilities, which shares nothing with others.
pub(crate) fn store(capabilities: Capabilities) -> (CasStore<Clocked>, Time) {
    let clock = Arc::new(ManualClock::new());
    let mut toy = toy::Toy::default();
    toy.name = Version::random().to_string();
    (CasStore::new(Clocked { toy, clock: Arc::clone(&clock), capabilities }), Time::Manual(clock))
}

#[async_trait]
impl CasBackend for Clocked {
    type Stamp = <toy::Toy as CasBackend>::Stamp;

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn identity(&self) -> &str {
        self.toy.identity()
    }

    async fn load(&self, key: &Key) -> Result<Option<(Stored, Self::Stamp)>> {
        self.toy.load(key).await
    }

    async fn swap(&self, key: &Key, seen: Option<&Self::Stamp>, next: Option<&Stored>) -> Result<bool> {
        self.toy.swap(key, seen, next).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Result<Stored>)>> {
        self.toy.list(prefix, after, limit).await
    }
}
