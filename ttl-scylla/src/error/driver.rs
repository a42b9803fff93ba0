//! Errors that the driver itself finds, and the parts of all others.

use std::borrow::Cow;

use ttl_core::{Error, ErrorKind};

use crate::BACKEND;

pub(super) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(kind, message).with_backend(BACKEND)
}

/// Returns the error for an unknown datacentre.
pub(crate) fn no_datacenter(name: &str, known: &str) -> Error {
    new(
        ErrorKind::InvalidConfig,
        format!(
            "invalid value for `datacenter`: the cluster has no datacentre {name:?}; expected one of {known}"
        ),
    )
}

/// Replaces an `Unsupported` error by the one for lww mode.
pub(crate) fn not_in_lww(error: Error) -> Error {
    if error.kind() != ErrorKind::Unsupported {
        return error;
    }
    new(
        ErrorKind::Unsupported,
        "a table in lww mode does not support conditions, patches, caps and takes; use a table in strict mode",
    )
}

pub(super) fn unavailable(message: impl Into<Cow<'static, str>>) -> Error {
    new(ErrorKind::Unavailable, message)
}

pub(crate) fn timed_out() -> Error {
    new(
        ErrorKind::Timeout,
        "no response in time; the value did not change, try again or increase the timeout",
    )
}

pub(super) fn unknown(what: &str) -> Error {
    new(
        ErrorKind::OutcomeUnknown,
        format!("{what}; the write may have been applied, or may be applied later, read before deciding"),
    )
}

/// Returns the error for a write whose response cannot be read.
pub(crate) fn unreadable_response() -> Error {
    unknown("the response does not match the statement")
}

/// Returns the error for a write whose outcome the stored row no longer shows.
pub(crate) fn overtaken() -> Error {
    unknown("the response was lost, and another writer has changed the entry since")
}

/// Returns the error for a row that this driver did not write, or that was damaged.
pub(crate) fn corrupt_row(why: &'static str) -> Error {
    new(
        ErrorKind::Corrupt,
        format!(
            "the row under this key was not written by this driver ({why}); check it with cqlsh, or delete it"
        ),
    )
}

/// Returns the error for a response that does not match the statement.
pub(crate) fn unexpected_response() -> Error {
    new(ErrorKind::Backend, "the server's response does not match the statement")
}
