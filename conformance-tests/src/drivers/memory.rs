//! The harness of the memory driver, with a manual clock.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::options::PutOptions;
use ttl_core::{Key, ManualClock, Result, Ttl, TtlStore, Value, async_trait};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

use crate::{Beneath, Fixture, Harness, Time};

/// A limit that is small enough to be tested by the suite.
const MAX_VALUE_BYTES: u64 = 1 << 20;

/// Stores in this process, each with its own clock.
#[derive(Clone, Debug)]
pub struct MemoryHarness {
    config: MemoryConfig,
}

impl MemoryHarness {
    /// Creates a harness for stores with the settings of this URL, parsed by [`MemoryConfig::from_url`].
    /// Three settings differ. The clock is manual. Values have at most 1 MiB, so that the limit can be tested.
    /// Expired entries remain until a put reclaims them, so that the cases encounter ghosts.
    ///
    /// # Errors
    /// [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) for a URL that is invalid for this driver.
    pub fn new(url: &str) -> Result<Self> {
        let config = MemoryConfig::from_url(url)?;
        Ok(Self { config: config.with_max_value_bytes(MAX_VALUE_BYTES).with_reclaim(Reclaim::Manual) })
    }
}

#[async_trait]
impl Harness for MemoryHarness {
    async fn fresh(&self) -> Result<Fixture> {
        let clock = Arc::new(ManualClock::new());
        let store = MemoryStore::new(&self.config.clone().with_clock(clock.clone()));
        let beneath = MemoryBeneath { store: store.clone(), clock: clock.clone() };
        Ok(Fixture::new(Arc::new(store.clone()), Time::Manual(clock))
            .with_second(Arc::new(store))
            .with_beneath(Arc::new(beneath)))
    }

    async fn backend_version(&self) -> Result<Option<String>> {
        Ok(Some("this process".to_owned()))
    }
}

/// Direct access to the store's table, which keeps expired entries. It contains values and not their
/// encodings, so it cannot be corrupted.
#[derive(Debug)]
struct MemoryBeneath {
    store: MemoryStore,
    clock: Arc<ManualClock>,
}

#[async_trait]
impl Beneath for MemoryBeneath {
    async fn plant_ghost(&self, key: &Key, value: &Value, dead_for: Duration) -> Result<bool> {
        let put = self.store.put(key, value.clone(), PutOptions::new(Ttl::MIN)).await?;
        self.clock.advance(Ttl::MIN.as_duration() + dead_for);
        Ok(put.is_applied())
    }

    async fn count_stored(&self) -> Result<Option<usize>> {
        Ok(Some(self.store.len()))
    }
}
