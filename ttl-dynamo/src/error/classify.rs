//! The classification of failed requests.

use std::error::Error as StdError;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use ttl_core::{Error, ErrorKind};

use super::build::new;
use super::cause::{Cause, find, one_line};
use super::failure::Failure;
use super::foreign::ForeignResponse;
use super::no_answer::{interrupted, no_answer};
use crate::config::DynamoConfig;

/// The codes of rejections for lack of capacity.
const THROTTLED: &[&str] = &[
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
];
/// The codes of rejections of credentials.
const NOT_ACCEPTED: &[&str] = &[
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "InvalidAccessKeyId",
    "OptInRequired",
    "NotAuthorized",
    "SubscriptionRequiredException",
];
/// The codes of failures within DynamoDB, whatever the status.
const SERVER_ERRORS: &[&str] = &[
    "InternalServerError",
    "InternalServerErrorException",
    "InternalFailure",
    "InternalFailureException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
];

/// Classifies the failure of one request; `action` is its name in IAM, such as `GetItem`.
///
/// Keeps only the code and the message of the response: responses can contain stored values.
pub(crate) fn classify<E>(error: &SdkError<E, HttpResponse>, action: &str, config: &DynamoConfig) -> Failure
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let (status, meta) = (service.raw().status().as_u16(), service.err().meta());
            match meta.code() {
                Some(code) => rejection(code, meta.message().unwrap_or_default(), status, action, config),
                None => foreign_response(None, status, action),
            }
        }
        SdkError::TimeoutError(_) => Failure::unknown(new(
            ErrorKind::Timeout,
            format!(
                "no response to {action} within {:?}; try again or increase attempt_timeout",
                config.attempt_timeout
            ),
        )),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(error) => no_answer(error, action, config),
            None => interrupted(action, None),
        },
        SdkError::ConstructionFailure(_) => {
            let unbuilt = new(ErrorKind::Backend, format!("the request for {action} could not be built"));
            Failure::permanent(match error.source() {
                Some(source) => unbuilt.with_source(Cause::new(source)),
                None => unbuilt,
            })
        }
        SdkError::ResponseError(answer) => {
            foreign_response(error.source().and_then(find), answer.raw().status().as_u16(), action)
        }
        _ => interrupted(action, None),
    }
}

/// Classifies a response that does not come from DynamoDB, or that was damaged. The sender may have forwarded
/// the request before.
fn foreign_response(why: Option<&ForeignResponse>, status: u16, action: &str) -> Failure {
    let error = new(
        ErrorKind::Unavailable,
        format!(
            "the response to {action} (status {status}) does not come from DynamoDB; check the endpoint, and any proxy or gateway in between"
        ),
    );
    Failure::unknown(match why {
        Some(why) => error.with_source(*why),
        None => error,
    })
}

/// Classifies a rejection that comes from DynamoDB.
fn rejection(code: &str, message: &str, status: u16, action: &str, config: &DynamoConfig) -> Failure {
    let table = &config.table;
    if status >= 500 || SERVER_ERRORS.contains(&code) {
        let text = format!("DynamoDB could not execute {action} ({code}); try again later");
        return Failure::unknown(new(ErrorKind::Unavailable, text));
    }
    let denied = |text: String| Failure::permanent(new(ErrorKind::PermissionDenied, text));
    match code {
        _ if THROTTLED.contains(&code) => Failure::transient(new(
            ErrorKind::Unavailable,
            format!(
                "{action} on the table {table:?} was throttled ({code}); nothing was changed, try again later, give the table more capacity, or spread the load over more keys"
            ),
        )),
        "TransactionConflictException" | "ReplicatedWriteConflictException" => Failure::transient(new(
            ErrorKind::Contention,
            format!("another write of the same item was under way ({code}); nothing was changed, try again"),
        )),
        "ResourceNotFoundException" => Failure::permanent(missing_table(config)),
        "AccessDeniedException" | "AccessDenied" => denied(format!(
            "these credentials lack the permission dynamodb:{action} on the table {table:?}; allow it in IAM ({})",
            one_line(message)
        )),
        "ExpiredTokenException" | "ExpiredToken" | "TokenRefreshRequired" => denied(format!(
            "the AWS credentials have expired, so {action} on the table {table:?} was refused; log in again, or renew them"
        )),
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestExpired" | "RequestTimeTooSkewed"
            if ["xpired", "not yet current", "kew"].iter().any(|word| message.contains(word)) =>
        {
            denied(format!(
                "{action} on the table {table:?} was refused because this machine's clock is wrong; correct the clock"
            ))
        }
        _ if NOT_ACCEPTED.contains(&code) => denied(format!(
            "these credentials are not accepted ({code}), so {action} on the table {table:?} was refused; check them, and the region"
        )),
        "ValidationException" if is_item_too_large(message) => Failure::permanent(new(
            ErrorKind::TooLarge,
            "the item would exceed DynamoDB's limit of 409600 bytes, names included; nothing was changed",
        )),
        "RequestEntityTooLargeException" | "RequestTooLargeException" => Failure::permanent(new(
            ErrorKind::TooLarge,
            "the request is larger than DynamoDB accepts; nothing was changed",
        )),
        "ValidationException" if message.contains("does not match the schema") => Failure::permanent(new(
            ErrorKind::InvalidConfig,
            format!(
                "the partition key of the table {table:?} is not the string {:?}; set key_attribute, or use a table created by ensure_table",
                config.key_attribute
            ),
        )),
        _ => {
            let text = format!(
                "{action} on the table {table:?} was refused: {code} ({status}) {}",
                one_line(message)
            );
            let invalid_request = code == "ValidationException";
            Failure { invalid_request, ..Failure::permanent(new(ErrorKind::Backend, text)) }
        }
    }
}

fn is_item_too_large(message: &str) -> bool {
    message.contains("exceeded the maximum allowed size") || message.contains("maximum item size")
}

/// Returns the error for a missing table.
pub(crate) fn missing_table(config: &DynamoConfig) -> Error {
    new(
        ErrorKind::InvalidConfig,
        format!(
            "the table {:?} {} does not exist or is still being created; check name and region, or create it with ensure_table (table=ensure in the URL)",
            config.table,
            config.location()
        ),
    )
}

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
        (failure.error.kind(), failure.may_have_applied, failure.retryable)
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
            let failure = rejection(code, message, status, "UpdateItem", &config());
            assert_eq!(meaning(&failure), expected, "{code}");
            let text = failure.error.to_string();
            assert!(text.contains(word) && !text.contains('\n'), "{code}: {text}");
        }
    }

    #[test]
    fn silence_and_nonsense_may_have_been_executed() {
        let late = SdkError::<UpdateItemError, HttpResponse>::timeout_error("late");
        assert_eq!(meaning(&classify(&late, "UpdateItem", &config())), MAYBE(ErrorKind::Timeout));
        let answer = HttpResponse::new(StatusCode::try_from(200).unwrap(), "s3cret".into());
        let nonsense = SdkError::<UpdateItemError, HttpResponse>::response_error("s3cret", answer);
        let failure = classify(&nonsense, "UpdateItem", &config());
        assert_eq!(meaning(&failure), MAYBE(ErrorKind::Unavailable));
        let text = format!("{} {:?}", failure.error, failure.error);
        assert!(!text.contains("s3cret"), "{text}");
    }
}
