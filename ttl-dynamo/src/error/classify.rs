//! Maps responses of DynamoDB, and missing responses, to errors.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use ttl_core::{Error, ErrorKind};

use crate::BACKEND;
use crate::config::DynamoConfig;
use crate::no_answer::not_answered;
use crate::own_answer::NotOwn;

/// A failed request.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The error if nothing was applied.
    pub(crate) error: Error,
    /// Whether the request may have been executed.
    pub(crate) maybe: bool,
    /// Whether a retry may succeed.
    pub(crate) again: bool,
    /// Whether DynamoDB rejects this form of request.
    pub(crate) invalid: bool,
}

impl Failure {
    /// Creates a failure that was not executed and must not be retried.
    pub(crate) fn never(error: Error) -> Self {
        Self { error, maybe: false, again: false, invalid: false }
    }

    /// Creates a failure that was rejected without being executed, and may be retried.
    pub(crate) fn for_now(error: Error) -> Self {
        Self { error, maybe: false, again: true, invalid: false }
    }

    /// Creates a failure that may have been executed.
    fn maybe(error: Error) -> Self {
        Self { error, maybe: true, again: true, invalid: false }
    }
}

pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(kind, message).with_backend(BACKEND)
}

/// Returns the error for a write with an unknown outcome.
pub(crate) fn unknown(failed: &Error) -> Error {
    let text = format!("{}; the write may have been applied, read before deciding", failed.message());
    let error = new(ErrorKind::OutcomeUnknown, text);
    match failed.source() {
        Some(source) => error.with_source(Cause::new(source)),
        None => error,
    }
}

/// Returns the error for an applied write whose response contained data that cannot be read again.
pub(crate) fn answer_lost(what: &str) -> Error {
    new(
        ErrorKind::OutcomeUnknown,
        format!(
            "the write was applied, but its response with {what} was lost or cannot be read; read before deciding"
        ),
    )
}

/// Returns the error for too many conflicts.
pub(crate) fn contention() -> Error {
    new(ErrorKind::Contention, "every attempt conflicted with another write; nothing was changed, try again")
}

/// Returns the error for an item that this driver did not write.
pub(crate) fn not_ours() -> Error {
    new(
        ErrorKind::Corrupt,
        "the item under this key was not written by this driver; check the item in the table, or delete it",
    )
}

/// Classifies the failure of one request; `action` is its name in IAM, such as `GetItem`.
///
/// Keeps only the code and the message of the response: responses can contain stored values.
pub(crate) fn failure<E>(error: &SdkError<E, HttpResponse>, action: &str, config: &DynamoConfig) -> Failure
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let (status, meta) = (service.raw().status().as_u16(), service.err().meta());
            match meta.code() {
                Some(code) => answered(code, meta.message().unwrap_or_default(), status, action, config),
                None => not_own(None, status, action),
            }
        }
        SdkError::TimeoutError(_) => Failure::maybe(new(
            ErrorKind::Timeout,
            format!(
                "no response to {action} within {:?}; try again or increase attempt_timeout",
                config.attempt_timeout
            ),
        )),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(error) => not_answered(error, action, config),
            None => lost(action, None),
        },
        SdkError::ConstructionFailure(_) => {
            let unmade = new(ErrorKind::Backend, format!("the request for {action} could not be built"));
            Failure::never(match error.source() {
                Some(source) => unmade.with_source(Cause::new(source)),
                None => unmade,
            })
        }
        SdkError::ResponseError(answer) => {
            not_own(error.source().and_then(find), answer.raw().status().as_u16(), action)
        }
        _ => lost(action, None),
    }
}

