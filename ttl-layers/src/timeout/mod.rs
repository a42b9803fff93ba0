//! The layer `Timeout`.

mod config;
mod store;

pub use self::config::Timeout;
