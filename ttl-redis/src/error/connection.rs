//! Translates connections that fail, and answers that are missing.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, ConnectionAddr, ErrorKind as ClientKind, RedisError};
use ttl_core::{Error, ErrorKind};

use super::fault::{Fault, RequestKind, new};
use super::server::{classify, denied, quotable, too_old};

/// Returns the error for a configuration that the client rejects.
pub(crate) fn invalid_settings(error: &RedisError) -> Error {
    new(ErrorKind::InvalidConfig, "invalid connection settings; check the address and the certificates")
        .with_source(error.clone())
}

/// Returns the error for a connection that could not be made. Nothing of the operation was sent.
pub(crate) fn not_connected(error: &RedisError, client: &Client) -> Error {
    let tls = matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. });
    match error.kind() {
        ClientKind::AuthenticationFailed => denied(),
        ClientKind::InvalidClientConfig => invalid_settings(error),
        ClientKind::RESP3NotSupported => too_old(),
        ClientKind::Server(_) | ClientKind::Extension => {
            handshake_error(error.code().unwrap_or_default(), error.detail().unwrap_or_default())
        }
        // The peer does not speak this protocol. Its answer is not quoted, because it can contain anything.
        ClientKind::Parse | ClientKind::UnexpectedReturnType => new(
            ErrorKind::InvalidConfig,
            "the server at this address does not speak the protocol of Redis; check the host and the port, and whether \
             the port expects TLS (rediss://)",
        ),
        _ if tls && is_tls_failure(error) => new(
            ErrorKind::Unavailable,
            format!(
                "no TLS connection to the server: {}; check the certificates, and whether the port expects TLS \
                 (redis:// is without TLS)",
                reason(error)
            ),
        )
        .with_retryable(false)
        .with_source(error.clone()),
        _ => unreachable(error),
    }
}

/// Returns the error for a server, or a proxy in front of it, that could not be reached.
pub(crate) fn unreachable(error: &RedisError) -> Error {
    new(
        ErrorKind::Unavailable,
        format!(
            "no connection to the server: {}; check the address and that the server is running, or try again later",
            reason(error)
        ),
    )
    .with_source(error.clone())
}

/// Returns the error for an error reply to the handshake.
fn handshake_error(code: &str, detail: &str) -> Error {
    match classify(code, detail) {
        Fault::Refused(error) | Fault::Displaced(error) => error,
        Fault::Unreadable(_) | Fault::UnknownForm(_) => {
            new(ErrorKind::InvalidConfig, format!("the server refused the connection: {}", quotable(detail)))
        }
    }
}

/// Returns a short reason why a connection failed.
fn reason(error: &RedisError) -> String {
    match io_error(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) => {
            "the server closed the connection; possible causes are a port that expects TLS or another protocol, and a \
             full server (maxclients)"
                .to_owned()
        }
        _ => quotable(&error.to_string()),
    }
}

fn is_tls_failure(error: &RedisError) -> bool {
    io_error(error).is_some_and(|error| matches!(error.kind(), io::ErrorKind::InvalidData))
}

/// Returns the underlying I/O error, if there is one. The client wraps it in an `Arc`.
fn io_error(error: &RedisError) -> Option<&io::Error> {
    let source = error.source()?;
    let shared = || source.downcast_ref::<Arc<dyn StdError + Send + Sync>>()?.downcast_ref();
    source.downcast_ref().or_else(shared)
}

/// Returns the error for a missing connection at the time limit. Nothing of the operation was sent.
pub(crate) fn no_connection_in_time(limit: Duration, client: &Client) -> Error {
    let tls = matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. });
    let hint = if tls {
        "check that it is running and that its port expects TLS"
    } else {
        "check that it is running"
    };
    new(
        ErrorKind::Unavailable,
        format!("no connection to the server within {limit:?}; {hint}, or try again later"),
    )
}

/// Returns the error for a caller-managed connection without an answer at the time limit.
pub(crate) fn handshake_timeout(limit: Duration) -> Error {
    new(
        ErrorKind::Unavailable,
        format!(
            "no answer on the caller-managed connection within {limit:?}; check that the server is running"
        ),
    )
}

/// Returns the error for a call outside a runtime.
pub(crate) fn no_runtime() -> Error {
    new(
        ErrorKind::InvalidConfig,
        "no tokio runtime: connections and time limits need one; call this from within a runtime",
    )
}

/// Returns the error for a store that cannot make a connection for reports of changes.
pub(crate) fn no_tracking_connection() -> Error {
    new(
        ErrorKind::Unsupported,
        "this store does not report changes, because they need a connection of their own, and the connection of this \
         store is caller-managed; use RedisStore::connect",
    )
}

