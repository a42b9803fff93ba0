//! The ttl-store driver for ScyllaDB and Apache Cassandra.

mod alter;
mod batch;
mod client;
mod config;
mod connect;
mod error;
mod get;
mod lifetime;
mod lww;
mod mode;
mod put;
mod row;
mod scan;
mod schema;
mod statements;
mod store;
mod strict;
#[cfg(feature = "tls")]
mod tls;
mod url;

pub use self::config::{Replication, ScyllaConfig};
pub use self::mode::Mode;
pub use self::store::ScyllaStore;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "scylla";
