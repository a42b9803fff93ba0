//! The ttl-store driver for Redis and Valkey.
//!
//! Work in progress on the docs.

mod alter;
mod codec;
mod config;
mod connection;
mod error;
mod get;
mod patch;
mod put;
mod request;
mod scan;
mod scripts;
mod setup;
mod store;
mod url;

pub use self::config::RedisConfig;
pub use self::store::RedisStore;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "redis";
