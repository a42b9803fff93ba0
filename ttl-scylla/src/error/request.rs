//! Maps responses of the servers, and missing responses, to errors.

use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::statement::Consistency;
use ttl_core::driver::WriteFailure;
use ttl_core::{Error, ErrorKind};

use super::connection::{not_prepared, pool};
use super::driver::{new, timed_out, unavailable, unknown, unreadable_response};
use super::server::rejected;

/// Cassandra's code for a transaction with an unknown outcome. A serial read can return it too, because it
/// completes unfinished transactions.
const CAS_WRITE_UNKNOWN: i32 = 0x1700;

/// Maps a failed read. Nothing was changed.
pub(crate) fn read(failed: ExecutionError) -> Error {
    match &failed {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(answer, text)) => match answer {
            DbError::ReadTimeout { .. }
            | DbError::WriteTimeout { .. }
            | DbError::Other(CAS_WRITE_UNKNOWN) => timed_out(),
            DbError::ReadFailure { .. } | DbError::WriteFailure { .. } | DbError::Overloaded => {
                unavailable("replicas failed to respond; try again later")
            }
            answer => rejected(answer, text),
        },
        ExecutionError::RequestTimeout(_) => timed_out(),
        ExecutionError::LastAttemptError(attempt) if is_broken(attempt) => {
            unavailable("the connection broke before the response; nothing was read, try again")
        }
        _ => not_sent(failed),
    }
}

/// Maps a failure to create a keyspace or a table.
pub(crate) fn not_created(failed: ExecutionError) -> Error {
    match &failed {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::ConfigError, _)) => new(
            ErrorKind::InvalidConfig,
            "the servers rejected this keyspace or table; check the replication and the names of its datacentres",
        ),
        ExecutionError::RequestTimeout(_) => new(
            ErrorKind::Timeout,
            "the table was not created in time, or not all nodes know it yet; try again",
        ),
        _ => read(failed),
    }
}

/// Returns whether a range may contain too many deleted rows for one read: the servers give up or take too
/// long.
pub(crate) fn is_range_too_large(failed: &ExecutionError) -> bool {
    let ExecutionError::LastAttemptError(RequestAttemptError::DbError(answer, _)) = failed else {
        return matches!(failed, ExecutionError::RequestTimeout(_));
    };
    matches!(answer, DbError::ReadFailure { .. } | DbError::ReadTimeout { .. })
}

/// Returns whether the server no longer knows the statement. It has then not executed it.
pub(crate) fn is_unprepared(failed: &ExecutionError) -> bool {
    matches!(
        failed,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Unprepared { .. }, _))
    )
}

/// The kind of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteKind {
    /// A lightweight transaction.
    Transaction,
    /// A write without a condition.
    Plain,
}

/// Classifies a failed write. `commit` is the consistency of the write. For a transaction it shows which
/// phase the servers had reached.
pub(crate) fn write(failed: ExecutionError, commit: Consistency, kind: WriteKind) -> WriteFailure {
    let (answer, text) = match &failed {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(answer, text)) => (answer, text),
        ExecutionError::RequestTimeout(_) => {
            return WriteFailure::Unknown(unknown("no response within the time limit"));
        }
        ExecutionError::LastAttemptError(attempt) if is_broken(attempt) => {
            return WriteFailure::Unknown(unknown("the connection broke before the response"));
        }
        ExecutionError::BadQuery(_)
        | ExecutionError::EmptyPlan
        | ExecutionError::PrepareError(_)
        | ExecutionError::ConnectionPoolError(_)
        | ExecutionError::LastAttemptError(_) => return WriteFailure::NotApplied(not_sent(failed)),
        // Failures after a response that no write has, and failures that later releases of the client library
        // add.
        _ => return WriteFailure::Unknown(unreadable_response()),
    };
    match answer {
        // Raised before the proposal, unless the commit lacks replicas.
        DbError::Unavailable { consistency, .. } if kind == WriteKind::Plain || *consistency != commit => {
            WriteFailure::NotApplied(rejected(answer, text))
        }
        DbError::IsBootstrapping
        | DbError::RateLimitReached { rejected_by_coordinator: true, .. }
        | DbError::SyntaxError
        | DbError::Invalid
        | DbError::AlreadyExists { .. }
        | DbError::FunctionFailure { .. }
        | DbError::AuthenticationError
        | DbError::Unauthorized
        | DbError::ConfigError
        | DbError::Unprepared { .. }
        | DbError::ProtocolError => WriteFailure::NotApplied(rejected(answer, text)),
        // Acknowledgements missing at the commit of a transaction (a WriteTimeout of type SIMPLE) may belong
        // to another, unfinished transaction, which is completed first. Only the code is used: the server's
        // text may quote bound values.
        answer => WriteFailure::Unknown(unknown(&format!("the server answered: {answer}"))),
    }
}

/// Returns whether the request may have been passed to a connection: every failure not known to happen
/// earlier.
fn is_broken(attempt: &RequestAttemptError) -> bool {
    !matches!(
        attempt,
        RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_)
            | RequestAttemptError::UnableToAllocStreamId
            | RequestAttemptError::DbError(..)
    )
}

