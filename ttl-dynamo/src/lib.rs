//! The ttl-store driver for Amazon DynamoDB.

mod batch;
mod client;
mod codec;
mod config;
mod decimal;
mod delete;
mod error;
mod expire;
mod expression;
mod get;
mod names;
mod new_table;
mod patch;
mod patch_first;
mod put;
mod put_first;
mod scan;
mod send;
mod shape;
mod size;
mod store;
mod table;
mod url;

pub use self::config::{DynamoConfig, OnConnect, Reads};
pub use self::new_table::{Billing, Encryption, NewTable};
pub use self::store::DynamoStore;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "dynamodb";
