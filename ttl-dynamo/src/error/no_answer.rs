//! Classifies missing responses: whether the request was sent, and the reason if it was not.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::error::ConnectorError;
use hyper_util::client::legacy::Error as HttpError;
use ttl_core::ErrorKind;

use super::build::{invalid, new};
use super::cause::{Cause, chain, find, mentions, one_line};
use super::failure::Failure;
use crate::config::DynamoConfig;

/// Classifies a missing response. Separates failures before the request was sent from all others.
pub(super) fn no_answer(error: &ConnectorError, action: &str, config: &DynamoConfig) -> Failure {
    if let Some(ended) = find::<CredentialsError>(error) {
        return no_credentials(ended, action, config);
    }
    // A user error does not prove that nothing was sent: hyper reports one when the runtime of a connection
    // ends while a request is in flight.
    let unsent = find::<HttpError>(error).is_some_and(HttpError::is_connect)
        // An open connection is never refused, but its host can become unreachable.
        || find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if !unsent {
        let lost = interrupted(action, interruption(error));
        return Failure { error: lost.error.with_source(Cause::new(error)), ..lost };
    }
    unconnected(error, config)
}

/// Returns the failure for a broken connection.
pub(super) fn interrupted(action: &str, why: Option<&str>) -> Failure {
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    Failure::unknown(new(
        ErrorKind::Unavailable,
        format!("the connection broke before the response to {action}{why}; try again later"),
    ))
}

/// Returns the failure for a missing connection. Nothing was sent.
fn unconnected(error: &ConnectorError, config: &DynamoConfig) -> Failure {
    let (source, location) = (Cause::new(error), config.location());
    let Some(why) = tls_failure(error) else {
        let why = why_unconnected(error, config);
        let text = format!(
            "no connection to DynamoDB {location}: {why}; check region, endpoint and network, or try again later"
        );
        return Failure::transient(new(ErrorKind::Unavailable, text).with_source(source));
    };
    let failed = if why.contains("corrupt message") {
        invalid(format!(
            "the server {location} does not speak TLS; write http:// in the endpoint, or use a port that does"
        ))
    } else {
        let text = format!(
            "no TLS connection to DynamoDB {location}: {why}; check the endpoint, and the certificates that this machine trusts"
        );
        new(ErrorKind::Unavailable, text).with_retryable(false)
    };
    Failure::permanent(failed.with_source(source))
}

/// Returns the reason for a missing connection in fixed words, because the client's error texts are
/// arbitrary.
fn why_unconnected(error: &ConnectorError, config: &DynamoConfig) -> Cow<'static, str> {
    if error.is_timeout() {
        return format!("not established within {:?} (connect_timeout)", config.effective_connect_timeout())
            .into();
    }
    if mentions(error, "dns error") || mentions(error, "failed to lookup address") {
        return "the host name does not resolve".into();
    }
    match io_kind(error) {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) => {
            "it was closed at once, as by a port that expects another protocol".into()
        }
        Some(kind) if kind != io::ErrorKind::Other => kind.to_string().into(),
        _ => "the HTTP client failed to connect".into(),
    }
}

/// Returns the reason why an open connection broke, if it is known.
fn interruption(error: &ConnectorError) -> Option<&'static str> {
    if mentions(error, "invalid HTTP version parsed") {
        return Some(
            "the server does not speak HTTP; if the port expects TLS, write https:// in the endpoint",
        );
    }
    match io_kind(error)? {
        io::ErrorKind::ConnectionReset => Some("connection reset"),
        io::ErrorKind::BrokenPipe => Some("broken pipe"),
        io::ErrorKind::UnexpectedEof => Some("the response ended too early"),
        io::ErrorKind::TimedOut => Some("the network timed out"),
        io::ErrorKind::HostUnreachable => Some("host unreachable"),
        io::ErrorKind::NetworkUnreachable => Some("network unreachable"),
        _ => None,
    }
}

