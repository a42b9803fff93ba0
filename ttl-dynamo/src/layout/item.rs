//! Encodes entries as items, and decodes items.
//!
//! | attribute | type | content |
//! |---|---|---|
//! | the key | S | the entry's key |
//! | `ttl:version` | S | a random token, new at every write of the value |
//! | `ttl:deadline` | N | end of the entry, in epoch milliseconds; absent for a persistent entry |
//! | `ttl:created` | N | time at which the value was put, or its record created by a patch, in epoch milliseconds |
//! | `ttl:cap` | N | the cap, in epoch milliseconds; absent without one |
//! | `ttl:epoch`, or the configured name | N | for the table's TTL: not before the deadline, in epoch seconds |
//! | `ttl:value` | B | a blob's bytes |
//! | `ttl:fields` | M | a record's fields as native types |
//!
//! The entry ends at the earlier of `ttl:deadline` and `ttl:cap`.

use std::collections::HashMap;
use std::time::SystemTime;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Number, Value as Json};
use ttl_core::rules::Header;
use ttl_core::{
    Bytes, Deadline, Kind, Now, Projection, PutResult, Record, Result, Returning, Value, Version,
};

use crate::error::not_ours;
use crate::names::{CAP, CREATED, DEADLINE, FIELDS, VALUE, VERSION};

/// An item's attributes.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The prefix for names of nested objects that DynamoDB rejects, or that begin with this prefix.
pub(crate) const ESCAPE: &str = "ttl:";

/// The smallest fraction that a DynamoDB number holds, and the first that is too large.
const MIN_FRACTION: f64 = 1e-130;
const END_FRACTION: f64 = 1e126;

/// Returns a fresh token.
pub(crate) fn new_token() -> String {
    URL_SAFE_NO_PAD.encode(Version::random().as_bytes())
}

/// Returns the version of a token.
pub(crate) fn token_version(token: &str) -> Result<Version> {
    Version::from_bytes(token.as_bytes()).map_err(|_| not_ours())
}

/// Returns the version that a write reports, given the token it left, if any.
pub(crate) fn meta(
    returning: Returning,
    created: bool,
    deadline: Deadline,
    token: Option<&String>,
) -> Result<PutResult> {
    let token = token.filter(|_| returning.contains(Returning::VERSION));
    let version = token.map(|token| token_version(token)).transpose()?;
    Ok(PutResult::returning(returning, created, deadline, version))
}

/// Returns the time of creation of an item, if the caller asked for it.
///
/// # Errors
/// `Corrupt` if it was asked for and cannot be read. Otherwise it is not checked.
pub(crate) fn created_at(returning: Returning, item: &Item) -> Result<Option<SystemTime>> {
    if !returning.contains(Returning::CREATED_AT) {
        return Ok(None);
    }
    let Some(AttributeValue::N(millis)) = item.get(CREATED) else { return Err(not_ours()) };
    if millis.starts_with('-') {
        return Err(not_ours());
    }
    instant_of(millis).and_then(Deadline::to_system_time).ok_or_else(not_ours).map(Some)
}

/// Returns a version as it is stored. A version of another store never equals a stored one.
pub(crate) fn version_attribute(version: &Version) -> AttributeValue {
    AttributeValue::S(match std::str::from_utf8(version.as_bytes()) {
        Ok(token) => token.to_owned(),
        Err(_) => version.to_string(),
    })
}

/// Returns the attribute for a creation at this time.
pub(crate) fn created_attribute(now: Now) -> AttributeValue {
    AttributeValue::N(now.as_epoch_millis().to_string())
}

/// Returns the attribute for a deadline or a cap.
pub(crate) fn deadline_attribute(deadline: Deadline) -> AttributeValue {
    AttributeValue::N(deadline.as_epoch_millis().to_string())
}

