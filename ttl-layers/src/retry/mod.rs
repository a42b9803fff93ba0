//! The layer `Retry`.

mod budget;
mod config;
mod store;

pub use self::budget::RetryCounts;
pub use self::config::Retry;
