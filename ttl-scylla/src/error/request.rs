//! Maps responses of the servers, and missing responses, to errors.

use std::borrow::Cow;
use std::io;

use scylla::errors::{
    BrokenConnectionErrorKind, ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind,
    DbError, ExecutionError, MetadataError, NewSessionError, PrepareError, RequestAttemptError,
};
use scylla::frame::frame_errors::FrameHeaderParseError;
use scylla::statement::Consistency;
use ttl_core::{Error, ErrorKind};

use crate::BACKEND;

/// Cassandra's code for a transaction with an unknown outcome. A serial read can return it too, because it
/// completes unfinished transactions.
const CAS_WRITE_UNKNOWN: i32 = 0x1700;

/// The outcome of a failed request.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// The request was not applied and will not be.
    NotApplied(Error),
    /// The outcome is unknown; the request may even be applied later.
    Unknown(Error),
}

fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(kind, message).with_backend(BACKEND)
}

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
            answer => refused(answer, text),
        },
        ExecutionError::RequestTimeout(_) => timed_out(),
        ExecutionError::LastAttemptError(attempt) if is_broken(attempt) => {
            unavailable("the connection broke before the response; nothing was read, try again")
        }
        _ => not_sent(failed),
    }
}

/// Maps a failure to create a keyspace or a table.
pub(crate) fn not_made(failed: ExecutionError) -> Error {
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
pub(crate) fn is_too_much(failed: &ExecutionError) -> bool {
    let ExecutionError::LastAttemptError(RequestAttemptError::DbError(answer, _)) = failed else {
        return matches!(failed, ExecutionError::RequestTimeout(_));
    };
    matches!(answer, DbError::ReadFailure { .. } | DbError::ReadTimeout { .. })
}

/// Returns whether the server no longer knows the statement. It has then not executed it.
pub(crate) fn is_forgotten(failed: &ExecutionError) -> bool {
    matches!(
        failed,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Unprepared { .. }, _))
    )
}

