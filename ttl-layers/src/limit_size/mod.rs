//! The layer `LimitSize`.

mod config;
mod growth;
mod store;

pub use self::config::{GrowingPatches, LimitSize};
