//! The layer `ClampTtl`.

mod bounds;
mod config;
mod store;

pub use self::config::{ClampTtl, PersistentEntries};