/// Classifies a rejection that comes from DynamoDB.
fn answered(code: &str, message: &str, status: u16, action: &str, config: &DynamoConfig) -> Failure {
    let table = &config.table;
    if status >= 500 {
        return broken(code, action);
    }
    let denied = |text: String| Failure::never(new(ErrorKind::PermissionDenied, text));
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown" => Failure::for_now(new(
            ErrorKind::Unavailable,
            format!(
                "{action} on the table {table:?} was throttled ({code}); nothing was changed, try again later, give the table more capacity, or spread the load over more keys"
            ),
        )),
        "TransactionConflictException" | "ReplicatedWriteConflictException" => Failure::for_now(new(
            ErrorKind::Contention,
            format!("another write of the same item was under way ({code}); nothing was changed, try again"),
        )),
        "ResourceNotFoundException" => Failure::never(missing_table(config)),
        "AccessDeniedException" | "AccessDenied" => denied(format!(
            "these credentials lack the permission dynamodb:{action} on the table {table:?}; allow it in IAM ({})",
            one_line(message)
        )),
        "ExpiredTokenException" | "ExpiredToken" | "TokenRefreshRequired" => denied(format!(
            "the AWS credentials have expired, so {action} on the table {table:?} was refused; log in again, or renew them"
        )),
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestExpired" | "RequestTimeTooSkewed"
            if message.contains("xpired")
                || message.contains("not yet current")
                || message.contains("kew") =>
        {
            denied(format!(
                "{action} on the table {table:?} was refused because this machine's clock is wrong; correct the clock"
            ))
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "InvalidAccessKeyId"
        | "OptInRequired"
        | "NotAuthorized"
        | "SubscriptionRequiredException" => denied(format!(
            "these credentials are not accepted ({code}), so {action} on the table {table:?} was refused; check them, and the region"
        )),
        "ValidationException" if is_too_large(message) => Failure::never(new(
            ErrorKind::TooLarge,
            "the item would exceed DynamoDB's limit of 409600 bytes, names included; nothing was changed",
        )),
        "RequestEntityTooLargeException" | "RequestTooLargeException" => Failure::never(new(
            ErrorKind::TooLarge,
            "the request is larger than DynamoDB accepts; nothing was changed",
        )),
        "ValidationException" if message.contains("does not match the schema") => Failure::never(new(
            ErrorKind::InvalidConfig,
            format!(
                "the partition key of the table {table:?} is not the string {:?}; set key_attribute, or use a table created by ensure_table",
                config.key_attribute
            ),
        )),
        "InternalServerError"
        | "InternalServerErrorException"
        | "InternalFailure"
        | "InternalFailureException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => broken(code, action),
        _ => {
            let text = format!(
                "{action} on the table {table:?} was refused: {code} ({status}) {}",
                one_line(message)
            );
            let invalid = code == "ValidationException";
            Failure { invalid, ..Failure::never(new(ErrorKind::Backend, text)) }
        }
    }
}

/// Classifies a response that does not come from DynamoDB, or that was damaged. The sender may have forwarded
/// the request before.
fn not_own(why: Option<&NotOwn>, status: u16, action: &str) -> Failure {
    let error = new(
        ErrorKind::Unavailable,
        format!(
            "the response to {action} (status {status}) does not come from DynamoDB; check the endpoint, and any proxy or gateway in between"
        ),
    );
    Failure::maybe(match why {
        Some(why) => error.with_source(*why),
        None => error,
    })
}

fn broken(code: &str, action: &str) -> Failure {
    Failure::maybe(new(
        ErrorKind::Unavailable,
        format!("DynamoDB could not execute {action} ({code}); try again later",),
    ))
}

fn is_too_large(message: &str) -> bool {
    message.contains("exceeded the maximum allowed size") || message.contains("maximum item size")
}

/// Returns the error for a missing table.
pub(crate) fn missing_table(config: &DynamoConfig) -> Error {
    new(
        ErrorKind::InvalidConfig,
        format!(
            "the table {:?} {} does not exist or is still being created; check name and region, or create it with ensure_table (table=ensure in the URL)",
            config.table,
            place(config)
        ),
    )
}

/// Returns the location of DynamoDB for error texts. An endpoint with credentials was rejected before.
pub(crate) fn place(config: &DynamoConfig) -> String {
    match (&config.endpoint, &config.region) {
        (Some(endpoint), _) => format!("at {endpoint}"),
        (None, Some(region)) => format!("in {region}"),
        (None, None) => "in this region".to_owned(),
    }
}

pub(crate) fn lost(action: &str, why: Option<&str>) -> Failure {
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    Failure::maybe(new(
        ErrorKind::Unavailable,
        format!("the connection broke before the response to {action}{why}; try again later"),
    ))
}

