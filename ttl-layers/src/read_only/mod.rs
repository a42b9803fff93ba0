//! The layer `ReadOnly`.

mod config;
mod store;

pub use self::config::ReadOnly;
