//! The schemes of the drivers that come with this crate, each behind its feature.

use crate::Registry;

impl Default for Registry {
    /// The drivers of this build; the schemes of the others are known and name their feature.
    fn default() -> Self {
        Self::empty().off("memory", &["memory"]).off("redis", &REDIS)
    }
}

const REDIS: [&str; 6] = ["redis", "rediss", "redis+unix", "valkey", "valkeys", "valkey+unix"];
