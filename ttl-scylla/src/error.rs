//! What the servers' answers, or their silence, mean as an error of ours.

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

/// Nobody knows what a transaction decided: Cassandra's, also of a serial read, which completes those that were left
/// behind.
const CAS_WRITE_UNKNOWN: i32 = 0x1700;

/// What became of a request that failed.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It was not applied and will not be.
    NotApplied(Error),
    /// Nobody knows; it may even be applied later.
    Unknown(Error),
}

fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(kind, message).with_backend(BACKEND)
}

/// A read that failed: nothing was changed, whatever happened.
pub(crate) fn read(failed: ExecutionError) -> Error {
    match &failed {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(answer, text)) => match answer {
            DbError::ReadTimeout { .. }
            | DbError::WriteTimeout { .. }
            | DbError::Other(CAS_WRITE_UNKNOWN) => timed_out(),
            DbError::ReadFailure { .. } | DbError::WriteFailure { .. } | DbError::Overloaded => {
                unavailable("replicas failed to answer; try again later")
            }
            answer => refused(answer, text),
        },
        ExecutionError::RequestTimeout(_) => timed_out(),
        ExecutionError::LastAttemptError(attempt) if is_broken(attempt) => {
            unavailable("the connection broke before the answer came; nothing was read, try again")
        }
        _ => not_sent(failed),
    }
}

/// A keyspace or a table could not be made.
pub(crate) fn not_made(failed: ExecutionError) -> Error {
    match &failed {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::ConfigError, _)) => new(
            ErrorKind::InvalidConfig,
            "the servers refuse this keyspace or table; check the replication and the names of its datacentres",
        ),
        ExecutionError::RequestTimeout(_) => new(
            ErrorKind::Timeout,
            "the table was not made in time, or nobody has heard of it yet; try again",
        ),
        _ => read(failed),
    }
}

/// Too many deleted rows lay in a range for one read: the servers give up, or take too long.
pub(crate) fn is_too_much(failed: &ExecutionError) -> bool {
    let ExecutionError::LastAttemptError(RequestAttemptError::DbError(answer, _)) = failed else {
        return matches!(failed, ExecutionError::RequestTimeout(_));
    };
    matches!(answer, DbError::ReadFailure { .. } | DbError::ReadTimeout { .. })
}

/// The server does not know the statement (any more), and has not executed it.
pub(crate) fn is_forgotten(failed: &ExecutionError) -> bool {
    matches!(
        failed,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Unprepared { .. }, _))
    )
}

/// A write that failed. `commit` is the consistency that it was to be written with; for a lightweight transaction
/// (`paxos`) it tells what the servers had begun.
pub(crate) fn write(failed: ExecutionError, commit: Consistency, paxos: bool) -> Fate {
    let answer = match &failed {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(answer, text)) => (answer, text),
        ExecutionError::RequestTimeout(_) => {
            return Fate::Unknown(unknown("no answer within the time limit"));
        }
        ExecutionError::LastAttemptError(attempt) if is_broken(attempt) => {
            return Fate::Unknown(unknown("the connection broke before the answer came"));
        }
        ExecutionError::BadQuery(_)
        | ExecutionError::EmptyPlan
        | ExecutionError::PrepareError(_)
        | ExecutionError::ConnectionPoolError(_)
        | ExecutionError::LastAttemptError(_) => return Fate::NotApplied(not_sent(failed)),
        // Of what follows an answer that no write has, and of what later releases of the client library add.
        _ => return Fate::Unknown(unreadable()),
    };
    match answer {
        // Raised before anything was proposed, unless it is the commit that lacks replicas.
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
        // Acknowledgements that are missing at the commit of a transaction (a WriteTimeout of type SIMPLE) may be those of
        // another one, which was left behind and is completed first. By its code alone: the server's own words may quote
        // what was bound.
        (answer, _) => Fate::Unknown(unknown(&format!("the server answered: {answer}"))),
    }
}

/// The request may have been handed to a connection: all that is not known to come before that.
fn is_broken(attempt: &RequestAttemptError) -> bool {
    !matches!(
        attempt,
        RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_)
            | RequestAttemptError::UnableToAllocStreamId
            | RequestAttemptError::DbError(..)
    )
}

/// The request was not handed to any connection.
fn not_sent(failed: ExecutionError) -> Error {
    match &failed {
        ExecutionError::EmptyPlan => unavailable(
            "no node to ask: all are down, or there is none in the datacentre that the configuration names",
        ),
        ExecutionError::ConnectionPoolError(error) => pool(error),
        ExecutionError::PrepareError(error) => not_prepared(error),
        ExecutionError::LastAttemptError(RequestAttemptError::UnableToAllocStreamId) => {
            unavailable("too many requests are under way on this connection; nothing was sent, try again")
        }
        // A serialisation's error may quote what was to be stored.
        ExecutionError::BadQuery(_) | ExecutionError::LastAttemptError(_) => {
            new(ErrorKind::Backend, "the client library cannot encode this request; nothing was sent")
        }
        _ => unavailable("the request could not be sent; try again later").with_source(failed),
    }
}

fn pool(error: &ConnectionPoolError) -> Error {
    match error {
        ConnectionPoolError::Broken { last_connection_error } => connection(last_connection_error),
        _ => unavailable("there is no connection to the node yet; nothing was sent, try again"),
    }
}

