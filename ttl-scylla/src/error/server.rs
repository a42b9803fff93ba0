//! Error responses of the servers.

use scylla::errors::DbError;
use ttl_core::{Error, ErrorKind};

use super::driver::{new, timed_out, unavailable};

/// Maps an error response of the server. Nothing was executed.
pub(super) fn rejected(answer: &DbError, text: &str) -> Error {
    match answer {
        DbError::AuthenticationError => new(
            ErrorKind::PermissionDenied,
            "the cluster rejected this user or password; check the credentials",
        ),
        DbError::Unauthorized => new(
            ErrorKind::PermissionDenied,
            "this user lacks a permission; grant it SELECT and MODIFY on the table (and CREATE to create it)",
        ),
        DbError::Unavailable { .. } => {
            unavailable("too few replicas are up; nothing changed, try again later")
        }
        DbError::Overloaded => unavailable("the node is overloaded; try again later"),
        DbError::IsBootstrapping => unavailable("the node is still starting; try again later"),
        DbError::RateLimitReached { .. } => {
            unavailable("the server limits the rate of requests; try again later")
        }
        DbError::ReadTimeout { .. } => timed_out(),
        DbError::Unprepared { .. } => unavailable(
            "the server evicts prepared statements immediately; increase its cache \
             (prepared_statements_cache_size), or try again later",
        ),
        DbError::Invalid if text.to_ascii_lowercase().contains("tablets") => new(
            ErrorKind::Unsupported,
            "this server has no lightweight transactions on tablets; use ScyllaDB 2025.4 or newer, create the keyspace \
             with tablets = {'enabled': false}, or use the mode lww",
        ),
        DbError::Invalid if text.contains("unconfigured table") || text.contains("does not exist") => new(
            ErrorKind::InvalidConfig,
            "the table no longer exists; create it again, or check keyspace and table of the configuration",
        ),
        // The client library's text for the code. The server's own text may quote bound values.
        answer => new(ErrorKind::Backend, format!("the server answered: {answer}")),
    }
}
