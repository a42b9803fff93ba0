//! The layer `Fallback`.

mod config;
mod entries;
mod lifetime;
mod store;

pub use self::config::{Fallback, SecondaryScope};
pub use self::entries::FallbackCounts;
