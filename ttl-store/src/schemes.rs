//! The schemes of the drivers that come with this crate, each behind its feature.

use crate::Registry;

impl Default for Registry {
    /// The drivers of this build; the schemes of the others are known and name their feature.
    fn default() -> Self {
        let registry = Self::empty().off("memory", &["memory"]).off("redis", &REDIS);
        #[cfg(feature = "memory")]
        let registry = registry.with("memory", memory);
        registry
    }
}

const REDIS: [&str; 6] = ["redis", "rediss", "redis+unix", "valkey", "valkeys", "valkey+unix"];

#[cfg(feature = "memory")]
async fn memory(url: String) -> ttl_core::Result<crate::Store> {
    Ok(crate::Store::new(ttl_memory::MemoryStore::from_url(&url)?))
}
