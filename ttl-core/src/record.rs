//! Records: named fields of JSON in one normal form, the same on every backend (V2).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::{Number, Value as Json};

use crate::{Error, ErrorKind, Result};

/// The deepest nesting of a field's value: `[]` is one level, `[[]]` two, a number none.
pub const MAX_DEPTH: usize = 30;

/// Names of fields that begin with this are the drivers' own.
pub const RESERVED_PREFIX: &str = "ttl:";

/// The longest field name, in bytes of UTF-8.
pub const MAX_FIELD_NAME_BYTES: usize = 255;

/// Fields by name, each a JSON value in normal form. Cloning is cheap; a change copies what is shared.
///
/// The normal form is applied when a field is set, so that every driver sees the same: an integral number within
/// `i64` or `u64` is an integer (`1.0` is kept and comes back as `1`), `-0.0` is `0`, objects are sorted by name.
/// Every `i64` and `u64` comes back exact, every other finite `f64` bit for bit. NaN and infinity are refused, and
/// so is nesting deeper than [`MAX_DEPTH`].
///
/// ```
/// use ttl_core::Record;
///
/// let record = Record::new().with("user", "ada").with("visits", 1.0);
/// assert_eq!(record.to_json_text(), r#"{"user":"ada","visits":1}"#);
/// assert!(Record::new().try_with("ttl:mine", 1).is_err());
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Record(Arc<BTreeMap<String, Json>>);

impl Record {
    /// A record without fields. It is a value: an entry that holds it exists.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With this field set.
    ///
    /// # Panics
    /// If name or value are refused, see [`Record::try_with`], which is for input.
    #[must_use]
    pub fn with(self, name: impl Into<String>, value: impl Serialize) -> Self {
        match self.try_with(name, value) {
            Ok(record) => record,
            Err(error) => panic!("{error}"),
        }
    }

    /// With this field set.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidField`] if the name is empty, longer than [`MAX_FIELD_NAME_BYTES`] or reserved, or if
    /// the value is no JSON (NaN, infinity, a map whose keys are no text) or nested deeper than [`MAX_DEPTH`].
    pub fn try_with(mut self, name: impl Into<String>, value: impl Serialize) -> Result<Self> {
        self.insert(name, value)?;
        Ok(self)
    }

    /// Sets a field.
    ///
    /// # Errors
    /// As [`Record::try_with`].
    pub fn insert(&mut self, name: impl Into<String>, value: impl Serialize) -> Result<()> {
        let name = name.into();
        check_field_name(&name)?;
        let value = to_json(&name, &value, MAX_DEPTH)?;
        Arc::make_mut(&mut self.0).insert(name, value);
        Ok(())
    }

    /// Turns a struct or a map into a record, one field for each of its own.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidField`] if it is no JSON object, or if a field is refused as in [`Record::try_with`].
    pub fn from_serialize(value: &impl Serialize) -> Result<Self> {
        match to_json_value(value).map_err(|error| not_json("the value", error))? {
            Json::Object(fields) => fields.into_iter().collect::<Vec<_>>().try_into(),
            other => Err(Error::new(
                ErrorKind::InvalidField,
                format!(
                    "a record is a JSON object, this is {}; wrap it in a struct or store a blob",
                    type_name(&other)
                ),
            )),
        }
    }

    /// Reads the record as a struct or a map.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if the fields do not fit the type; serde's reason is the source.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T> {
        let object = Json::Object(self.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect());
        serde_json::from_value(object).map_err(|error| {
            Error::new(ErrorKind::Codec, format!("the record does not fit {}", std::any::type_name::<T>()))
                .with_source(error)
        })
    }

    /// Rebuilds a record from fields that a driver stored before; checks and normalises them again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidField`] as in [`Record::try_with`]; a driver turns that into
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt).
    pub fn from_fields(fields: impl IntoIterator<Item = (String, Json)>) -> Result<Self> {
        let mut map = BTreeMap::new();
        for (name, mut value) in fields {
            check_field_name(&name)?;
            normalize(&mut value, MAX_DEPTH).map_err(|reason| invalid_value(&name, reason))?;
            map.insert(name, value);
        }
        Ok(Self(Arc::new(map)))
    }

    /// A field's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    /// Whether the field is there; `null` is a value.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields in the order of their names.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The record with only those of its fields that are named.
    #[must_use]
    pub fn select(&self, names: &crate::Fields) -> Self {
        Self(Arc::new(
            names
                .iter()
                .filter_map(|name| self.0.get_key_value(name))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        ))
    }

    /// The canonical text: a JSON object without spaces, sorted by name.
    #[must_use]
    pub fn to_json_text(&self) -> String {
        canonical_text(&*self.0)
    }

    /// Removes a field.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Json> {
        if self.contains(name) { Arc::make_mut(&mut self.0).remove(name) } else { None }
    }

    /// A field to change in place; the caller keeps the normal form.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        if self.contains(name) { Arc::make_mut(&mut self.0).get_mut(name) } else { None }
    }

    /// Sets a field whose name and value are known to be right.
    pub(crate) fn insert_normal(&mut self, name: String, value: Json) {
        Arc::make_mut(&mut self.0).insert(name, value);
    }
}