/// Decodes the header of an item: everything except the value.
///
/// # Errors
/// `Corrupt` for content that this driver cannot have written.
pub(crate) fn header(item: &Item) -> Result<Header> {
    let Some(AttributeValue::S(token)) = item.get(VERSION) else { return Err(not_ours()) };
    let (deadline, cap) = life(item)?;
    let kind = if item.contains_key(VALUE) { Kind::Blob } else { Kind::Record };
    Ok(Header { kind, deadline, cap, version: token_version(token)? })
}

/// Returns the header of the item that an operation finds, if it is live. A ghost may be damaged.
pub(crate) fn met(now: Now, item: Option<&Item>) -> Result<Option<Header>> {
    let Some(item) = item else { return Ok(None) };
    let (deadline, cap) = life(item)?;
    if deadline.min(cap).is_expired(now) { Ok(None) } else { header(item).map(Some) }
}

/// Decodes deadline and cap.
fn life(item: &Item) -> Result<(Deadline, Deadline)> {
    Ok((instant(item, DEADLINE)?, instant(item, CAP)?))
}

fn instant(item: &Item, name: &str) -> Result<Deadline> {
    match item.get(name) {
        None => Ok(Deadline::NEVER),
        Some(AttributeValue::N(millis)) => instant_of(millis).ok_or_else(not_ours),
        Some(_) => Err(not_ours()),
    }
}

/// Converts a number of milliseconds to an instant. Every number has one, because conditions compare any
/// number. A fraction counts until the next whole millisecond, a number before 1970 is in the past, and one
/// beyond all clocks is the last instant.
fn instant_of(millis: &str) -> Option<Deadline> {
    if let Ok(whole) = millis.parse() {
        return Some(Deadline::from_epoch_millis(whole));
    }
    let millis: f64 = millis.parse().ok().filter(|millis: &f64| millis.is_finite())?;
    // The cast is within the bounds of the type.
    Some(Deadline::from_epoch_millis((millis.ceil() as u64).min(u64::MAX - 1)))
}

/// Returns the header of the item that a write was applied to, if it was live. The write's condition was
/// already checked, so further damage does not turn an applied write into an error.
pub(crate) fn replaced(now: Now, item: Option<&Item>) -> Option<Header> {
    let item = item?;
    let (deadline, cap) = life(item).ok()?;
    let version = match item.get(VERSION) {
        Some(AttributeValue::S(token)) => token_version(token).ok(),
        _ => None,
    };
    let kind = if item.contains_key(VALUE) { Kind::Blob } else { Kind::Record };
    let header = Header { kind, deadline, cap, version: version.unwrap_or_else(|| Version::from_u128(0)) };
    header.is_live(now).then_some(header)
}

/// Decodes the value of an item, as far as it is selected and was read.
pub(crate) fn value(item: &mut Item, projection: &Projection) -> Result<Option<Value>> {
    let blob = match item.remove(VALUE) {
        None => None,
        Some(AttributeValue::B(blob)) => Some(blob),
        Some(_) => return Err(not_ours()),
    };
    match (projection, blob) {
        (Projection::Nothing, _) | (Projection::Fields(_), Some(_)) => Ok(None),
        (Projection::All, Some(blob)) => Ok(Some(Value::Blob(Bytes::from(Vec::from(blob))))),
        // A record without any of the requested fields is returned without the map.
        (Projection::Fields(names), None) => match item.remove(FIELDS) {
            None => Ok(Some(Record::new().into())),
            Some(AttributeValue::M(mut map)) => {
                let named = names.iter().filter_map(|name| map.remove_entry(name));
                record(named).map(|record| Some(record.into()))
            }
            Some(_) => Err(not_ours()),
        },
        (Projection::All, None) => match item.remove(FIELDS) {
            Some(AttributeValue::M(map)) => record(map).map(|record| Some(record.into())),
            _ => Err(not_ours()),
        },
    }
}

