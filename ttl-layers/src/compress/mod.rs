//! The layer `Compress`.

mod codec;
mod config;
mod envelope;
mod method;
mod store;

pub use self::config::Compress;
