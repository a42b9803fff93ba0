//! The layer `Jitter`.

mod config;
mod extra;
mod store;

pub use self::config::{InstantExpiries, Jitter};
