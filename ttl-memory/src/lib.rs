//! The in-memory driver of ttl-store.
//!
//! [`MemoryStore`] implements the whole contract of [`TtlStore`](ttl_core::TtlStore) in process. It needs no
//! server, no I/O and no runtime. [`MemoryConfig`] sets the limits and the clock. The limits can also be read
//! from a URL such as `memory:?max_entries=10000`.

mod config;
mod connect;
mod engine;
mod inner;
mod ops;
mod store;
mod sweeper;

/// The atomics that `state` uses. A test compiles that file against `loom`'s instead.
mod sync {
    pub(crate) use std::sync::atomic::AtomicU64;
}

pub use self::config::{MemoryConfig, Reclaim};
pub use self::inner::MemoryStore;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "memory";

const CONTEXT: ttl_core::driver::Context = ttl_core::driver::Context::new(BACKEND);