impl fmt::Debug for Record {
    /// Prints the names of the fields only: what they hold may be secret or long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record")?;
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl TryFrom<Vec<(String, Json)>> for Record {
    type Error = Error;

    /// # Errors
    /// As [`Record::from_fields`].
    fn try_from(fields: Vec<(String, Json)>) -> Result<Self> {
        Self::from_fields(fields)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Checks the name of a field.
///
/// # Errors
/// [`ErrorKind::InvalidField`] if it is empty, longer than [`MAX_FIELD_NAME_BYTES`], or begins with
/// [`RESERVED_PREFIX`].
pub fn check_field_name(name: &str) -> Result<()> {
    let problem = if name.is_empty() {
        "is empty; name it".to_owned()
    } else if name.len() > MAX_FIELD_NAME_BYTES {
        format!("has {} bytes; at most {MAX_FIELD_NAME_BYTES} are allowed", name.len())
    } else if name.starts_with(RESERVED_PREFIX) {
        format!("is {name:?}; names that begin with {RESERVED_PREFIX:?} are reserved, choose another")
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidField, format!("the field's name {problem}")))
}

/// The canonical text of a field's value in normal form: no spaces, objects sorted by name, fractions in the
/// shortest form that reads back (plain from 1e-4 to 1e16, else with an exponent such as `1.5e-7`). Equal values
/// have equal texts, whatever release of this crate wrote them.
#[must_use]
pub fn field_text(value: &Json) -> String {
    canonical_text(value)
}

/// Reads a field's text as a driver stored it.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if it is no JSON or nested too deep.
pub fn parse_field_text(name: &str, text: &[u8]) -> Result<Json> {
    let corrupt = || {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "the field {name:?} holds no JSON that this store wrote; look at it with the backend's tools"
            ),
        )
    };
    let mut value: Json = serde_json::from_slice(text).map_err(|error| corrupt().with_source(error))?;
    normalize(&mut value, MAX_DEPTH).map_err(|_| corrupt())?;
    Ok(value)
}

/// A user's value as JSON in normal form, at most `depth` levels deep.
pub(crate) fn to_json(name: &str, value: &impl Serialize, depth: usize) -> Result<Json> {
    let mut json = to_json_value(value).map_err(|error| not_json(&format!("the field {name:?}"), error))?;
    normalize(&mut json, depth).map_err(|reason| invalid_value(name, reason))?;
    Ok(json)
}

/// `serde_json::to_value` alone would turn NaN and infinity into `null` without a word.
fn to_json_value(value: &impl Serialize) -> std::result::Result<Json, serde_json::Error> {
    crate::finite::check(value).map_err(serde::ser::Error::custom)?;
    serde_json::to_value(value)
}

fn not_json(what: &str, error: serde_json::Error) -> Error {
    Error::new(
        ErrorKind::InvalidField,
        format!("{what} cannot be kept as JSON; use finite numbers, text as the keys of maps, and at most 30 levels of nesting"),
    )
    .with_source(error)
}

fn invalid_value(name: &str, reason: &'static str) -> Error {
    Error::new(ErrorKind::InvalidField, format!("the value of field {name:?} {reason}"))
}

fn type_name(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

fn canonical_text(value: &impl Serialize) -> String {
    let mut text = Vec::with_capacity(64);
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Canonical);
    // Values in normal form have text keys and finite numbers only: writing them to memory cannot fail, and what
    // is written is UTF-8.
    let _ = value.serialize(&mut serializer);
    String::from_utf8(text).unwrap_or_default()
}

