//! JSON in normal form: equal values have the same form and the same text on every backend (V2).

use std::collections::BTreeMap;
use std::io;

use serde::{Serialize, Serializer};
use serde_json::{Number, Value as Json};

use crate::codec::Misfit;
use crate::finite::{MAX_DEPTH, ReadBack};
use crate::{Error, ErrorKind, Result};

/// With some of its features, `serde_json` gives a special meaning to objects whose first name begins with
/// this.
pub(crate) const SERDE_JSON_PREFIX: &str = "$serde_json::private::";

/// Returns the canonical text of a value in normal form, without spaces and with objects sorted by name.
/// Fractions have the shortest form that reads back exactly: plain from 1e-4 to 1e16, otherwise with an
/// exponent such as `1.5e-7`. Equal values have equal texts, whatever release and features of `serde_json`
/// the application uses.
#[must_use]
pub fn field_text(value: &Json) -> String {
    canonical_text(&Plain(value))
}

/// Parses the text of a field that a driver stored.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if the text is not valid JSON, or is nested too deeply.
pub fn parse_field_text(name: &str, text: &[u8]) -> Result<Json> {
    let corrupt = || {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "the field {name:?} is not valid JSON of this store; inspect it with the backend's tools"
            ),
        )
    };
    let mut value: Json =
        serde_json::from_slice(text).map_err(|error| corrupt().with_source(Misfit::new(&error)))?;
    normalize(&mut value, MAX_DEPTH).map_err(|_| corrupt())?;
    Ok(value)
}

/// Converts a user's value to JSON in normal form, at most `depth` levels deep.
pub(crate) fn to_json(name: &str, value: &impl Serialize, depth: usize) -> Result<Json> {
    let (mut json, _) =
        to_json_value(value).map_err(|error| not_json(&format!("the field {name:?}"), &error))?;
    normalize(&mut json, depth).map_err(|reason| invalid_value(name, reason))?;
    Ok(json)
}

/// Converts a value to JSON. `serde_json::to_value` alone would silently turn NaN and infinity into `null`.
/// Also returns whether serde can read the value back.
pub(crate) fn to_json_value(
    value: &impl Serialize,
) -> std::result::Result<(Json, ReadBack), serde_json::Error> {
    let read_back = crate::finite::check(value).map_err(serde::ser::Error::custom)?;
    Ok((serde_json::to_value(value)?, read_back))
}

pub(crate) fn not_json(what: &str, error: &serde_json::Error) -> Error {
    Error::new(
        ErrorKind::InvalidField,
        format!("{what} cannot be stored as JSON; use finite numbers, integers of at most 64 bits, text as the keys of maps, and at most 30 levels of nesting"),
    )
    .with_source(Misfit::new(&error))
}

pub(crate) fn invalid_value(name: &str, reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidField, format!("the value of field {name:?} {reason}"))
}

/// Returns the canonical text of a record: its fields, sorted by name.
pub(crate) fn record_text(fields: &BTreeMap<String, Json>) -> String {
    struct Fields<'a>(&'a BTreeMap<String, Json>);

    impl Serialize for Fields<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (name, Plain(value))))
        }
    }

    canonical_text(&Fields(fields))
}

/// A value whose numbers are written as `i64`, `u64` or `f64`. With `serde_json`'s `arbitrary_precision`,
/// which any crate of an application may enable, a `Number` would keep its original text.
struct Plain<'a>(&'a Json);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.0 {
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(integer), ..) => serializer.serialize_i64(integer),
                (_, Some(integer), _) => serializer.serialize_u64(integer),
                (_, _, Some(float)) => serializer.serialize_f64(float),
                (None, None, None) => number.serialize(serializer),
            },
            Json::Array(items) => serializer.collect_seq(items.iter().map(Plain)),
            Json::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(name, value)| (name, Plain(value))))
            }
            Json::Null | Json::Bool(_) | Json::String(_) => self.0.serialize(serializer),
        }
    }
}

fn canonical_text(value: &impl Serialize) -> String {
    let mut text = Vec::with_capacity(64);
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Canonical);
    // Values in normal form have only text keys and finite numbers. Writing them to memory cannot fail, and
    // the output is UTF-8.
    let _ = value.serialize(&mut serializer);
    String::from_utf8(text).unwrap_or_default()
}

/// Compact JSON whose fractions do not depend on the release of `serde_json`, which has written exponents
/// both as `e19` and as `e+19`. The standard library's shortest form is plain from 1e-4 to 1e16 and has an
/// exponent elsewhere.
struct Canonical;

impl serde_json::ser::Formatter for Canonical {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, float: f64) -> io::Result<()> {
        write!(writer, "{float:?}")
    }
}

