//! The ttl-store driver for Amazon DynamoDB.

mod client;
mod config;
mod names;
mod store;

pub use self::config::DynamoConfig;
pub use self::store::DynamoStore;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "dynamodb";
