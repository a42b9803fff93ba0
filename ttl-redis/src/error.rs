//! Translates the server's errors, or missing answers, into errors of ttl-core.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, ConnectionAddr, ErrorKind as ClientKind, RedisError, ServerError};
use ttl_core::{Error, ErrorKind};

use crate::BACKEND;
use crate::fault::{Fate, Fault};

pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(kind, message).with_backend(BACKEND)
}

/// Returns the error for a configuration that the client rejects.
pub(crate) fn bad_config(error: &RedisError) -> Error {
    new(ErrorKind::InvalidConfig, "invalid connection settings; check the address and the certificates")
        .with_source(error.clone())
}

/// Returns the error for a connection that could not be made. Nothing of the operation was sent.
pub(crate) fn not_connected(error: &RedisError, client: &Client) -> Error {
    let tls = matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. });
    match error.kind() {
        ClientKind::AuthenticationFailed => denied(),
        ClientKind::InvalidClientConfig => bad_config(error),
        ClientKind::RESP3NotSupported => too_old(),
        ClientKind::Server(_) | ClientKind::Extension => {
            refused_greeting(error.code().unwrap_or_default(), error.detail().unwrap_or_default())
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
        _ => refused_connection(error),
    }
}

/// Returns the error for a server, or a proxy in front of it, that could not be reached.
pub(crate) fn refused_connection(error: &RedisError) -> Error {
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
fn refused_greeting(code: &str, detail: &str) -> Error {
    match refused(code, detail) {
        Fault::Refused(error) | Fault::Displaced(error) => error,
        Fault::Unreadable(_) | Fault::Nonsense(_) => {
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
pub(crate) fn no_greeting_in_time(limit: Duration) -> Error {
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

/// Returns the error for a request whose connection broke before the answer.
pub(crate) fn lost(broken: RedisError, fate: Fate) -> Error {
    let nonsense = broken.kind() == ClientKind::Parse;
    let error = match fate {
        Fate::Read | Fate::Refresh if nonsense => new(
            ErrorKind::Backend,
            "the answer does not follow the protocol of Redis; the connection was abandoned",
        ),
        Fate::Read => new(
            ErrorKind::Unavailable,
            "the connection broke before the answer came; nothing was read, try again",
        ),
        Fate::Refresh => new(
            ErrorKind::Unavailable,
            "the connection broke before the answer came; nothing was read, but the refresh may have been applied, \
             try again",
        ),
        Fate::Write => new(
            ErrorKind::OutcomeUnknown,
            "the connection broke before the answer came; the write may have been applied, read before deciding",
        ),
    };
    // The client quotes an answer that it cannot parse, and the answer may contain stored data.
    if nonsense { error } else { error.with_source(broken) }
}

/// Returns the error for an answer on a connection that was abandoned already.
pub(crate) fn given_up(fate: Fate) -> Error {
    match fate {
        Fate::Read | Fate::Refresh => new(
            ErrorKind::Unavailable,
            "the connection was abandoned, because an answer on it had an unknown form; nothing was read, try again",
        ),
        Fate::Write => new(
            ErrorKind::OutcomeUnknown,
            "the connection was abandoned, because an answer on it had an unknown form; the write may have been applied, \
             read before deciding",
        ),
    }
}

/// Returns the error for a caller-managed connection that still gives answers of an unknown form.
pub(crate) fn suspect() -> Error {
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
pub(crate) fn no_answer_in_time(limit: Duration, fate: Fate) -> Error {
    match fate {
        Fate::Read => new(
            ErrorKind::Timeout,
            format!("no answer within {limit:?}; nothing was read, try again or raise the timeout"),
        ),
        Fate::Refresh => new(
            ErrorKind::Timeout,
            format!(
                "no answer within {limit:?}; the value did not change, but the refresh may still be applied, try again \
                 or raise the timeout"
            ),
        ),
        Fate::Write => new(
            ErrorKind::OutcomeUnknown,
            format!("no answer within {limit:?}; the write may still be applied, read before deciding"),
        ),
    }
}

/// Returns the fault for an error reply of the server.
pub(crate) fn server(error: &ServerError) -> Fault {
    refused(error.code(), error.details().unwrap_or_default())
}

/// Returns the fault for the error text of a command within a script.
pub(crate) fn server_text(text: &str) -> Fault {
    let (code, detail) = text.split_once(' ').unwrap_or((text, ""));
    refused(code.trim_start_matches('-'), detail)
}

pub(crate) fn is_wrong_type(error: &ServerError) -> bool {
    error.code() == "WRONGTYPE"
}

pub(crate) fn is_no_script(error: &ServerError) -> bool {
    error.code() == "NOSCRIPT"
}

/// Classifies an error by its first word. The server sends the errors listed here before it executes
/// anything. Any other text may come from a proxy, after the server has executed the request.
fn refused(code: &str, detail: &str) -> Fault {
    let unavailable = |message: &'static str| new(ErrorKind::Unavailable, message);
    let error = match code {
        "READONLY" => {
            return Fault::Displaced(unavailable(
                "the server is a read-only replica; nothing changed, connect to the primary or try again after the \
                 failover",
            ));
        }
        "NOREPLICAS" => {
            return Fault::Displaced(unavailable(
                "the server has too few replicas to accept writes (min-replicas-to-write); nothing changed, try again later",
            ));
        }
        "LOADING" => {
            return Fault::Displaced(unavailable("the server is still loading its data; try again later"));
        }
        "MASTERDOWN" => {
            return Fault::Displaced(unavailable("the replica has lost its primary; try again later"));
        }
        "CLUSTERDOWN" => {
            return Fault::Displaced(unavailable(
                "the cluster cannot serve this key at the moment; try again later",
            ));
        }
        // A new connection authenticates again.
        "NOAUTH" => return Fault::Displaced(denied()),
        "OOM" => unavailable(
            "the server is out of memory (maxmemory) and refuses writes; nothing changed, free memory or try again \
             later",
        ),
        "MISCONF" => unavailable(
            "the server cannot save to disk and refuses writes; nothing changed, check the server's log",
        ),
        "BUSY" => unavailable("the server is busy running a script; nothing changed, try again later"),
        "TRYAGAIN" => unavailable("the cluster cannot serve this key at the moment; try again later"),
        "MOVED" | "ASK" | "CROSSSLOT" => {
            new(ErrorKind::InvalidConfig, "the server is part of a cluster: expected a single server")
        }
        "NOPERM" => new(
            ErrorKind::PermissionDenied,
            format!("the server's access control refuses this: {}", quotable(detail)),
        ),
        "ERR" if detail.starts_with("The user executing the script can't") => new(
            ErrorKind::PermissionDenied,
            format!("the server's access control refuses this: {}", quotable(detail)),
        ),
        "DENIED" => new(
            ErrorKind::PermissionDenied,
            "the server is in protected mode and accepts local connections only; configure a password or a bind address",
        ),
        "WRONGPASS" => denied(),
        "WRONGTYPE" => not_ours(),
        "ERR" if detail.starts_with("max number of clients") => {
            unavailable("the server has reached its maximum number of clients (maxclients); try again later")
        }
        // A script that has written cannot be killed.
        "ERR" if detail.contains("Script killed by user") => unavailable(
            "the script of the operation was killed on the server (SCRIPT KILL); nothing changed, try again",
        ),
        "ERR" if detail.starts_with("unknown command") || detail.starts_with("Unknown Redis command") => {
            too_old()
        }
        "ERR"
            if detail.contains("exceeds maximum allowed size") || detail.contains("invalid bulk length") =>
        {
            new(ErrorKind::TooLarge, "the value is larger than the server allows (proto-max-bulk-len)")
        }
        // The server's messages for a command that it rejects before running it.
        "ERR" if NOT_RUN.iter().any(|words| detail.starts_with(words)) => {
            new(ErrorKind::Backend, format!("the server answered: {code} {}", quotable(detail)))
        }
        _ => {
            let text = format!("the server answered: {code} {}", quotable(detail));
            return Fault::Unreadable(new(ErrorKind::Backend, text));
        }
    };
    Fault::Refused(error)
}

const NOT_RUN: [&str; 5] = [
    "syntax error",
    "wrong number of arguments",
    "invalid expire time",
    "value is not an integer",
    "Protocol error",
];

fn denied() -> Error {
    new(ErrorKind::PermissionDenied, "the server refused the user or the password; check the credentials")
}

pub(crate) fn too_old() -> Error {
    new(
        ErrorKind::Unsupported,
        "the server lacks a command that this driver requires; use Redis 7.0 or newer, or Valkey",
    )
}

/// Returns the error for content that this driver has not written.
pub(crate) fn not_ours() -> Error {
    new(
        ErrorKind::Corrupt,
        "the content under this key was not written by this driver; inspect it with redis-cli, or delete it",
    )
}

/// Returns the fault for an answer whose form the command cannot have.
pub(crate) fn unexpected(command: &'static str) -> Fault {
    Fault::Nonsense(command)
}

/// Returns the server's message in one line, without the arguments that it repeats: these may be secret.
fn quotable(detail: &str) -> String {
    let end = [", with args", "script:"].iter().filter_map(|cut| detail.find(cut)).min();
    let line = detail[..end.unwrap_or(detail.len())].split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_end_matches(['.', ',']).to_owned()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn client() -> Client {
        Client::open("redis://localhost").unwrap()
    }

    #[test]
    fn only_known_words_prove_that_a_write_was_not_applied() {
        for (text, kind) in [
            ("ERR syntax error", ErrorKind::Backend),
            ("ERR Connection reset by peer", ErrorKind::OutcomeUnknown),
            ("upstream failure", ErrorKind::OutcomeUnknown),
            ("", ErrorKind::OutcomeUnknown),
        ] {
            assert_eq!(server_text(text).into_error(Fate::Write).kind(), kind, "{text}");
        }
        for text in ["READONLY x", "NOREPLICAS x", "LOADING x", "MASTERDOWN x", "CLUSTERDOWN x", "NOAUTH x"] {
            assert!(matches!(server_text(text), Fault::Displaced(_)), "{text}");
        }
    }

    #[test]
    fn every_refusal_has_its_kind() {
        let table = [
            ("OOM command not allowed when used memory > 'maxmemory'.", ErrorKind::Unavailable),
            ("READONLY You can't write against a read only replica.", ErrorKind::Unavailable),
            ("NOREPLICAS Not enough good replicas to write.", ErrorKind::Unavailable),
            ("MISCONF Redis is configured to save RDB snapshots", ErrorKind::Unavailable),
            ("LOADING Redis is loading the dataset in memory", ErrorKind::Unavailable),
            ("MASTERDOWN Link with MASTER is down", ErrorKind::Unavailable),
            ("BUSY Redis is busy running a script.", ErrorKind::Unavailable),
            ("CLUSTERDOWN The cluster is down", ErrorKind::Unavailable),
            ("TRYAGAIN Multiple keys request during rehashing of slot", ErrorKind::Unavailable),
            ("ERR max number of clients reached", ErrorKind::Unavailable),
            (
                "ERR Script killed by user with SCRIPT KILL... script: 6ee6, on @user_script:148.",
                ErrorKind::Unavailable,
            ),
            ("MOVED 3999 127.0.0.1:6381", ErrorKind::InvalidConfig),
            ("ASK 3999 127.0.0.1:6381", ErrorKind::InvalidConfig),
            ("NOPERM this user has no permissions to run the 'set' command", ErrorKind::PermissionDenied),
            (
                "ERR The user executing the script can't run this command or subcommand script: 0d7f, on @user_script:69.",
                ErrorKind::PermissionDenied,
            ),
            ("NOAUTH Authentication required.", ErrorKind::PermissionDenied),
            ("WRONGPASS invalid username-password pair", ErrorKind::PermissionDenied),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", ErrorKind::Corrupt),
            (
                "ERR unknown command 'PEXPIRETIME', with args beginning with: 's3cret' ",
                ErrorKind::Unsupported,
            ),
            ("ERR Protocol error: invalid bulk length", ErrorKind::TooLarge),
            ("ERR string exceeds maximum allowed size (proto-max-bulk-len)", ErrorKind::TooLarge),
            ("ERR something new, with args beginning with: 's3cret'", ErrorKind::Backend),
            ("", ErrorKind::Backend),
        ];
        for (text, kind) in table {
            let error = server_text(text).into_error(Fate::Read);
            assert_eq!(error.kind(), kind, "{text}");
            assert_eq!(error.is_retryable(), kind == ErrorKind::Unavailable, "{text}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("s3cret") && !shown.contains('\n'), "{shown}");
        }
    }

    #[test]
    fn silence_is_judged_by_what_was_asked() {
        let broken = || RedisError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let limit = Duration::from_secs(1);
        let table = [
            (lost(broken(), Fate::Read), ErrorKind::Unavailable, true),
            (lost(broken(), Fate::Refresh), ErrorKind::Unavailable, true),
            (lost(broken(), Fate::Write), ErrorKind::OutcomeUnknown, false),
            (no_answer_in_time(limit, Fate::Read), ErrorKind::Timeout, true),
            (no_answer_in_time(limit, Fate::Refresh), ErrorKind::Timeout, true),
            (no_answer_in_time(limit, Fate::Write), ErrorKind::OutcomeUnknown, false),
            (given_up(Fate::Read), ErrorKind::Unavailable, true),
            (given_up(Fate::Write), ErrorKind::OutcomeUnknown, false),
            (no_connection_in_time(limit, &client()), ErrorKind::Unavailable, true),
            (not_connected(&broken(), &client()), ErrorKind::Unavailable, true),
        ];
        for (error, kind, retryable) in table {
            assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{error}");
        }
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_not_quoted() {
        let broken = RedisError::from((ClientKind::Parse, "unexpected", "s3cret".to_owned()));
        assert!(broken.to_string().contains("s3cret"));
        let error = lost(broken, Fate::Write);
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