/// Returns the error for a request whose connection broke before the answer.
pub(crate) fn connection_broken(broken: RedisError, kind: RequestKind) -> Error {
    let unparsable = broken.kind() == ClientKind::Parse;
    let error = match kind {
        RequestKind::Read | RequestKind::Refresh if unparsable => new(
            ErrorKind::Backend,
            "the answer does not follow the protocol of Redis; the connection was abandoned",
        ),
        RequestKind::Read => new(
            ErrorKind::Unavailable,
            "the connection broke before the answer came; nothing was read, try again",
        ),
        RequestKind::Refresh => new(
            ErrorKind::Unavailable,
            "the connection broke before the answer came; nothing was read, but the refresh may have been applied, \
             try again",
        ),
        RequestKind::Write => new(
            ErrorKind::OutcomeUnknown,
            "the connection broke before the answer came; the write may have been applied, read before deciding",
        ),
    };
    // The client quotes an answer that it cannot parse, and the answer may contain stored data.
    if unparsable { error } else { error.with_source(broken) }
}

/// Returns the error for an answer on a connection that was abandoned already.
pub(crate) fn abandoned(kind: RequestKind) -> Error {
    match kind {
        RequestKind::Read | RequestKind::Refresh => new(
            ErrorKind::Unavailable,
            "the connection was abandoned, because an answer on it had an unknown form; nothing was read, try again",
        ),
        RequestKind::Write => new(
            ErrorKind::OutcomeUnknown,
            "the connection was abandoned, because an answer on it had an unknown form; the write may have been applied, \
             read before deciding",
        ),
    }
}

/// Returns the error for a caller-managed connection that still gives answers of an unknown form.
pub(crate) fn suspect_connection() -> Error {
    new(
        ErrorKind::Unavailable,
        "the caller-managed connection gives answers of an unknown form; nothing was sent, make another connection",
    )
}

/// Returns the error for a part of a batch that was not sent.
pub(crate) fn not_sent() -> Error {
    new(
        ErrorKind::Unavailable,
        "this part of the batch was not sent, because an earlier part failed; nothing changed, try again",
    )
}

/// Returns the error for a request without an answer at the time limit.
pub(crate) fn no_answer_in_time(limit: Duration, kind: RequestKind) -> Error {
    match kind {
        RequestKind::Read => new(
            ErrorKind::Timeout,
            format!("no answer within {limit:?}; nothing was read, try again or raise the timeout"),
        ),
        RequestKind::Refresh => new(
            ErrorKind::Timeout,
            format!(
                "no answer within {limit:?}; the value did not change, but the refresh may still be applied, try again \
                 or raise the timeout"
            ),
        ),
        RequestKind::Write => new(
            ErrorKind::OutcomeUnknown,
            format!("no answer within {limit:?}; the write may still be applied, read before deciding"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client::open("redis://localhost").unwrap()
    }

    #[test]
    fn a_missing_answer_depends_on_the_request() {
        let broken = || RedisError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let limit = Duration::from_secs(1);
        let table = [
            (connection_broken(broken(), RequestKind::Read), ErrorKind::Unavailable, true),
            (connection_broken(broken(), RequestKind::Refresh), ErrorKind::Unavailable, true),
            (connection_broken(broken(), RequestKind::Write), ErrorKind::OutcomeUnknown, false),
            (no_answer_in_time(limit, RequestKind::Read), ErrorKind::Timeout, true),
            (no_answer_in_time(limit, RequestKind::Refresh), ErrorKind::Timeout, true),
            (no_answer_in_time(limit, RequestKind::Write), ErrorKind::OutcomeUnknown, false),
            (abandoned(RequestKind::Read), ErrorKind::Unavailable, true),
            (abandoned(RequestKind::Write), ErrorKind::OutcomeUnknown, false),
            (no_connection_in_time(limit, &client()), ErrorKind::Unavailable, true),
            (not_connected(&broken(), &client()), ErrorKind::Unavailable, true),
        ];
        for (error, kind, retryable) in table {
            assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{error}");
        }
    }

    #[test]
    fn an_unparsable_answer_is_not_quoted() {
        let broken = RedisError::from((ClientKind::Parse, "unexpected", "s3cret".to_owned()));
        assert!(broken.to_string().contains("s3cret"));
        let error = connection_broken(broken, RequestKind::Write);
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }

    #[test]
    fn a_refused_connection_names_its_reason() {
        let client = |kind, detail: &str| {
            not_connected(&RedisError::from((kind, "text", detail.to_owned())), &client()).kind()
        };
        assert_eq!(client(ClientKind::AuthenticationFailed, ""), ErrorKind::PermissionDenied);
        assert_eq!(client(ClientKind::InvalidClientConfig, ""), ErrorKind::InvalidConfig);
        assert_eq!(client(ClientKind::RESP3NotSupported, ""), ErrorKind::Unsupported);
        assert_eq!(client(ClientKind::Io, "SSL Handshake error"), ErrorKind::Unavailable);
        let response = ClientKind::Server(redis::ServerErrorKind::ResponseError);
        assert_eq!(client(response, "DB index is out of range"), ErrorKind::InvalidConfig);
        assert_eq!(client(response, "max number of clients reached"), ErrorKind::Unavailable);
    }
}
