//! The size of an item, as DynamoDB counts it: names and values, to the byte.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Number, Value as Json};
use ttl_core::{Capabilities, Error, ErrorKind, Key, Result, Value};

use super::field::{ESCAPE, is_escaped, number_attribute};
use super::names::{CAP, CREATED, DEADLINE, FIELDS, VALUE, VERSION};
use crate::config::DynamoConfig;

/// The maximum size of an item.
const MAX_ITEM_BYTES: usize = 400 * 1024;
/// The overhead of a list or a map, and of each of its elements.
const CONTAINER_BYTES: usize = 3;
const ELEMENT_BYTES: usize = 1;
/// The length of a version token.
const TOKEN_BYTES: usize = 22;
/// The maximum size of a current instant: 14 digits in milliseconds.
const INSTANT_BYTES: usize = 8;
/// The maximum ratio of a record's text to its attribute: `\u0000` is one character.
const TEXT_FACTOR: usize = 8;

/// Returns the size of the largest blob whose item always fits, whatever its key, deadline and cap are.
pub(crate) fn max_value_bytes(config: &DynamoConfig) -> u64 {
    let key = config.prefix().len() + Key::MAX_BYTES;
    (MAX_ITEM_BYTES - fixed_bytes(config) - key - VALUE.len()) as u64
}

/// Returns `TooLarge` if the item or the value would be too large. `key_bytes` is the size of the stored key.
pub(crate) fn check(
    config: &DynamoConfig,
    capabilities: &Capabilities,
    key_bytes: usize,
    value: &Value,
) -> Result<()> {
    let bytes = key_bytes + value_bytes(value) + fixed_bytes(config);
    if bytes > MAX_ITEM_BYTES {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!(
                "a DynamoDB item has at most {MAX_ITEM_BYTES} bytes, names included; this one would have {bytes}"
            ),
        ));
    }
    let limit = usize::try_from(capabilities.max_value_bytes).unwrap_or(usize::MAX);
    match value {
        Value::Record(_) if bytes.saturating_mul(TEXT_FACTOR) <= limit => Ok(()),
        value => capabilities.check_size(value.size_bytes()),
    }
}

/// Returns the size of an item without key and value, with a deadline and a cap.
fn fixed_bytes(config: &DynamoConfig) -> usize {
    let names = config.key_attribute.len() + config.ttl_attribute.len();
    let instants = DEADLINE.len() + CAP.len() + CREATED.len() + 4 * INSTANT_BYTES;
    names + instants + VERSION.len() + TOKEN_BYTES
}

/// Returns the size of a value with its attribute's name.
fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Blob(bytes) => VALUE.len() + bytes.len(),
        Value::Record(record) => {
            FIELDS.len() + CONTAINER_BYTES + record.iter().map(field_bytes).sum::<usize>()
        }
    }
}

/// Returns the size of a field in a record or an object.
fn field_bytes((name, value): (&str, &Json)) -> usize {
    ELEMENT_BYTES + name.len() + json_bytes(value)
}

/// Returns the size of a field's value without its name.
pub(crate) fn json_bytes(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(_) => 1,
        Json::String(text) => text.len(),
        Json::Number(number) => number_bytes(number),
        Json::Array(items) => {
            CONTAINER_BYTES + items.iter().map(|item| ELEMENT_BYTES + json_bytes(item)).sum::<usize>()
        }
        Json::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                let escape = if is_escaped(name) { ESCAPE.len() } else { 0 };
                escape + field_bytes((name, value))
            });
            CONTAINER_BYTES + fields.sum::<usize>()
        }
    }
}

/// Returns the size of a number: one byte per two significant digits plus one, and one more if it is
/// negative. Bytes count as they are.
fn number_bytes(number: &Number) -> usize {
    let digits = |mut integer: u64| {
        while integer != 0 && integer.is_multiple_of(10) {
            integer /= 10;
        }
        integer.checked_ilog10().map_or(0, |log| log as usize + 1)
    };
    let count = |digits: usize, negative: bool| digits.div_ceil(2) + 1 + usize::from(negative);
    match (number.as_i64(), number.as_u64()) {
        (Some(integer), _) => count(digits(integer.unsigned_abs()), integer < 0),
        (_, Some(integer)) => count(digits(integer), false),
        _ => match number_attribute(number) {
            AttributeValue::N(text) => {
                let mantissa = text.split('e').next().unwrap_or_default();
                let digits = mantissa.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0');
                count(digits.count(), text.starts_with('-'))
            }
            AttributeValue::B(text) => text.as_ref().len(),
            _ => 1,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_count_as_documented() {
        for (value, bytes) in [
            (json!(null), 1),
            (json!(true), 1),
            (json!("äb"), 3),
            (json!(0), 1),
            (json!(7), 2),
            (json!(-7), 3),
            (json!(100), 2),
            (json!(123), 3),
            (json!(u64::MAX), 11),
            (json!(1.5), 2),
            (json!(-0.25), 3),
            (json!(1e-7), 2),
            (json!(1.5e300), 7),
            (json!([]), 3),
            (json!([1, "a"]), 8),
            (json!({}), 3),
            (json!({ "a": [null] }), 10),
            (json!({ "": 1 }), 10),
        ] {
            assert_eq!(json_bytes(&value), bytes, "{value}");
        }
    }
}
