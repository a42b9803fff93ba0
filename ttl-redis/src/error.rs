//! What the server's words, or its silence, mean as an error of ours.

use std::borrow::Cow;
use std::time::Duration;

use redis::{ErrorKind as ClientKind, RedisError, ServerError};
use ttl_core::{Error, ErrorKind};

use crate::BACKEND;

/// Whether a request may change something: what a lost answer means depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Read,
    Write,
}

fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(kind, message).with_backend(BACKEND)
}

/// The connection could not be made: nothing of the operation was sent.
pub(crate) fn not_connected(error: &RedisError) -> Error {
    match error.kind() {
        ClientKind::AuthenticationFailed => denied(),
        ClientKind::InvalidClientConfig => new(
            ErrorKind::InvalidConfig,
            "the connection cannot be set up like this; check address and certificates",
        )
        .with_source(error.clone()),
        ClientKind::RESP3NotSupported => too_old(),
        ClientKind::Server(_) | ClientKind::Extension => {
            let detail = error.detail().unwrap_or_default();
            let answer = refused(error.code().unwrap_or_default(), detail);
            if answer.kind() != ErrorKind::Backend {
                return answer;
            }
            new(ErrorKind::InvalidConfig, format!("the server refuses the connection: {}", quotable(detail)))
        }
        _ => new(
            ErrorKind::Unavailable,
            "no connection to the server; check its address and that it runs, or try again later",
        )
        .with_source(error.clone()),
    }
}

/// No connection within the time limit: nothing of the operation was sent.
pub(crate) fn no_connection_in_time(limit: Duration) -> Error {
    new(
        ErrorKind::Unavailable,
        format!("no connection to the server within {limit:?}; check that it runs, or try again later"),
    )
}

/// The request was handed over, and the connection broke.
pub(crate) fn lost(broken: RedisError, fate: Fate) -> Error {
    let error = match fate {
        Fate::Read => new(
            ErrorKind::Unavailable,
            "the connection broke before the answer came; nothing was read, try again",
        ),
        Fate::Write => new(
            ErrorKind::OutcomeUnknown,
            "the connection broke before the answer came; the write may have been applied, read before deciding",
        ),
    };
    // The client quotes an answer that it cannot parse, and that may be what is stored.
    if broken.kind() == ClientKind::Parse { error } else { error.with_source(broken) }
}

/// The request was handed over, and no answer came in time.
pub(crate) fn no_answer_in_time(limit: Duration, fate: Fate) -> Error {
    match fate {
        Fate::Read => new(
            ErrorKind::Timeout,
            format!("no answer within {limit:?}; nothing was read, try again or allow more time"),
        ),
        Fate::Write => new(
            ErrorKind::OutcomeUnknown,
            format!("no answer within {limit:?}; the write may still be applied, read before deciding"),
        ),
    }
}

/// The server answered with an error: it did not do what was asked.
pub(crate) fn server(error: &ServerError) -> Error {
    refused(error.code(), error.details().unwrap_or_default())
}

/// The error text of a command inside of a script.
pub(crate) fn server_text(text: &str) -> Error {
    let (code, detail) = text.split_once(' ').unwrap_or((text, ""));
    refused(code.trim_start_matches('-'), detail)
}

pub(crate) fn is_wrong_type(error: &ServerError) -> bool {
    error.code() == "WRONGTYPE"
}

pub(crate) fn is_no_script(error: &ServerError) -> bool {
    error.code() == "NOSCRIPT"
}

/// By the error's first word. In each of these cases the server has refused the command unexecuted.
fn refused(code: &str, detail: &str) -> Error {
    let unavailable = |message: &'static str| new(ErrorKind::Unavailable, message);
    match code {
        "OOM" => unavailable(
            "the server is out of memory (maxmemory) and refuses writes; nothing changed, make room or try again later",
        ),
        "READONLY" => unavailable(
            "this server is a read-only replica, so nothing changed; connect to the primary or try again after the failover",
        ),
        "NOREPLICAS" => unavailable(
            "the server has too few replicas to accept writes (min-replicas-to-write); nothing changed, try again later",
        ),
        "MISCONF" => unavailable(
            "the server cannot save to disk and refuses writes; nothing changed, look at the server's log",
        ),
        "LOADING" => unavailable("the server is still loading its data; try again later"),
        "MASTERDOWN" => unavailable("this replica has lost its primary; try again later"),
        "BUSY" => unavailable("the server is busy running a script; nothing changed, try again later"),
        "CLUSTERDOWN" | "TRYAGAIN" => {
            unavailable("the cluster cannot serve this key for now; try again later")
        }
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
        "NOAUTH" | "WRONGPASS" => denied(),
        "WRONGTYPE" => not_ours(),
        "ERR" if detail.starts_with("max number of clients") => {
            unavailable("the server has reached its maximum number of clients; try again later")
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
        _ => new(ErrorKind::Backend, format!("the server answered: {code} {}", quotable(detail))),
    }
}

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
pub(crate) fn unexpected(command: &str) -> Error {
    new(ErrorKind::Backend, format!("the server's answer to {command} has a form that is not known"))
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
            let error = server_text(text);
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
            (lost(broken(), Fate::Write), ErrorKind::OutcomeUnknown, false),
            (no_answer_in_time(limit, Fate::Read), ErrorKind::Timeout, true),
            (no_answer_in_time(limit, Fate::Write), ErrorKind::OutcomeUnknown, false),
            (no_connection_in_time(limit), ErrorKind::Unavailable, true),
            (not_connected(&broken()), ErrorKind::Unavailable, true),
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
        let client =
            |kind, detail: &str| not_connected(&RedisError::from((kind, "text", detail.to_owned()))).kind();
        assert_eq!(client(ClientKind::AuthenticationFailed, ""), ErrorKind::PermissionDenied);
        assert_eq!(client(ClientKind::InvalidClientConfig, ""), ErrorKind::InvalidConfig);
        assert_eq!(client(ClientKind::RESP3NotSupported, ""), ErrorKind::Unsupported);
        assert_eq!(client(ClientKind::Io, "SSL Handshake error"), ErrorKind::Unavailable);
        let response = ClientKind::Server(redis::ServerErrorKind::ResponseError);
        assert_eq!(client(response, "DB index is out of range"), ErrorKind::InvalidConfig);
        assert_eq!(client(response, "max number of clients reached"), ErrorKind::Unavailable);
    }
}
