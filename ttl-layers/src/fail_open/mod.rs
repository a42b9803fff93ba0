//! The layer `FailOpen`.

mod config;
mod losses;
mod store;

pub use self::config::FailOpen;
pub use self::losses::FailOpenCounts;