/// Returns an error and its sources.
pub(crate) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// Returns the first error of this type in the chain.
pub(crate) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// Returns whether an error in the chain contains these words, for errors whose type is not accessible.
pub(crate) fn says(error: &(dyn StdError + 'static), words: &str) -> bool {
    chain(error).any(|error| error.to_string().contains(words))
}

/// Returns the server's message in one line.
pub(crate) fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The cause as text. The SDK's errors cannot be kept, because some contain stored values.
#[derive(Debug)]
pub(crate) struct Cause(String);

impl Cause {
    pub(crate) fn new(error: &(dyn StdError + 'static)) -> Self {
        Self(chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
    use aws_smithy_runtime_api::http::StatusCode;

    use super::*;

    fn config() -> DynamoConfig {
        DynamoConfig::new("sessions").with_region("eu-central-1")
    }

    /// Kind, whether it may have been executed, whether a retry may succeed.
    type Meaning = (ErrorKind, bool, bool);

    const NEVER: fn(ErrorKind) -> Meaning = |kind| (kind, false, false);
    const LATER: fn(ErrorKind) -> Meaning = |kind| (kind, false, true);
    const MAYBE: fn(ErrorKind) -> Meaning = |kind| (kind, true, true);

    fn meaning(failure: &Failure) -> Meaning {
        (failure.error.kind(), failure.maybe, failure.again)
    }

    #[test]
    fn every_refusal_has_its_kind() {
        use ErrorKind::{Backend, Contention, InvalidConfig, PermissionDenied, TooLarge, Unavailable};
        let table = [
            ("ProvisionedThroughputExceededException", "", 400, LATER(Unavailable), "UpdateItem"),
            ("ThrottlingException", "", 400, LATER(Unavailable), "sessions"),
            ("RequestLimitExceeded", "", 400, LATER(Unavailable), "throttled"),
            ("TransactionConflictException", "", 400, LATER(Contention), "another write"),
            ("ReplicatedWriteConflictException", "", 400, LATER(Contention), "another write"),
            ("ResourceNotFoundException", "", 400, NEVER(InvalidConfig), "eu-central-1"),
            ("AccessDeniedException", "User: x", 400, NEVER(PermissionDenied), "dynamodb:UpdateItem"),
            ("ExpiredTokenException", "", 400, NEVER(PermissionDenied), "have expired"),
            ("UnrecognizedClientException", "", 400, NEVER(PermissionDenied), "not accepted"),
            ("InvalidSignatureException", "", 403, NEVER(PermissionDenied), "not accepted"),
            ("InvalidSignatureException", "Signature expired: 1", 403, NEVER(PermissionDenied), "clock"),
            (
                "ValidationException",
                "Item size to update has exceeded the maximum allowed size",
                400,
                NEVER(TooLarge),
                "409600",
            ),
            (
                "ValidationException",
                "Item size has exceeded the maximum allowed size",
                400,
                NEVER(TooLarge),
                "409600",
            ),
            ("RequestEntityTooLargeException", "", 413, NEVER(TooLarge), "larger"),
            (
                "ValidationException",
                "The provided key element does not match the schema",
                400,
                NEVER(InvalidConfig),
                "key_attribute",
            ),
            ("ValidationException", "Invalid\nexpression", 400, NEVER(Backend), "Invalid expression"),
            ("InternalServerError", "", 500, MAYBE(Unavailable), "UpdateItem"),
            ("ServiceUnavailable", "", 503, MAYBE(Unavailable), "try again"),
            ("ThrottlingException", "", 503, MAYBE(Unavailable), "ThrottlingException"),
            ("ValidationException", "Invalid", 500, MAYBE(Unavailable), "ValidationException"),
            ("NotKnownYetException", "", 400, NEVER(Backend), "NotKnownYetException"),
        ];
        for (code, message, status, expected, word) in table {
            let failure = answered(code, message, status, "UpdateItem", &config());
            assert_eq!(meaning(&failure), expected, "{code}");
            let text = failure.error.to_string();
            assert!(text.contains(word) && !text.contains('\n'), "{code}: {text}");
        }
    }

    #[test]
    fn silence_and_nonsense_may_have_been_executed() {
        let late = SdkError::<UpdateItemError, HttpResponse>::timeout_error("late");
        assert_eq!(meaning(&failure(&late, "UpdateItem", &config())), MAYBE(ErrorKind::Timeout));
        let answer = HttpResponse::new(StatusCode::try_from(200).unwrap(), "s3cret".into());
        let nonsense = SdkError::<UpdateItemError, HttpResponse>::response_error("s3cret", answer);
        let failure = failure(&nonsense, "UpdateItem", &config());
        assert_eq!(meaning(&failure), MAYBE(ErrorKind::Unavailable));
        let text = format!("{} {:?}", failure.error, failure.error);
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn an_unknown_fate_keeps_the_reason() {
        let lost = Error::new(ErrorKind::Timeout, "no answer").with_source(Cause("slow".into()));
        let error = unknown(&lost);
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::OutcomeUnknown, false));
        assert!(error.to_string().contains("no answer; the write may have been applied"), "{error}");
        assert_eq!(error.source().unwrap().to_string(), "slow");
    }
}
