//! The layer `Prefix`.

mod config;
mod store;

pub use self::config::Prefix;
