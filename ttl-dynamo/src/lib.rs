//! The ttl-store driver for Amazon DynamoDB.

mod client;
mod config;
mod names;
mod new_table;
mod shape;
mod store;
mod table;
mod url;

pub use self::config::{DynamoConfig, OnConnect, Reads};
pub use self::new_table::{Billing, Encryption, NewTable};
pub use self::store::DynamoStore;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "dynamodb";
