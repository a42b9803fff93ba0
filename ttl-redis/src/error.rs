//! What the server's words, or its silence, mean as an error of ours.

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

/// The client takes no such configuration.
pub(crate) fn bad_config(error: &RedisError) -> Error {
    new(ErrorKind::InvalidConfig, "the connection cannot be set up like this; check address and certificates")
        .with_source(error.clone())
}

/// The connection could not be made: nothing of the operation was sent.
pub(crate) fn not_connected(error: &RedisError, client: &Client) -> Error {
    let tls = matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. });
    match error.kind() {
        ClientKind::AuthenticationFailed => denied(),
        ClientKind::InvalidClientConfig => bad_config(error),
        ClientKind::RESP3NotSupported => too_old(),
        ClientKind::Server(_) | ClientKind::Extension => {
            refused_greeting(error.code().unwrap_or_default(), error.detail().unwrap_or_default())
        }
        // What answers is no server of this protocol. Its words are not quoted: they may be anything.
        ClientKind::Parse | ClientKind::UnexpectedReturnType => new(
            ErrorKind::InvalidConfig,
            "what answers at this address does not speak the protocol of Redis; check host and port, and whether the \
             port expects TLS (rediss://)",
        ),
        _ if tls && is_tls_failure(error) => new(
            ErrorKind::Unavailable,
            format!(
                "no TLS connection to the server: {}; check the certificates, and whether the port expects TLS at all \
                 (redis:// is without)",
                reason(error)
            ),
        )
        .with_retryable(false)
        .with_source(error.clone()),
        _ => refused_connection(error),
    }
}

/// The server, or what stands before it, could not be reached.
pub(crate) fn refused_connection(error: &RedisError) -> Error {
    new(
        ErrorKind::Unavailable,
        format!(
            "no connection to the server: {}; check its address and that it runs, or try again later",
            reason(error)
        ),
    )
    .with_source(error.clone())
}

/// The server's answer to the greeting was an error.
fn refused_greeting(code: &str, detail: &str) -> Error {
    match refused(code, detail) {
        Fault::Refused(error) | Fault::Displaced(error) => error,
        Fault::Unreadable(_) | Fault::Nonsense(_) => {
            new(ErrorKind::InvalidConfig, format!("the server refuses the connection: {}", quotable(detail)))
        }
    }
}

/// Why a connection failed, in a few words.
fn reason(error: &RedisError) -> String {
    match io_error(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) => {
            "the server closed the connection, as one does whose port expects TLS or another protocol, or which has no \
             room for more clients (maxclients)"
                .to_owned()
        }
        _ => quotable(&error.to_string()),
    }
}

fn is_tls_failure(error: &RedisError) -> bool {
    io_error(error).is_some_and(|error| matches!(error.kind(), io::ErrorKind::InvalidData))
}

/// The error of the input and output behind this one, if there is one: the client hands it out in an `Arc`.
fn io_error(error: &RedisError) -> Option<&io::Error> {
    let source = error.source()?;
    let shared = || source.downcast_ref::<Arc<dyn StdError + Send + Sync>>()?.downcast_ref();
    source.downcast_ref().or_else(shared)
}

/// No connection within the time limit: nothing of the operation was sent.
pub(crate) fn no_connection_in_time(limit: Duration, client: &Client) -> Error {
    let tls = matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. });
    let hint = if tls { "check that it runs and that its port expects TLS" } else { "check that it runs" };
    new(
        ErrorKind::Unavailable,
        format!("no connection to the server within {limit:?}; {hint}, or try again later"),
    )
}

/// The connection that was handed in says nothing.
pub(crate) fn no_greeting_in_time(limit: Duration) -> Error {
    new(
        ErrorKind::Unavailable,
        format!(
            "no answer on the connection that was handed in within {limit:?}; check that the server runs"
        ),
    )
}

/// The caller runs outside of any runtime.
pub(crate) fn no_runtime() -> Error {
    new(
        ErrorKind::InvalidConfig,
        "there is no tokio runtime here, and connections and time limits need one; call this from within a runtime",
    )
}