fn connection(error: &ConnectionError) -> Error {
    if let ConnectionError::ConnectionSetupRequestError(setup) = error {
        match &setup.error {
            ConnectionSetupRequestErrorKind::MissingAuthentication => {
                return new(
                    ErrorKind::PermissionDenied,
                    "the cluster asks for a user and a password; add them to the configuration",
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

/// Why no connection was made; an error says what in the configuration cannot be right.
fn reason(error: &ConnectionError) -> Result<Cow<'static, str>, Cow<'static, str>> {
    let broken = match error {
        ConnectionError::ConnectTimeout => return Ok("no answer in time".into()),
        // Of TLS: what came was no TLS, or no certificate that is trusted.
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
            _ => return Ok("the node did not accept it".into()),
        },
        _ => return Ok("the client library gave up".into()),
    };
    match broken.downcast_ref() {
        Some(BrokenConnectionErrorKind::FrameHeaderParseError(
            FrameHeaderParseError::FrameFromClient
            | FrameHeaderParseError::VersionNotSupported(_)
            | FrameHeaderParseError::UnknownResponseOpcode(_),
        )) => Err("what answers at this address does not speak CQL (version 4) as it should; check the port, and whether \
                   the nodes use TLS (tls=true)"
            .into()),
        _ => Ok("it was closed at once; check the port, and whether the nodes use TLS".into()),
    }
}

/// No node is in the datacentre that is asked for.
pub(crate) fn no_datacenter(name: &str, known: &str) -> Error {
    new(
        ErrorKind::InvalidConfig,
        format!(
            "the cluster has no datacentre {name:?}; it has {known}; correct the configuration's datacenter"
        ),
    )
}

/// What a table in lww mode does not offer.
pub(crate) fn not_in_lww(error: Error) -> Error {
    if error.kind() != ErrorKind::Unsupported {
        return error;
    }
    new(
        ErrorKind::Unsupported,
        "a table in mode lww offers no conditions, patches, caps and takes; connect to a table in strict mode for them",
    )
}

/// The session could not be made.
pub(crate) fn not_connected(failed: NewSessionError) -> Error {
    match &failed {
        NewSessionError::FailedToResolveAnyHostname(_) => {
            unavailable("no node's name can be resolved; check the addresses, or try again later")
        }
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(error)) => pool(error),
        NewSessionError::IllegalConfig(_) | NewSessionError::EmptyKnownNodesList => {
            new(ErrorKind::InvalidConfig, "the connection cannot be set up like this").with_source(failed)
        }
        _ => unavailable("the cluster does not answer as it should; check the addresses, or try again later")
            .with_source(failed),
    }
}

pub(crate) fn not_connected_in_time(limit: std::time::Duration) -> Error {
    unavailable(format!(
        "no connection to the cluster within {limit:?}; check that it runs, that this is its port for CQL, and whether it \
         uses TLS, or try again later"
    ))
}

/// A statement was refused before anything was done with it.
pub(crate) fn not_prepared(failed: &PrepareError) -> Error {
    match failed {
        PrepareError::ConnectionPoolError(error) => pool(error),
        PrepareError::AllAttemptsFailed { first_attempt: RequestAttemptError::DbError(answer, text) } => {
            refused(answer, text)
        }
        _ => unavailable("a statement could not be prepared; try again later").with_source(failed.clone()),
    }
}

/// The server answered with an error, and did nothing.
fn refused(answer: &DbError, text: &str) -> Error {
    match answer {
        DbError::AuthenticationError => new(
            ErrorKind::PermissionDenied,
            "the cluster refuses this user or password; check the credentials",
        ),
        DbError::Unauthorized => new(
            ErrorKind::PermissionDenied,
            "this user may not do that; grant it SELECT and MODIFY on the table (and CREATE to make it)",
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
            "the server forgets prepared statements as soon as it has learned them; give it more room for them \
             (prepared_statements_cache_size), or try again later",
        ),
        DbError::Invalid if text.to_ascii_lowercase().contains("tablets") => new(
            ErrorKind::Unsupported,
            "this server has no lightweight transactions on tablets; use ScyllaDB 2025.4 or newer, make the keyspace \
             with tablets = {'enabled': false}, or use the mode lww",
        ),
        DbError::Invalid if text.contains("unconfigured table") || text.contains("does not exist") => new(
            ErrorKind::InvalidConfig,
            "the table is gone; make it again, or check keyspace and table of the configuration",
        ),
        // The rest is the client library's text of a code; the server's own words may quote what was bound.
        answer => new(ErrorKind::Backend, format!("the server answered: {answer}")),
    }
}

fn unavailable(message: impl Into<Cow<'static, str>>) -> Error {
    new(ErrorKind::Unavailable, message)
}

pub(crate) fn timed_out() -> Error {
    new(ErrorKind::Timeout, "no answer in time; the value did not change, try again or allow more time")
}

fn unknown(what: &str) -> Error {
    new(
        ErrorKind::OutcomeUnknown,
        format!("{what}; the write may have been applied, or still be, read before deciding"),
    )
}

/// The server has answered, and nobody can read what.
pub(crate) fn unreadable() -> Error {
    unknown("the answer is not one that the statement can have")
}

/// It was applied or not, and what is stored now does not tell.
pub(crate) fn overtaken() -> Error {
    unknown("the answer was lost, and somebody else has written since")
}

pub(crate) fn contention() -> Error {
    new(
        ErrorKind::Contention,
        "other writers changed the entry every time; nothing was applied, try again later",
    )
}

/// What is stored was not written by this driver, or was damaged.
pub(crate) fn not_ours(why: &'static str) -> Error {
    new(
        ErrorKind::Corrupt,
        format!(
            "what is stored under this key was not written by this driver ({why}); look at it with cqlsh, or delete it"
        ),
    )
}

/// An answer that the statement cannot have.
pub(crate) fn unexpected() -> Error {
    new(ErrorKind::Backend, "the server's answer is not one that the statement can have")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scylla::errors::WriteType;

    use super::*;

    const COMMIT: Consistency = Consistency::Quorum;

    fn answered(answer: DbError) -> ExecutionError {
        // The server quotes what was bound.
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
