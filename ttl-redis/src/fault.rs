//! The meaning of an answer that cannot be read: for a read, for a write, and for the connection.

use ttl_core::{Error, ErrorKind};

use crate::error::new;

/// Whether a request may change something. The meaning of a lost or unreadable answer depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Read,
    /// A read that may move the deadline.
    Refresh,
    Write,
}

/// The result of reading an answer.
pub(crate) type Read<T> = std::result::Result<T, Fault>;

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
    Nonsense(&'static str),
}

impl From<Error> for Fault {
    /// Converts to `Unreadable`: only an explicit refusal proves that a write was not applied.
    fn from(error: Error) -> Self {
        Self::Unreadable(error)
    }
}

impl Fault {
    /// Returns the error for the caller.
    pub(crate) fn into_error(self, fate: Fate) -> Error {
        match (self, fate) {
            (Self::Refused(error) | Self::Displaced(error), _) => error,
            (Self::Unreadable(error), Fate::Read | Fate::Refresh) => error,
            (Self::Unreadable(error), Fate::Write) => new(
                ErrorKind::OutcomeUnknown,
                format!(
                    "the answer to the write cannot be read ({}); the write may have been applied, read before deciding",
                    error.message()
                ),
            ),
            (Self::Nonsense(command), Fate::Read | Fate::Refresh) => new(
                ErrorKind::Backend,
                format!("the answer to {command} has an unknown form; the connection was abandoned"),
            ),
            (Self::Nonsense(command), Fate::Write) => new(
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
            (Fault::Refused(corrupt()), Fate::Read, ErrorKind::Corrupt),
            (Fault::Refused(corrupt()), Fate::Write, ErrorKind::Corrupt),
            (Fault::Displaced(corrupt()), Fate::Write, ErrorKind::Corrupt),
            (Fault::Unreadable(corrupt()), Fate::Read, ErrorKind::Corrupt),
            (Fault::Unreadable(corrupt()), Fate::Refresh, ErrorKind::Corrupt),
            (Fault::from(corrupt()), Fate::Write, ErrorKind::OutcomeUnknown),
            (Fault::Nonsense("GET"), Fate::Read, ErrorKind::Backend),
            (Fault::Nonsense("GET"), Fate::Refresh, ErrorKind::Backend),
            (Fault::Nonsense("SET"), Fate::Write, ErrorKind::OutcomeUnknown),
        ];
        for (fault, fate, kind) in table {
            let about = format!("{fault:?} {fate:?}");
            assert_eq!(fault.into_error(fate).kind(), kind, "{about}");
        }
    }
}