/// The request was handed over, and the connection broke.
pub(crate) fn lost(broken: RedisError, fate: Fate) -> Error {
    let nonsense = broken.kind() == ClientKind::Parse;
    let error = match fate {
        Fate::Read | Fate::Refresh if nonsense => {
            new(ErrorKind::Backend, "the answer is not of the protocol of Redis; the connection was given up")
        }
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
    // The client quotes an answer that it cannot parse, and that may be what is stored.
    if nonsense { error } else { error.with_source(broken) }
}

/// The answer came on a connection that had been given up.
pub(crate) fn given_up(fate: Fate) -> Error {
    match fate {
        Fate::Read | Fate::Refresh => new(
            ErrorKind::Unavailable,
            "the connection was given up, because an answer on it made no sense; nothing was read, try again",
        ),
        Fate::Write => new(
            ErrorKind::OutcomeUnknown,
            "the connection was given up, because an answer on it made no sense; the write may have been applied, read \
             before deciding",
        ),
    }
}

/// A connection that was handed in still gives answers that make no sense.
pub(crate) fn suspect() -> Error {
    new(
        ErrorKind::Unavailable,
        "the connection that was handed in gives answers that make no sense; nothing was sent, make another connection",
    )
}

/// A part of a batch that was kept back.
pub(crate) fn not_sent() -> Error {
    new(
        ErrorKind::Unavailable,
        "this part of the batch was not sent, because an earlier part failed; nothing changed, try again",
    )
}

/// The request was handed over, and no answer came in time.
pub(crate) fn no_answer_in_time(limit: Duration, fate: Fate) -> Error {
    match fate {
        Fate::Read => new(
            ErrorKind::Timeout,
            format!("no answer within {limit:?}; nothing was read, try again or allow more time"),
        ),
        Fate::Refresh => new(
            ErrorKind::Timeout,
            format!(
                "no answer within {limit:?}; the value did not change, but the refresh may still be applied, try again \
                 or allow more time"
            ),
        ),
        Fate::Write => new(
            ErrorKind::OutcomeUnknown,
            format!("no answer within {limit:?}; the write may still be applied, read before deciding"),
        ),
    }
}

/// The server answered with an error.
pub(crate) fn server(error: &ServerError) -> Fault {
    refused(error.code(), error.details().unwrap_or_default())
}

/// The error text of a command inside of a script.
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

/// By the error's first word. What is listed here was refused before anything was done; any other words may come from
/// something between this program and the server, after the server has done it.
fn refused(code: &str, detail: &str) -> Fault {
    let unavailable = |message: &'static str| new(ErrorKind::Unavailable, message);
    let error = match code {
        "READONLY" => {
            return Fault::Displaced(unavailable(
                "this server is a read-only replica, so nothing changed; connect to the primary or try again after the failover",
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
            return Fault::Displaced(unavailable("this replica has lost its primary; try again later"));
        }
        "CLUSTERDOWN" => {
            return Fault::Displaced(unavailable(
                "the cluster cannot serve this key for now; try again later",
            ));
        }
        // Another connection greets anew, with the credentials.
        "NOAUTH" => return Fault::Displaced(denied()),
        "OOM" => unavailable(
            "the server is out of memory (maxmemory) and refuses writes; nothing changed, make room or try again later",
        ),
        "MISCONF" => unavailable(
            "the server cannot save to disk and refuses writes; nothing changed, look at the server's log",
        ),
        "BUSY" => unavailable("the server is busy running a script; nothing changed, try again later"),
        "TRYAGAIN" => unavailable("the cluster cannot serve this key for now; try again later"),
        "MOVED" | "ASK" | "CROSSSLOT" => new(
            ErrorKind::InvalidConfig,
            "this server is part of a cluster; this driver talks to a single server",
        ),
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
            "the server runs in protected mode and takes local connections only; give it a password or an address to bind",
        ),
        "WRONGPASS" => denied(),
        "WRONGTYPE" => not_ours(),
        "ERR" if detail.starts_with("max number of clients") => {
            unavailable("the server has reached its maximum number of clients (maxclients); try again later")
        }
        // The server lets nobody kill a script that has written.
        "ERR" if detail.contains("Script killed by user") => unavailable(
            "somebody ended the operation's script on the server (SCRIPT KILL); nothing changed, try again",
        ),
        "ERR" if detail.starts_with("unknown command") || detail.starts_with("Unknown Redis command") => {
            too_old()
        }
        "ERR"
            if detail.contains("exceeds maximum allowed size") || detail.contains("invalid bulk length") =>
        {
            new(ErrorKind::TooLarge, "the value is larger than the server allows (proto-max-bulk-len)")
        }
        // The server's own words for a command that it does not run as it stands.
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
    new(ErrorKind::PermissionDenied, "the server refuses this user or password; check the credentials")
}

pub(crate) fn too_old() -> Error {
    new(
        ErrorKind::Unsupported,
        "the server lacks a command that this driver needs; use Redis 7.0 or newer, or Valkey",
    )
}

/// Something is stored under the key that no driver of ours wrote.
pub(crate) fn not_ours() -> Error {
    new(
        ErrorKind::Corrupt,
        "what is stored under this key was not written by this driver; look at it with redis-cli, or delete it",
    )
}

/// An answer that the command cannot have.
pub(crate) fn unexpected(command: &'static str) -> Fault {
    Fault::Nonsense(command)
}

/// The server's words in one line, without the arguments that it repeats: these may be secret.
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
