//! The ttl-store driver for the memory of this process.
//!
//! [`MemoryStore`] keeps the whole contract of [`TtlStore`](ttl_core::TtlStore) in process: no server, no I/O, no
//! runtime. [`MemoryConfig`] sets limits and the clock, or reads them from a URL such as
//! `memory:?max_entries=10000`.

mod config;
mod entry;
mod eviction;
mod hashing;
mod limits;
mod scan;
mod shard;
mod state;
mod store;
mod sweep;
mod sweeper;
mod table;
mod time;
mod weight;
mod wheel;

/// The atomics of `state`: a test compiles that file against `loom`'s.
mod sync {
    pub(crate) use std::sync::atomic::AtomicU64;
}

pub use self::config::{MemoryConfig, Reclaim};
pub use self::store::MemoryStore;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "memory";