/// Decodes a record.
pub(crate) fn record(fields: impl IntoIterator<Item = (String, AttributeValue)>) -> Result<Record> {
    let fields: Option<Vec<_>> =
        fields.into_iter().map(|(name, value)| Some((name, from_attribute(value)?))).collect();
    Record::from_fields(fields.ok_or_else(not_ours)?).map_err(|_| not_ours())
}

/// Encodes a value. Returns its attribute's name and content.
pub(crate) fn encode(value: &Value) -> (&'static str, AttributeValue) {
    match value {
        Value::Blob(bytes) => (VALUE, AttributeValue::B(Blob::new(bytes.to_vec()))),
        Value::Record(record) => (FIELDS, fields(record)),
    }
}

/// Encodes the fields of a record.
pub(crate) fn fields(record: &Record) -> AttributeValue {
    let fields = record.iter().map(|(name, value)| (name.to_owned(), to_attribute(value)));
    AttributeValue::M(fields.collect())
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
    let float = number.as_f64().unwrap_or_default();
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
    use ttl_core::ErrorKind;

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
    fn what_the_driver_cannot_have_written_is_corrupt() {
        let item = |pairs: &[(&str, AttributeValue)]| -> Item {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let (s, n) = (|s: &str| AttributeValue::S(s.into()), |n: &str| AttributeValue::N(n.into()));
        for bad in [
            item(&[]),
            item(&[(VERSION, n("1"))]),
            item(&[(VERSION, s(""))]),
            item(&[(VERSION, s(&"v".repeat(24)))]),
            item(&[(VERSION, s("v")), (DEADLINE, s("1"))]),
            item(&[(VERSION, s("v")), (CAP, AttributeValue::Null(true))]),
        ] {
            assert_eq!(header(&bad).unwrap_err().kind(), ErrorKind::Corrupt, "{bad:?}");
        }
        for bad in [
            item(&[]),
            item(&[(VALUE, s("text"))]),
            item(&[(FIELDS, s("text"))]),
            item(&[(FIELDS, AttributeValue::M(item(&[("a", AttributeValue::Ss(vec!["x".into()]))])))]),
            item(&[(FIELDS, AttributeValue::M(item(&[("ttl:a", s("x"))])))]),
            item(&[(FIELDS, AttributeValue::M(item(&[("a", AttributeValue::B(Blob::new("x")))])))]),
            item(&[(
                FIELDS,
                AttributeValue::M(item(&[("a", AttributeValue::M(item(&[("ttl:a", s("x"))])))])),
            )]),
        ] {
            let read = value(&mut bad.clone(), &Projection::All);
            assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "{bad:?}");
        }
    }

    #[test]
    fn any_number_is_an_instant() {
        for (text, millis) in [
            ("1500", 1500),
            ("1500.0", 1500),
            ("1499.0001", 1500),
            ("1.5E+3", 1500),
            ("0", 0),
            ("-1", 0),
            ("-0.5", 0),
            ("1E+100", u64::MAX - 1),
        ] {
            assert_eq!(instant_of(text), Some(Deadline::from_epoch_millis(millis)), "{text}");
        }
        assert_eq!((instant_of(""), instant_of("soon"), instant_of("NaN")), (None, None, None));
    }

    #[test]
    fn a_ghost_is_absent_even_if_it_is_damaged() {
        let item: Item = [(DEADLINE.to_owned(), AttributeValue::N("1000".into()))].into();
        let at = |millis: u64| Now::from_epoch_nanos(millis * 1_000_000);
        assert_eq!(met(at(1000), Some(&item)).unwrap(), None);
        assert_eq!(met(at(999), Some(&item)).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(met(at(999), None).unwrap(), None);
    }

    #[test]
    fn numbers_of_other_writers_are_read() {
        for (text, value) in [("1.0", json!(1)), ("1E+2", json!(100)), ("-0", json!(0)), ("2.50", json!(2.5))]
        {
            let attribute = [("f".to_owned(), AttributeValue::N(text.into()))];
            assert_eq!(super::record(attribute).unwrap().get("f"), Some(&value), "{text}");
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
