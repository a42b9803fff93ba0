//! The constructors of a store.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::{Capabilities, Result};

use crate::BACKEND;
use crate::config::{MemoryConfig, Reclaim};
use crate::engine::hashing::Hashing;
use crate::engine::limits::Limits;
use crate::engine::table::Table;
use crate::engine::time::Time;
use crate::engine::wheel;
use crate::inner::{Inner, MemoryStore, Shard};
use crate::sweeper::Sweeper;

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new(config: &MemoryConfig) -> Self {
        let ((shards, limits), reclaim) = (Limits::share(config), config.reclaim());
        let time = Time::new(config.clock());
        let hashing = Hashing::default();
        let number = rand::random();
        let now = time.now().as_epoch_millis();
        let shard = |at| Shard {
            table: Table::new(now, hashing.clone(), number, (at as u64, shards as u64), limits).into(),
        };
        let mut capabilities = Capabilities::new(BACKEND).with_max_value_bytes(limits.max_value_bytes());
        if reclaim == Reclaim::Background {
            // Two ticks, and time to process the due registrations.
            capabilities = capabilities
                .with_reclaims_within(Duration::from_millis(2 * wheel::TICK_MILLIS) + Duration::from_secs(3));
        }
        Self(Arc::new(Inner {
            shards: (0..shards).map(shard).collect(),
            hashing: hashing.clone(),
            time,
            limits,
            capabilities,
            identity: format!("{number:016x}"),
            sweeper: Sweeper::new(reclaim),
        }))
    }

    /// Creates an empty store with the options of a URL, see [`MemoryConfig::from_url`].
    ///
    /// # Errors
    /// Returns [`ErrorKind::InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if the URL is invalid.
    pub fn from_url(url: &str) -> Result<Self> {
        Ok(Self::new(&MemoryConfig::from_url(url)?))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(&MemoryConfig::new())
    }
}
