//! Constructors of errors.

use std::borrow::Cow;
use std::error::Error as StdError;

use ttl_core::{Error, ErrorKind};

use super::cause::Cause;
use crate::BACKEND;

pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(kind, message).with_backend(BACKEND)
}

pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    new(ErrorKind::InvalidConfig, message)
}

/// Returns the error for credentials in `place`, without repeating them.
pub(crate) fn credentials_in(place: &str) -> Error {
    invalid(format!(
        "{place} must not contain credentials or '@'; they come from the AWS chain: AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, a profile, or the role of the machine"
    ))
}

/// Returns the error for a write with an unknown outcome.
pub(crate) fn unknown(failed: &Error) -> Error {
    let text = format!("{}; the write may have been applied, read before deciding", failed.message());
    let error = new(ErrorKind::OutcomeUnknown, text);
    match failed.source() {
        Some(source) => error.with_source(Cause::new(source)),
        None => error,
    }
}

/// Returns the error for an applied write whose response contained data that cannot be read again.
pub(crate) fn applied_unread(what: &str) -> Error {
    new(
        ErrorKind::OutcomeUnknown,
        format!(
            "the write was applied, but its response with {what} was lost or cannot be read; read before deciding"
        ),
    )
}

/// Returns the error for an item that this driver did not write.
pub(crate) fn foreign_item() -> Error {
    new(
        ErrorKind::Corrupt,
        "the item under this key was not written by this driver; check the item in the table, or delete it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_outcome_keeps_the_reason() {
        let lost = Error::new(ErrorKind::Timeout, "no answer").with_source(std::io::Error::other("slow"));
        let error = unknown(&lost);
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::OutcomeUnknown, false));
        assert!(error.to_string().contains("no answer; the write may have been applied"), "{error}");
        assert_eq!(error.source().unwrap().to_string(), "slow");
    }
}
