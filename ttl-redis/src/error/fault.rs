//! The fault of an answer that holds no result, and the error that it becomes.

use std::borrow::Cow;

use ttl_core::{Error, ErrorKind};

/// Creates an error of this backend.
pub(super) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(kind, message).with_backend(crate::BACKEND)
}

/// The kind of a request. The meaning of a lost or unreadable answer depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    Read,
    /// A read that may move the deadline.
    Refresh,
    Write,
}

/// The result of decoding an answer.
pub(crate) type Decoded<T> = std::result::Result<T, Fault>;

/// The reason why an answer holds no result.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server or the script reports why it has not run the request.
    Refused(Error),
    /// As `Refused`, but another server may have taken over the address: the connection is replaced.
    Displaced(Error),
    /// The content cannot be read, although the answer has a valid form.
    Unreadable(Error),
    /// The answer has a form that this command cannot have, so it may belong to another request.
    UnknownForm(&'static str),
}

impl From<Error> for Fault {
    /// Converts to `Unreadable`: only an explicit refusal proves that a write was not applied.
    fn from(error: Error) -> Self {
        Self::Unreadable(error)
    }
}

impl Fault {
    /// Returns the error for the caller.
    pub(crate) fn into_error(self, kind: RequestKind) -> Error {
        match (self, kind) {
            (Self::Refused(error) | Self::Displaced(error), _) => error,
            (Self::Unreadable(error), RequestKind::Read | RequestKind::Refresh) => error,
            (Self::Unreadable(error), RequestKind::Write) => new(
                ErrorKind::OutcomeUnknown,
                format!(
                    "the answer to the write cannot be read ({}); the write may have been applied, read before deciding",
                    error.message()
                ),
            ),
            (Self::UnknownForm(command), RequestKind::Read | RequestKind::Refresh) => new(
                ErrorKind::Backend,
                format!("the answer to {command} has an unknown form; the connection was abandoned"),
            ),
            (Self::UnknownForm(command), RequestKind::Write) => new(
                ErrorKind::OutcomeUnknown,
                format!(
                    "the answer to {command} has an unknown form, and the connection was abandoned; the write may have \
                     been applied, read before deciding"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_proves_that_a_write_was_not_applied() {
        let corrupt = || Error::new(ErrorKind::Corrupt, "text");
        let table = [
            (Fault::Refused(corrupt()), RequestKind::Read, ErrorKind::Corrupt),
            (Fault::Refused(corrupt()), RequestKind::Write, ErrorKind::Corrupt),
            (Fault::Displaced(corrupt()), RequestKind::Write, ErrorKind::Corrupt),
            (Fault::Unreadable(corrupt()), RequestKind::Read, ErrorKind::Corrupt),
            (Fault::Unreadable(corrupt()), RequestKind::Refresh, ErrorKind::Corrupt),
            (Fault::from(corrupt()), RequestKind::Write, ErrorKind::OutcomeUnknown),
            (Fault::UnknownForm("GET"), RequestKind::Read, ErrorKind::Backend),
            (Fault::UnknownForm("GET"), RequestKind::Refresh, ErrorKind::Backend),
            (Fault::UnknownForm("SET"), RequestKind::Write, ErrorKind::OutcomeUnknown),
        ];
        for (fault, request, kind) in table {
            let about = format!("{fault:?} {request:?}");
            assert_eq!(fault.into_error(request).kind(), kind, "{about}");
        }
    }
}
