//! Distinguishes responses of DynamoDB from those of a proxy, a gateway or a login page in between.

use std::fmt;

use aws_sdk_dynamodb::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use serde::Deserialize;

/// The media type of every response of DynamoDB, which no intermediary uses.
const MEDIA_TYPE: &str = "application/x-amz-json-1.0";

/// Turns every response that does not come from DynamoDB into an error.
///
/// The SDK reads an empty body as `{}`, which is also the body for a missing item and for an applied write.
/// It treats any error status as a rejection.
#[derive(Debug)]
pub(crate) struct OriginCheck;

#[dyn_dispatch_hint]
impl Intercept for OriginCheck {
    fn name(&self) -> &'static str {
        "OriginCheck"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response();
        let header = |name: &str| answer.headers().get(name);
        // A truncated response is already an error.
        let Some(body) = answer.body().bytes() else { return Ok(()) };
        check(answer.status().is_success(), header("content-type"), header("x-amz-crc32"), body)
            .map_err(Into::into)
    }
}

/// The defect of a response. Contains nothing of the response itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForeignResponse {
    MediaType,
    Empty,
    Checksum,
    /// A rejection without an error name.
    NoCode,
}

impl fmt::Display for ForeignResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MediaType => "its media type is not application/x-amz-json-1.0",
            Self::Empty => "its body is empty",
            Self::Checksum => "its body does not match the checksum in x-amz-crc32",
            Self::NoCode => "its body names no error (__type)",
        })
    }
}

impl std::error::Error for ForeignResponse {}

/// The only field of a rejection that is read; an item next to it is skipped.
#[derive(Deserialize)]
struct Refusal {
    __type: String,
}

fn check(
    success: bool,
    media_type: Option<&str>,
    crc: Option<&str>,
    body: &[u8],
) -> Result<(), ForeignResponse> {
    let essence = media_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case(MEDIA_TYPE) {
        return Err(ForeignResponse::MediaType);
    }
    if body.is_empty() {
        return Err(ForeignResponse::Empty);
    }
    // Other servers with this protocol, such as ScyllaDB, send no checksum.
    if crc.is_some_and(|said| said.parse() != Ok(crc32fast::hash(body))) {
        return Err(ForeignResponse::Checksum);
    }
    match success || serde_json::from_slice(body).is_ok_and(|said: Refusal| !said.__type.is_empty()) {
        true => Ok(()),
        false => Err(ForeignResponse::NoCode),
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
            (true, None, None, b"{}", Err(ForeignResponse::MediaType)),
            (true, Some("text/html"), None, b"<html>", Err(ForeignResponse::MediaType)),
            (true, Some("application/json"), None, b"{}", Err(ForeignResponse::MediaType)),
            (false, Some("application/json"), None, code, Err(ForeignResponse::MediaType)),
            (true, json, None, b"", Err(ForeignResponse::Empty)),
            (true, json, Some("2745614148"), b"{}", Err(ForeignResponse::Checksum)),
            (true, json, Some("?"), b"{}", Err(ForeignResponse::Checksum)),
            (false, json, None, b"{}", Err(ForeignResponse::NoCode)),
            (false, json, None, &code[..40], Err(ForeignResponse::NoCode)),
            (false, json, None, br#"{"__type":""}"#, Err(ForeignResponse::NoCode)),
            (false, json, None, br#"{"code":"403"}"#, Err(ForeignResponse::NoCode)),
        ] {
            let text = String::from_utf8_lossy(body);
            assert_eq!(check(success, media_type, crc, body), expected, "{success} {media_type:?} {text}");
        }
    }
}