/// Brings a value into normal form in place. `depth` is the number of nesting levels left.
pub(crate) fn normalize(value: &mut Json, depth: usize) -> std::result::Result<(), &'static str> {
    const TOO_DEEP: &str = "is nested deeper than 30 levels; flatten it or store it as a blob";
    match value {
        Json::Null | Json::Bool(_) | Json::String(_) => Ok(()),
        Json::Number(number) => {
            *number = normal_number(number).ok_or("contains a number outside i64, u64 and finite f64")?;
            Ok(())
        }
        Json::Array(items) => {
            let depth = depth.checked_sub(1).ok_or(TOO_DEEP)?;
            items.iter_mut().try_for_each(|item| normalize(item, depth))
        }
        Json::Object(fields) => {
            let depth = depth.checked_sub(1).ok_or(TOO_DEEP)?;
            if fields.keys().any(|name| name.starts_with(SERDE_JSON_PREFIX)) {
                return Err("contains an object with a name that serde_json reserves; rename it");
            }
            // An application may have enabled serde_json's insertion order: sort regardless of the map's
            // type.
            fields.sort_keys();
            fields.values_mut().try_for_each(|field| normalize(field, depth))
        }
    }
}

/// Returns an integer for an integral number within `i64` or `u64`, otherwise an `f64`.
fn normal_number(number: &Number) -> Option<Number> {
    if let Some(integer) = number.as_i64() {
        return Some(Number::from(integer));
    }
    if let Some(integer) = number.as_u64() {
        return Some(Number::from(integer));
    }
    number.as_f64().and_then(number_from_f64)
}

/// Returns the normal form of a finite `f64`; `None` for NaN and infinity.
pub(crate) fn number_from_f64(float: f64) -> Option<Number> {
    // Both bounds are powers of two, and therefore exact as f64. The upper ones are excluded.
    const I64_MIN: f64 = i64::MIN as f64;
    const I64_END: f64 = 9_223_372_036_854_775_808.0;
    const U64_END: f64 = 18_446_744_073_709_551_616.0;
    if float.fract() == 0.0 {
        if (I64_MIN..I64_END).contains(&float) {
            return Some(Number::from(float as i64));
        }
        if (0.0..U64_END).contains(&float) {
            return Some(Number::from(float as u64));
        }
    }
    Number::from_f64(float)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::Record;

    #[test]
    fn numbers_have_one_form() {
        let text = |float: f64| field_text(&to_json("f", &float, MAX_DEPTH).unwrap());
        assert_eq!(text(1.0), "1");
        assert_eq!(text(-0.0), "0");
        assert_eq!(text(1e18), "1000000000000000000");
        assert_eq!(text(-9_223_372_036_854_775_808.0), i64::MIN.to_string());
        assert_eq!(text(9_223_372_036_854_775_808.0), "9223372036854775808");
        assert_eq!(text(18_446_744_073_709_551_616.0), "1.8446744073709552e19");
        assert_eq!(text(0.1), "0.1");
        assert_eq!(field_text(&to_json("f", &u64::MAX, MAX_DEPTH).unwrap()), u64::MAX.to_string());
    }

    #[test]
    fn objects_are_sorted_at_every_depth() {
        // Matters when the tests run with serde_json's `preserve_order`.
        let text = r#"{"b":[{"d":1,"c":{"z":0,"y":-0.0}}],"a":1e2}"#;
        let sorted = r#"{"a":100,"b":[{"c":{"y":0,"z":0},"d":1}]}"#;
        assert_eq!(field_text(&parse_field_text("f", text.as_bytes()).unwrap()), sorted);
    }

    #[test]
    fn names_with_a_meaning_of_their_own_are_refused() {
        for name in ["$serde_json::private::Number", "$serde_json::private::RawValue"] {
            let object = std::collections::BTreeMap::from([(name, "12")]);
            let error = to_json("f", &object, MAX_DEPTH).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidField);
        }
    }

    #[test]
    fn foreign_text_is_corrupt() {
        for text in ["", "plain", "{", "1e999", "[1,]"] {
            assert_eq!(
                parse_field_text("f", text.as_bytes()).unwrap_err().kind(),
                ErrorKind::Corrupt,
                "{text}"
            );
        }
        assert_eq!(parse_field_text("f", b" [1.0] ").unwrap(), json!([1]));
    }

    proptest! {
        #[test]
        fn every_finite_float_comes_back(bits in any::<u64>()) {
            let float = f64::from_bits(bits);
            prop_assume!(float.is_finite());
            let record = Record::new().with("f", float);
            let text = field_text(record.get("f").unwrap());
            let back = parse_field_text("f", text.as_bytes()).unwrap().as_f64().unwrap();
            prop_assert_eq!(back, float);
            prop_assert!(back.to_bits() == float.to_bits() || float == 0.0);
        }

        #[test]
        fn every_integer_comes_back(signed in any::<i64>(), unsigned in any::<u64>()) {
            let record = Record::new().with("i", signed).with("u", unsigned);
            prop_assert_eq!(record.to_json_text(), format!(r#"{{"i":{signed},"u":{unsigned}}}"#));
            prop_assert_eq!(record.get("u").unwrap().as_u64(), Some(unsigned));
        }
    }
}