/// Maps a failure of a request that was not passed to any connection.
fn not_sent(failed: ExecutionError) -> Error {
    match &failed {
        ExecutionError::EmptyPlan => {
            unavailable("no node is available: all are down, or none is in the configured datacentre")
        }
        ExecutionError::ConnectionPoolError(error) => pool(error),
        ExecutionError::PrepareError(error) => not_prepared(error),
        ExecutionError::LastAttemptError(RequestAttemptError::UnableToAllocStreamId) => {
            unavailable("too many requests are in flight on this connection; nothing was sent, try again")
        }
        // A serialisation error may quote the value.
        ExecutionError::BadQuery(_) | ExecutionError::LastAttemptError(_) => {
            new(ErrorKind::Backend, "the client library cannot encode this request; nothing was sent")
        }
        _ => unavailable("the request could not be sent; try again later").with_source(failed),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scylla::errors::{ConnectionPoolError, WriteType};

    use super::*;
    use crate::BACKEND;

    const COMMIT: Consistency = Consistency::Quorum;

    fn answered(answer: DbError) -> ExecutionError {
        // The server quotes bound values.
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(answer, "s3cret".to_owned()))
    }

    fn unavailable_at(consistency: Consistency) -> DbError {
        DbError::Unavailable { consistency, required: 2, alive: 1 }
    }

    fn write_timeout(write_type: WriteType) -> DbError {
        DbError::WriteTimeout { consistency: COMMIT, received: 1, required: 2, write_type }
    }

    /// Returns why the write was not applied; `None` if that is unknown.
    fn not_applied(failed: ExecutionError, kind: WriteKind) -> Option<ErrorKind> {
        let safe = |error: &Error| {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("s3cret"), "{shown}");
            assert_eq!(error.backend(), Some(BACKEND));
        };
        match write(failed, COMMIT, kind) {
            WriteFailure::NotApplied(error) => {
                safe(&error);
                Some(error.kind())
            }
            WriteFailure::Unknown(error) => {
                safe(&error);
                assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::OutcomeUnknown, false));
                None
            }
        }
    }

    #[test]
    fn what_is_known_of_a_write_follows_from_the_answer() {
        let no_pool = || ExecutionError::ConnectionPoolError(ConnectionPoolError::Initializing);
        let read_timeout =
            || DbError::ReadTimeout { consistency: COMMIT, received: 1, required: 2, data_present: false };
        let table = [
            (no_pool(), Some(ErrorKind::Unavailable), Some(ErrorKind::Unavailable)),
            (ExecutionError::EmptyPlan, Some(ErrorKind::Unavailable), Some(ErrorKind::Unavailable)),
            (ExecutionError::RequestTimeout(Duration::from_secs(1)), None, None),
            (ExecutionError::LastAttemptError(RequestAttemptError::NonfinishedPagingState), None, None),
            (
                ExecutionError::LastAttemptError(RequestAttemptError::UnableToAllocStreamId),
                Some(ErrorKind::Unavailable),
                Some(ErrorKind::Unavailable),
            ),
            // A commit that not all have heard of, and it may be another transaction's.
            (answered(write_timeout(WriteType::Simple)), None, None),
            (answered(write_timeout(WriteType::Cas)), None, None),
            // Before the proposal, unless it is the commit's consistency that is not met.
            (
                answered(unavailable_at(Consistency::LocalQuorum)),
                Some(ErrorKind::Unavailable),
                Some(ErrorKind::Unavailable),
            ),
            (answered(unavailable_at(COMMIT)), None, Some(ErrorKind::Unavailable)),
            (answered(read_timeout()), None, None),
            (answered(DbError::ServerError), None, None),
            (answered(DbError::Overloaded), None, None),
            (answered(DbError::Other(CAS_WRITE_UNKNOWN)), None, None),
            (answered(DbError::IsBootstrapping), Some(ErrorKind::Unavailable), Some(ErrorKind::Unavailable)),
            (
                answered(DbError::Unauthorized),
                Some(ErrorKind::PermissionDenied),
                Some(ErrorKind::PermissionDenied),
            ),
            (answered(DbError::Invalid), Some(ErrorKind::Backend), Some(ErrorKind::Backend)),
        ];
        for (failed, transaction, plain) in table {
            let text = failed.to_string();
            assert_eq!(not_applied(failed.clone(), WriteKind::Transaction), transaction, "{text}");
            assert_eq!(not_applied(failed, WriteKind::Plain), plain, "{text}");
        }
    }

    #[test]
    fn a_failed_read_is_no_miss_and_can_be_tried_again() {
        let table = [
            (answered(unavailable_at(COMMIT)), ErrorKind::Unavailable),
            (
                answered(DbError::ReadFailure {
                    consistency: COMMIT,
                    received: 1,
                    required: 2,
                    numfailures: 1,
                    data_present: false,
                }),
                ErrorKind::Unavailable,
            ),
            (answered(write_timeout(WriteType::Cas)), ErrorKind::Timeout),
            (ExecutionError::RequestTimeout(Duration::from_secs(1)), ErrorKind::Timeout),
            (
                ExecutionError::LastAttemptError(RequestAttemptError::NonfinishedPagingState),
                ErrorKind::Unavailable,
            ),
            (answered(DbError::Overloaded), ErrorKind::Unavailable),
            // Completing what another one has left behind was not decided.
            (answered(DbError::Other(CAS_WRITE_UNKNOWN)), ErrorKind::Timeout),
        ];
        for (failed, kind) in table {
            let text = failed.to_string();
            let error = read(failed);
            assert_eq!((error.kind(), error.is_retryable()), (kind, true), "{text}");
        }
        assert_eq!(read(answered(DbError::AuthenticationError)).kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn what_the_server_lacks_is_named() {
        let invalid = |text: &str| rejected(&DbError::Invalid, text);
        let tablets = invalid("LWT is not yet supported with tablets");
        assert_eq!(tablets.kind(), ErrorKind::Unsupported);
        assert!(tablets.to_string().contains("2025.4"));
        assert_eq!(invalid("unconfigured table entries").kind(), ErrorKind::InvalidConfig);
        assert_eq!(invalid("Invalid value s3cret").kind(), ErrorKind::Backend);
        assert!(!invalid("Invalid value s3cret").to_string().contains("s3cret"));
    }
}
