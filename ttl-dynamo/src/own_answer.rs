//! Tells an answer of DynamoDB from one of a proxy, a gateway or a login page between the program and
//! DynamoDB.

use std::fmt;

use aws_sdk_dynamodb::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use serde::Deserialize;

/// What DynamoDB says of each of its answers, and no intermediary of its own.
const MEDIA_TYPE: &str = "application/x-amz-json-1.0";

/// Makes an error of each answer that is not DynamoDB's own.
///
/// The SDK reads an empty body as `{}`, which is what a missing item and a write that was applied look like,
/// and takes any status for a refusal.
#[derive(Debug)]
pub(crate) struct OwnAnswers;

#[dyn_dispatch_hint]
impl Intercept for OwnAnswers {
    fn name(&self) -> &'static str {
        "OwnAnswers"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response();
        let header = |name: &str| answer.headers().get(name);
        // One that broke off is an error already.
        let Some(body) = answer.body().bytes() else { return Ok(()) };
        check(answer.status().is_success(), header("content-type"), header("x-amz-crc32"), body)
            .map_err(Into::into)
    }
}

/// What is not right with an answer. It holds nothing of the answer itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotOwn {
    MediaType,
    Empty,
    Checksum,
    /// A refusal that names no error.
    NoCode,
}

impl fmt::Display for NotOwn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MediaType => "its media type is not application/x-amz-json-1.0",
            Self::Empty => "its body is empty",
            Self::Checksum => "its body does not have the checksum that x-amz-crc32 says",
            Self::NoCode => "its body names no error (__type)",
        })
    }
}

impl std::error::Error for NotOwn {}

/// The only field of a refusal that is looked at; an item beside it is skipped.
#[derive(Deserialize)]
struct Refusal {
    __type: String,
}

fn check(success: bool, media_type: Option<&str>, crc: Option<&str>, body: &[u8]) -> Result<(), NotOwn> {
    let essence = media_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case(MEDIA_TYPE) {
        return Err(NotOwn::MediaType);
    }
    if body.is_empty() {
        return Err(NotOwn::Empty);
    }
    // Other servers that speak this protocol, such as ScyllaDB, send none.
    if crc.is_some_and(|said| said.parse() != Ok(crc32fast::hash(body))) {
        return Err(NotOwn::Checksum);
    }
    match success || serde_json::from_slice(body).is_ok_and(|said: Refusal| !said.__type.is_empty()) {
        true => Ok(()),
        false => Err(NotOwn::NoCode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_its_media_type_checksum_and_code() {
        let json = Some(MEDIA_TYPE);
        let code = br#"{"__type":"com.amazonaws.dynamodb.v20120810#X","Item":{"a":{"S":"b"}}}"#;
        for (success, media_type, crc, body, expected) in [
            (true, json, None, &b"{}"[..], Ok(())),
            (true, json, Some("2745614147"), b"{}", Ok(())),
            (true, Some("application/x-amz-json-1.0; charset=utf-8"), None, b"{}", Ok(())),
            (false, json, None, code, Ok(())),
            (true, None, None, b"{}", Err(NotOwn::MediaType)),
            (true, Some("text/html"), None, b"<html>", Err(NotOwn::MediaType)),
            (true, Some("application/json"), None, b"{}", Err(NotOwn::MediaType)),
            (false, Some("application/json"), None, code, Err(NotOwn::MediaType)),
            (true, json, None, b"", Err(NotOwn::Empty)),
            (true, json, Some("2745614148"), b"{}", Err(NotOwn::Checksum)),
            (true, json, Some("?"), b"{}", Err(NotOwn::Checksum)),
            (false, json, None, b"{}", Err(NotOwn::NoCode)),
            (false, json, None, &code[..40], Err(NotOwn::NoCode)),
            (false, json, None, br#"{"__type":""}"#, Err(NotOwn::NoCode)),
            (false, json, None, br#"{"code":"403"}"#, Err(NotOwn::NoCode)),
        ] {
            let text = String::from_utf8_lossy(body);
            assert_eq!(check(success, media_type, crc, body), expected, "{success} {media_type:?} {text}");
        }
    }
}
