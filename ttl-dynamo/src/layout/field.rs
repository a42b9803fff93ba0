//! The stored form of a record's fields.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Number, Value as Json};
use ttl_core::{Record, Result};

use crate::error::foreign_item;

/// The prefix for names of nested objects that DynamoDB rejects, or that begin with this prefix.
pub(crate) const ESCAPE: &str = "ttl:";

/// The smallest fraction that a DynamoDB number holds, and the first that is too large.
const MIN_FRACTION: f64 = 1e-130;
const END_FRACTION: f64 = 1e126;

/// Encodes the fields of a record.
pub(crate) fn fields(record: &Record) -> AttributeValue {
    let fields = record.iter().map(|(name, value)| (name.to_owned(), to_attribute(value)));
    AttributeValue::M(fields.collect())
}

/// Decodes a record.
pub(crate) fn record(fields: impl IntoIterator<Item = (String, AttributeValue)>) -> Result<Record> {
    let fields: Option<Vec<_>> =
        fields.into_iter().map(|(name, value)| Some((name, from_attribute(value)?))).collect();
    Record::from_fields(fields.ok_or_else(foreign_item)?).map_err(|_| foreign_item())
}

/// Encodes a field's value in native types.
pub(crate) fn to_attribute(value: &Json) -> AttributeValue {
    match value {
        Json::Null => AttributeValue::Null(true),
        Json::Bool(bool) => AttributeValue::Bool(*bool),
        Json::Number(number) => number_attribute(number),
        Json::String(text) => AttributeValue::S(text.clone()),
        Json::Array(items) => AttributeValue::L(items.iter().map(to_attribute).collect()),
        Json::Object(fields) => {
            let escaped = fields.iter().map(|(name, value)| (escape(name), to_attribute(value)));
            AttributeValue::M(escaped.collect())
        }
    }
}

/// Encodes a number in normal form: an `i64`, a `u64` or another finite `f64`.
pub(crate) fn number_attribute(number: &Number) -> AttributeValue {
    if let Some(integer) = number.as_i64() {
        return AttributeValue::N(integer.to_string());
    }
    if let Some(integer) = number.as_u64() {
        return AttributeValue::N(integer.to_string());
    }
    let float = number.as_f64().expect("a number in normal form has an f64 if it is no integer");
    let text = format!("{float:?}");
    if float == 0.0 || (MIN_FRACTION..END_FRACTION).contains(&float.abs()) {
        AttributeValue::N(text)
    } else {
        AttributeValue::B(Blob::new(text.into_bytes()))
    }
}

/// Decodes a field's value. Returns `None` for types that JSON lacks.
fn from_attribute(attribute: AttributeValue) -> Option<Json> {
    Some(match attribute {
        AttributeValue::Null(_) => Json::Null,
        AttributeValue::Bool(bool) => Json::Bool(bool),
        AttributeValue::N(text) => Json::Number(parse_number(&text)?),
        AttributeValue::B(text) => Json::Number(parse_float(std::str::from_utf8(text.as_ref()).ok()?)?),
        AttributeValue::S(text) => Json::String(text),
        AttributeValue::L(items) => {
            Json::Array(items.into_iter().map(from_attribute).collect::<Option<_>>()?)
        }
        AttributeValue::M(fields) => {
            let fields =
                fields.into_iter().map(|(name, value)| Some((unescape(name)?, from_attribute(value)?)));
            Json::Object(fields.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Decodes a number as DynamoDB writes it. Digits beyond an `f64` are rounded.
pub(crate) fn parse_number(text: &str) -> Option<Number> {
    if let Ok(integer) = text.parse::<i64>() {
        return Some(integer.into());
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Some(integer.into());
    }
    parse_float(text)
}

fn parse_float(text: &str) -> Option<Number> {
    text.parse().ok().and_then(Number::from_f64)
}

/// Returns whether the name of a nested object is stored with a prefix.
pub(crate) fn is_escaped(name: &str) -> bool {
    name.is_empty() || name.starts_with(ESCAPE)
}

fn escape(name: &str) -> String {
    if is_escaped(name) { [ESCAPE, name].concat() } else { name.to_owned() }
}

fn unescape(name: String) -> Option<String> {
    match name.strip_prefix(ESCAPE) {
        None => Some(name),
        Some(rest) if rest.is_empty() || rest.starts_with(ESCAPE) => Some(rest.to_owned()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn round_trip(record: &Record) -> Record {
        let AttributeValue::M(map) = fields(record) else { panic!("a record is a map") };
        super::record(map).unwrap()
    }

    #[test]
    fn fields_are_native_types() {
        let value =
            json!({ "n": null, "b": true, "i": -7, "f": 0.5, "s": "", "l": [1, "a"], "o": { "x": 1 } });
        let AttributeValue::M(map) = to_attribute(&value) else { panic!("an object is a map") };
        assert_eq!(map["n"], AttributeValue::Null(true));
        assert_eq!(map["b"], AttributeValue::Bool(true));
        assert_eq!(map["i"], AttributeValue::N("-7".into()));
        assert_eq!(map["f"], AttributeValue::N("0.5".into()));
        assert_eq!(map["s"], AttributeValue::S(String::new()));
        let list = vec![AttributeValue::N("1".into()), AttributeValue::S("a".into())];
        assert_eq!(map["l"], AttributeValue::L(list));
        assert_eq!(map["o"], AttributeValue::M([("x".to_owned(), AttributeValue::N("1".into()))].into()));
    }

    #[test]
    fn floats_that_no_number_of_dynamodb_holds_are_bytes() {
        for (float, inside) in [
            (1e-130, true),
            (-1e-130, true),
            (9.999_999_999_999e125, true),
            (0.1, true),
            (9.99e-131, false),
            (1e126, false),
            (-1e126, false),
            (f64::MAX, false),
            (5e-324, false),
        ] {
            let number = Number::from_f64(float).unwrap();
            assert_eq!(number_attribute(&number).is_n(), inside, "{float:?}");
            let record = Record::new().with("f", float);
            assert_eq!(round_trip(&record).get("f").unwrap().as_f64(), Some(float));
        }
    }

    #[test]
    fn names_of_nested_objects_are_escaped() {
        let nested =
            json!({ "": 1, "ttl:": 2, "ttl:x": 3, "ttl:ttl:": 4, "ttl": 5, "a": { "": [{ "": 6 }] } });
        let AttributeValue::M(map) = to_attribute(&nested) else { panic!("an object is a map") };
        let mut names: Vec<_> = map.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "ttl", "ttl:", "ttl:ttl:", "ttl:ttl:ttl:", "ttl:ttl:x"]);
        let record = Record::new().with("o", nested);
        assert_eq!(round_trip(&record), record);
    }

    #[test]
    fn numbers_of_other_writers_are_read() {
        for (text, value) in [("1.0", json!(1)), ("1E+2", json!(100)), ("-0", json!(0)), ("2.50", json!(2.5))]
        {
            let attribute = [("f".to_owned(), AttributeValue::N(text.into()))];
            assert_eq!(record(attribute).unwrap().get("f"), Some(&value), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back(bits in any::<u64>(), signed in any::<i64>()) {
            let float = f64::from_bits(bits);
            prop_assume!(float.is_finite());
            let record = Record::new().with("f", float).with("i", signed).with("u", bits);
            prop_assert_eq!(round_trip(&record), record);
        }
    }
}