/// Classifies a failed write. `commit` is the consistency of the write. For a lightweight transaction
/// (`paxos`) it shows which phase the servers had reached.
pub(crate) fn write(failed: ExecutionError, commit: Consistency, paxos: bool) -> Fate {
    let answer = match &failed {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(answer, text)) => (answer, text),
        ExecutionError::RequestTimeout(_) => {
            return Fate::Unknown(unknown("no response within the time limit"));
        }
        ExecutionError::LastAttemptError(attempt) if is_broken(attempt) => {
            return Fate::Unknown(unknown("the connection broke before the response"));
        }
        ExecutionError::BadQuery(_)
        | ExecutionError::EmptyPlan
        | ExecutionError::PrepareError(_)
        | ExecutionError::ConnectionPoolError(_)
        | ExecutionError::LastAttemptError(_) => return Fate::NotApplied(not_sent(failed)),
        // Failures after a response that no write has, and failures that later releases of the client library
        // add.
        _ => return Fate::Unknown(unreadable()),
    };
    match answer {
        // Raised before the proposal, unless the commit lacks replicas.
        (DbError::Unavailable { consistency, .. }, _) if !paxos || *consistency != commit => {
            Fate::NotApplied(unavailable("too few replicas are up; nothing changed, try again later"))
        }
        (DbError::IsBootstrapping, text) => Fate::NotApplied(refused(&DbError::IsBootstrapping, text)),
        (answer @ DbError::RateLimitReached { rejected_by_coordinator: true, .. }, text) => {
            Fate::NotApplied(refused(answer, text))
        }
        (
            DbError::SyntaxError
            | DbError::Invalid
            | DbError::AlreadyExists { .. }
            | DbError::FunctionFailure { .. }
            | DbError::AuthenticationError
            | DbError::Unauthorized
            | DbError::ConfigError
            | DbError::Unprepared { .. }
            | DbError::ProtocolError,
            _,
        ) => Fate::NotApplied(refused(answer.0, answer.1)),
        // Acknowledgements missing at the commit of a transaction (a WriteTimeout of type SIMPLE) may belong
        // to another, unfinished transaction, which is completed first. Only the code is used: the server's
        // text may quote bound values.
        (answer, _) => Fate::Unknown(unknown(&format!("the server answered: {answer}"))),
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

fn pool(error: &ConnectionPoolError) -> Error {
    match error {
        ConnectionPoolError::Broken { last_connection_error } => connection(last_connection_error),
        _ => unavailable("no connection to the node yet; nothing was sent, try again"),
    }
}

fn connection(error: &ConnectionError) -> Error {
    if let ConnectionError::ConnectionSetupRequestError(setup) = error {
        match &setup.error {
            ConnectionSetupRequestErrorKind::MissingAuthentication => {
                return new(
                    ErrorKind::PermissionDenied,
                    "the cluster requires a user and a password; add them to the configuration",
                );
            }
            ConnectionSetupRequestErrorKind::DbError(answer, text) => return refused(answer, text),
            _ => {}
        }
    }
    match reason(error) {
        Ok(reason) => unavailable(format!(
            "no connection to the cluster ({reason}); check the addresses and that it runs, or try again later"
        )),
        Err(wrong) => new(ErrorKind::InvalidConfig, wrong),
    }
    .with_source(error.clone())
}

/// Returns the reason for a failed connection. `Err` describes a mistake in the configuration.
fn reason(error: &ConnectionError) -> Result<Cow<'static, str>, Cow<'static, str>> {
    let broken = match error {
        ConnectionError::ConnectTimeout => return Ok("no response in time".into()),
        // A TLS failure: the node does not speak TLS, or its certificate is not trusted.
        ConnectionError::IoError(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(format!(
                "the node and this program do not agree on TLS ({error}); check the port, whether the node uses TLS, and \
                 the certificates"
            )
            .into());
        }
        ConnectionError::IoError(error) => return Ok(error.kind().to_string().into()),
        ConnectionError::BrokenConnection(broken) => broken,
        ConnectionError::ConnectionSetupRequestError(setup) => match &setup.error {
            ConnectionSetupRequestErrorKind::BrokenConnection(broken) => broken,
            _ => return Ok("the node rejected it".into()),
        },
        _ => return Ok("the client library gave up".into()),
    };
    match broken.downcast_ref() {
        Some(BrokenConnectionErrorKind::FrameHeaderParseError(
            FrameHeaderParseError::FrameFromClient
            | FrameHeaderParseError::VersionNotSupported(_)
            | FrameHeaderParseError::UnknownResponseOpcode(_),
        )) => Err("the server at this address does not speak CQL version 4; check the port, and whether \
                   the nodes use TLS (tls=true)"
            .into()),
        _ => Ok("it was closed at once; check the port, and whether the nodes use TLS".into()),
    }
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

/// Maps a failure to create the session.
pub(crate) fn not_connected(failed: NewSessionError) -> Error {
    match &failed {
        NewSessionError::FailedToResolveAnyHostname(_) => {
            unavailable("no node name can be resolved; check the addresses, or try again later")
        }
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(error)) => pool(error),
        NewSessionError::IllegalConfig(_) | NewSessionError::EmptyKnownNodesList => {
            new(ErrorKind::InvalidConfig, "the connection cannot be set up with this configuration")
                .with_source(failed)
        }
        _ => unavailable("the cluster responds incorrectly; check the addresses, or try again later")
            .with_source(failed),
    }
}

pub(crate) fn not_connected_in_time(limit: std::time::Duration) -> Error {
    unavailable(format!(
        "no connection to the cluster within {limit:?}; check that it runs, that this is its CQL port, and whether it \
         uses TLS, or try again later"
    ))
}

/// Maps a failure to prepare a statement. Nothing was executed.
pub(crate) fn not_prepared(failed: &PrepareError) -> Error {
    match failed {
        PrepareError::ConnectionPoolError(error) => pool(error),
        PrepareError::AllAttemptsFailed { first_attempt: RequestAttemptError::DbError(answer, text) } => {
            refused(answer, text)
        }
        _ => unavailable("a statement could not be prepared; try again later").with_source(failed.clone()),
    }
}

/// Maps an error response of the server. Nothing was executed.
fn refused(answer: &DbError, text: &str) -> Error {
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

fn unavailable(message: impl Into<Cow<'static, str>>) -> Error {
    new(ErrorKind::Unavailable, message)
}

pub(crate) fn timed_out() -> Error {
    new(
        ErrorKind::Timeout,
        "no response in time; the value did not change, try again or increase the timeout",
    )
}

fn unknown(what: &str) -> Error {
    new(
        ErrorKind::OutcomeUnknown,
        format!("{what}; the write may have been applied, or may be applied later, read before deciding"),
    )
}

/// Returns the error for a write whose response cannot be read.
pub(crate) fn unreadable() -> Error {
    unknown("the response does not match the statement")
}

/// Returns the error for a write whose outcome the stored row no longer shows.
pub(crate) fn overtaken() -> Error {
    unknown("the response was lost, and another writer has changed the entry since")
}

pub(crate) fn contention() -> Error {
    new(
        ErrorKind::Contention,
        "every attempt conflicted with another write; nothing was applied, try again later",
    )
}

/// Returns the error for a row that this driver did not write, or that was damaged.
pub(crate) fn not_ours(why: &'static str) -> Error {
    new(
        ErrorKind::Corrupt,
        format!(
            "the row under this key was not written by this driver ({why}); check it with cqlsh, or delete it"
        ),
    )
}

/// Returns the error for a response that does not match the statement.
pub(crate) fn unexpected() -> Error {
    new(ErrorKind::Backend, "the server's response does not match the statement")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scylla::errors::WriteType;

    use super::*;

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

    /// `None` for unknown, else why it was not applied.
    fn fate(failed: ExecutionError, paxos: bool) -> Option<ErrorKind> {
        let safe = |error: &Error| {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("s3cret"), "{shown}");
            assert_eq!(error.backend(), Some(BACKEND));
        };
        match write(failed, COMMIT, paxos) {
            Fate::NotApplied(error) => {
                safe(&error);
                Some(error.kind())
            }
            Fate::Unknown(error) => {
                safe(&error);
                assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::OutcomeUnknown, false));
                None
            }
        }
    }

    #[test]
    fn the_fate_of_a_write_is_what_the_answer_tells() {
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
        for (failed, paxos, plain) in table {
            let text = failed.to_string();
            assert_eq!(fate(failed.clone(), true), paxos, "{text}");
            assert_eq!(fate(failed, false), plain, "{text}");
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
        let invalid = |text: &str| refused(&DbError::Invalid, text);
        let tablets = invalid("LWT is not yet supported with tablets");
        assert_eq!(tablets.kind(), ErrorKind::Unsupported);
        assert!(tablets.to_string().contains("2025.4"));
        assert_eq!(invalid("unconfigured table entries").kind(), ErrorKind::InvalidConfig);
        assert_eq!(invalid("Invalid value s3cret").kind(), ErrorKind::Backend);
        assert!(!invalid("Invalid value s3cret").to_string().contains("s3cret"));
    }
}
