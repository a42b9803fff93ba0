//! Translates the error replies of the server.

use redis::ServerError;
use ttl_core::{Error, ErrorKind};

use super::fault::{Fault, RequestKind, new};

/// Returns the fault for an error reply of the server.
pub(crate) fn server(error: &ServerError) -> Fault {
    classify(error.code(), error.details().unwrap_or_default())
}

/// Returns the fault for the error text of a command within a script.
pub(crate) fn server_text(text: &str) -> Fault {
    let (code, detail) = text.split_once(' ').unwrap_or((text, ""));
    classify(code.trim_start_matches('-'), detail)
}

pub(crate) fn is_wrong_type(error: &ServerError) -> bool {
    error.code() == "WRONGTYPE"
}

pub(crate) fn is_no_script(error: &ServerError) -> bool {
    error.code() == "NOSCRIPT"
}

/// Classifies an error by its first word. The server sends the errors listed here before it executes
/// anything. Any other text may come from a proxy, after the server has executed the request.
pub(super) fn classify(code: &str, detail: &str) -> Fault {
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
        "WRONGTYPE" => foreign_content(),
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

/// Returns the error for a server that refuses to report changes.
pub(crate) fn no_tracking(refusal: &ServerError) -> Error {
    let (code, detail) = (refusal.code(), quotable(refusal.details().unwrap_or_default()));
    match code {
        "NOPERM" => new(
            ErrorKind::PermissionDenied,
            format!(
                "the server's access control refuses reports of changes: {detail}; permit this user the command \
                 `client|tracking`"
            ),
        ),
        // An unknown command or subcommand, or an unknown argument.
        "ERR" => new(
            ErrorKind::Unsupported,
            format!(
                "the server does not report changes: {detail}; expected CLIENT TRACKING in broadcasting mode, as in \
                 Redis 7.0 or newer, or Valkey, without a proxy that lacks it"
            ),
        ),
        _ => server(refusal).into_error(RequestKind::Read),
    }
}

const NOT_RUN: [&str; 5] = [
    "syntax error",
    "wrong number of arguments",
    "invalid expire time",
    "value is not an integer",
    "Protocol error",
];

pub(super) fn denied() -> Error {
    new(ErrorKind::PermissionDenied, "the server refused the user or the password; check the credentials")
}

pub(super) fn too_old() -> Error {
    new(
        ErrorKind::Unsupported,
        "the server lacks a command that this driver requires; use Redis 7.0 or newer, or Valkey",
    )
}

/// Returns the error for content that this driver has not written.
pub(crate) fn foreign_content() -> Error {
    new(
        ErrorKind::Corrupt,
        "the content under this key was not written by this driver; inspect it with redis-cli, or delete it",
    )
}

/// Returns the server's message in one line, without the arguments that it repeats: these may be secret.
pub(super) fn quotable(detail: &str) -> String {
    let end = [", with args", "script:"].iter().filter_map(|cut| detail.find(cut)).min();
    let line = detail[..end.unwrap_or(detail.len())].split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_end_matches(['.', ',']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_words_prove_that_a_write_was_not_applied() {
        for (text, kind) in [
            ("ERR syntax error", ErrorKind::Backend),
            ("ERR Connection reset by peer", ErrorKind::OutcomeUnknown),
            ("upstream failure", ErrorKind::OutcomeUnknown),
            ("", ErrorKind::OutcomeUnknown),
        ] {
            assert_eq!(server_text(text).into_error(RequestKind::Write).kind(), kind, "{text}");
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
            let error = server_text(text).into_error(RequestKind::Read);
            assert_eq!(error.kind(), kind, "{text}");
            assert_eq!(error.is_retryable(), kind == ErrorKind::Unavailable, "{text}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("s3cret") && !shown.contains('\n'), "{shown}");
        }
    }
}
