//! Errors of connections and of preparing statements.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use scylla::errors::{
    BrokenConnectionErrorKind, ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind,
    MetadataError, NewSessionError, PrepareError, RequestAttemptError,
};
use scylla::frame::frame_errors::FrameHeaderParseError;
use ttl_core::{Error, ErrorKind};

use super::driver::{new, unavailable};
use super::server::rejected;

pub(super) fn pool(error: &ConnectionPoolError) -> Error {
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
            ConnectionSetupRequestErrorKind::DbError(answer, text) => return rejected(answer, text),
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

pub(crate) fn not_connected_in_time(limit: Duration) -> Error {
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
            rejected(answer, text)
        }
        _ => unavailable("a statement could not be prepared; try again later").with_source(failed.clone()),
    }
}
