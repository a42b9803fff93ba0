//! The layer `Timeout`.

mod config;
mod limit;
mod store;

pub use self::config::Timeout;