/// Compact JSON whose fractions do not depend on `serde_json`'s release: its exponents have been written both `e19`
/// and `e+19`. The standard library's shortest form is plain from 1e-4 to 1e16 and has an exponent elsewhere.
struct Canonical;

impl serde_json::ser::Formatter for Canonical {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, float: f64) -> io::Result<()> {
        write!(writer, "{float:?}")
    }
}

/// Brings a value into normal form in place; `depth` is how many levels of nesting are left.
fn normalize(value: &mut Json, depth: usize) -> std::result::Result<(), &'static str> {
    const TOO_DEEP: &str = "is nested deeper than 30 levels; flatten it or store it as a blob";
    match value {
        Json::Null | Json::Bool(_) | Json::String(_) => Ok(()),
        Json::Number(number) => {
            *number =
                normal_number(number).ok_or("is a number that neither i64, u64 nor a finite f64 can hold")?;
            Ok(())
        }
        Json::Array(items) => {
            let depth = depth.checked_sub(1).ok_or(TOO_DEEP)?;
            items.iter_mut().try_for_each(|item| normalize(item, depth))
        }
        Json::Object(fields) => {
            let depth = depth.checked_sub(1).ok_or(TOO_DEEP)?;
            // A program may have switched on serde_json's insertion order: sort whatever the map's type is.
            fields.sort_keys();
            fields.values_mut().try_for_each(|field| normalize(field, depth))
        }
    }
}

/// An integral number within `i64` or `u64` is an integer, everything else an `f64`.
fn normal_number(number: &Number) -> Option<Number> {
    if let Some(integer) = number.as_i64() {
        return Some(Number::from(integer));
    }
    if let Some(integer) = number.as_u64() {
        return Some(Number::from(integer));
    }
    number.as_f64().and_then(number_from_f64)
}

/// The normal form of a finite `f64`; `None` for NaN and infinity.
pub(crate) fn number_from_f64(float: f64) -> Option<Number> {
    // Both bounds are powers of two and so exact as f64; the upper ones are excluded.
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

    fn kind(result: Result<Record>) -> ErrorKind {
        result.unwrap_err().kind()
    }

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
    fn what_is_not_finite_is_refused_wherever_it_hides() {
        #[derive(Serialize)]
        struct Nested {
            list: Vec<Option<f64>>,
        }
        for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(kind(Record::new().try_with("f", float)), ErrorKind::InvalidField);
            let nested = Nested { list: vec![None, Some(float)] };
            assert_eq!(kind(Record::from_serialize(&nested)), ErrorKind::InvalidField);
        }
        assert_eq!(kind(Record::new().try_with("f", f32::NAN)), ErrorKind::InvalidField);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(Record::new().try_with("f", nested(30)).is_ok());
        assert_eq!(kind(Record::new().try_with("f", nested(31))), ErrorKind::InvalidField);
        // Far beyond what recursion on this thread's stack would survive.
        let endless = (0..100_000).fold(json!(1), |inner, _| Json::Array(vec![inner]));
        assert_eq!(kind(Record::new().try_with("f", &endless)), ErrorKind::InvalidField);
        std::mem::forget(endless);
    }

    #[test]
    fn names_are_checked() {
        for name in ["", "ttl:", "ttl:version", &"n".repeat(256)] {
            assert_eq!(kind(Record::new().try_with(name, 1)), ErrorKind::InvalidField, "{name}");
        }
        for name in ["ttl", "TTL:x", " ", "a.b#c:d", "\0", &"n".repeat(255)] {
            assert!(Record::new().try_with(name, 1).is_ok(), "{name}");
        }
    }

    #[test]
    fn only_objects_are_records() {
        for value in [json!(1), json!([1]), json!("x"), json!(null), json!(true)] {
            assert_eq!(kind(Record::from_serialize(&value)), ErrorKind::InvalidField);
        }
        assert!(Record::from_serialize(&json!({})).unwrap().is_empty());
    }

    #[test]
    fn structs_round_trip_and_misfits_are_codec_errors() {
        #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
        struct Session {
            user: String,
            score: f64,
            tags: Vec<String>,
        }
        let session = Session { user: "ada".into(), score: 1.0, tags: vec!["a".into()] };
        let record = Record::from_serialize(&session).unwrap();
        assert_eq!(record.deserialize::<Session>().unwrap(), session);
        let misfit = Record::new().with("user", 1).deserialize::<Session>().unwrap_err();
        assert_eq!(misfit.kind(), ErrorKind::Codec);
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