/// Returns the reason of a failed TLS handshake: no TLS, or a certificate. The end of a connection is a
/// different failure.
fn tls_failure(error: &ConnectorError) -> Option<String> {
    let why = chain(error).skip_while(|error| error.to_string() != "TLS handshake failed").nth(1)?;
    let ended = {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
        matches!(
            io_kind(why),
            Some(BrokenPipe | ConnectionAborted | ConnectionReset | TimedOut | UnexpectedEof)
        )
    };
    (!ended).then(|| one_line(&why.to_string()))
}

/// Returns the kind of the innermost I/O error. The client wraps it in less specific errors.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut io: &io::Error = chain(error).filter_map(|error| error.downcast_ref()).last()?;
    while let Some(inner) = io.get_ref().and_then(|inner| inner.downcast_ref()) {
        io = inner;
    }
    Some(io.kind())
}

/// Returns the failure for credentials that expired while the store was in use. Nothing was sent.
fn no_credentials(error: &CredentialsError, action: &str, config: &DynamoConfig) -> Failure {
    if matches!(error, CredentialsError::ProviderTimedOut(_)) {
        let late = new(ErrorKind::Unavailable, "the AWS credentials did not arrive in time; try again later");
        return Failure::transient(late.with_source(Cause::new(error)));
    }
    let text = format!(
        "the AWS credentials for {action} on the table {:?} are missing, or have expired and could not be renewed; log in again",
        config.table
    );
    Failure::permanent(new(ErrorKind::PermissionDenied, text).with_source(Cause::new(error)))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::http::HttpResponse;
    use aws_sdk_dynamodb::error::SdkError;
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

    use super::*;
    use crate::error::classify;

    /// Kind, whether it may have been executed, whether a retry may succeed; and the text.
    fn meaning(error: ConnectorError) -> ((ErrorKind, bool, bool), String) {
        let config = DynamoConfig::new("sessions").with_region("eu-central-1");
        let error = SdkError::<UpdateItemError, HttpResponse>::dispatch_failure(error);
        let failure = classify(&error, "UpdateItem", &config);
        ((failure.error.kind(), failure.may_have_applied, failure.retryable), failure.error.to_string())
    }

    #[test]
    fn only_what_was_certainly_not_sent_is_that() {
        let refused = || Box::new(io::Error::from(io::ErrorKind::ConnectionRefused));
        let reset = || Box::new(io::Error::from(io::ErrorKind::ConnectionReset));
        let table = [
            (ConnectorError::io(refused()), (ErrorKind::Unavailable, false, true)),
            (ConnectorError::other(refused(), None), (ErrorKind::Unavailable, false, true)),
            (ConnectorError::io(reset()), (ErrorKind::Unavailable, true, true)),
            (
                ConnectorError::io(Box::new(io::Error::from(io::ErrorKind::HostUnreachable))),
                (ErrorKind::Unavailable, true, true),
            ),
            (ConnectorError::timeout(reset()), (ErrorKind::Unavailable, true, true)),
            (ConnectorError::other("?".into(), None), (ErrorKind::Unavailable, true, true)),
            (ConnectorError::user("dispatch task is gone".into()), (ErrorKind::Unavailable, true, true)),
            (
                ConnectorError::other(Box::new(CredentialsError::not_loaded("ended")), None),
                (ErrorKind::PermissionDenied, false, false),
            ),
            (
                ConnectorError::other(
                    Box::new(CredentialsError::provider_timed_out(std::time::Duration::from_secs(1))),
                    None,
                ),
                (ErrorKind::Unavailable, false, true),
            ),
        ];
        for (error, expected) in table {
            let shown = format!("{error:?}");
            assert_eq!(meaning(error).0, expected, "{shown}");
        }
    }

    #[test]
    fn the_text_says_why() {
        let io = |kind: io::ErrorKind| ConnectorError::io(Box::new(io::Error::from(kind)));
        for (error, words) in [
            (
                io(io::ErrorKind::ConnectionRefused),
                "no connection to DynamoDB in eu-central-1: connection refused",
            ),
            (io(io::ErrorKind::ConnectionReset), "the response to UpdateItem (connection reset)"),
            (io(io::ErrorKind::UnexpectedEof), "ended too early"),
            (ConnectorError::other("invalid HTTP version parsed".into(), None), "https://"),
        ] {
            let text = meaning(error).1;
            assert!(text.contains(words), "{text}");
        }
    }
}
