//! Records: named JSON fields in a normal form that is the same on every backend (V2).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::codec::Misfit;
use crate::field_name::check_field_name;
use crate::finite::{MAX_DEPTH, ReadBack};
use crate::json::{invalid_value, normalize, not_json, record_text, to_json, to_json_value};
use crate::record_de::Fields;
use crate::{Error, ErrorKind, Result};

/// A map from names to JSON values in normal form. Cloning is cheap; a change copies shared content.
///
/// The normal form is applied when a field is set, so that all drivers see the same values. An integral
/// number within `i64` or `u64` is an integer (`1.0` is stored and returned as `1`), `-0.0` is `0`, and
/// objects are sorted by name. Every `i64` and `u64` is returned exactly, every other finite `f64` bit for
/// bit. NaN, infinity and nesting deeper than [`MAX_DEPTH`] are refused.
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
    /// Creates a record without fields. It is a value: an entry that holds it exists.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field.
    ///
    /// # Panics
    /// If the name or the value is invalid. For input, use [`Record::try_with`].
    #[must_use]
    pub fn with(self, name: impl Into<String>, value: impl Serialize) -> Self {
        match self.try_with(name, value) {
            Ok(record) => record,
            Err(error) => panic!("{error}"),
        }
    }

    /// Sets a field.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidField`] in these cases:
    /// * The name is empty, longer than [`MAX_FIELD_NAME_BYTES`](crate::driver::MAX_FIELD_NAME_BYTES) or reserved.
    /// * The value is not valid JSON (NaN, infinity, a map whose keys are not text).
    /// * The value is nested deeper than [`MAX_DEPTH`].
    pub fn try_with(mut self, name: impl Into<String>, value: impl Serialize) -> Result<Self> {
        self.insert(name, value)?;
        Ok(self)
    }

    /// Sets a field.
    ///
    /// # Errors
    /// Those of [`Record::try_with`].
    pub fn insert(&mut self, name: impl Into<String>, value: impl Serialize) -> Result<()> {
        let name = name.into();
        check_field_name(&name)?;
        let value = to_json(&name, &value, MAX_DEPTH)?;
        Arc::make_mut(&mut self.0).insert(name, value);
        Ok(())
    }

    /// Converts a struct or a map into a record with the same fields.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidField`] if the value is not a JSON object, or if a field is invalid as in
    /// [`Record::try_with`].
    pub fn from_serialize(value: &impl Serialize) -> Result<Self> {
        Self::from_serialize_checked(value).map(|(record, _)| record)
    }

    /// Does the same as [`Record::from_serialize`], and returns whether serde can read the value back.
    ///
    /// # Errors
    /// Those of [`Record::from_serialize`].
    pub fn from_serialize_checked(value: &impl Serialize) -> Result<(Self, ReadBack)> {
        let (json, read_back) = to_json_value(value).map_err(|error| not_json("the value", &error))?;
        match json {
            Json::Object(fields) => Ok((Self::from_fields(fields)?, read_back)),
            other => Err(Error::new(
                ErrorKind::InvalidField,
                format!(
                    "invalid record: expected a JSON object, found {}; wrap it in a struct or store a blob",
                    type_name(&other)
                ),
            )),
        }
    }

    /// Converts the record into a struct or a map.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if the fields do not fit the type. The source gives the reason, without the
    /// values.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(Fields(&self.0)).map_err(|error| {
            let name = std::any::type_name::<T>();
            Error::new(
                ErrorKind::Codec,
                format!("the record does not fit {name}; read it as the type that wrote it, or delete it"),
            )
            .with_source(Misfit::new(&error))
        })
    }

    /// Parses a record that a driver stored as [`Record::to_json_text`].
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if the text is not a JSON object, or not a valid record.
    pub fn from_json_text(text: &[u8]) -> Result<Self> {
        let corrupt = || {
            Error::new(
                ErrorKind::Corrupt,
                "the entry is not a valid record of this store; inspect it with the backend's tools",
            )
        };
        let fields = serde_json::from_slice::<BTreeMap<String, Json>>(text);
        Self::from_fields(fields.map_err(|error| corrupt().with_source(Misfit::new(&error)))?)
            .map_err(|_| corrupt())
    }

    /// Rebuilds a record from fields that a driver stored before. Checks and normalizes them again.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidField`] as in [`Record::try_with`]. A driver reports it as
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

    /// Returns the value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    /// Returns whether the record has the field; `null` is a value.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the fields in the order of their names.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns a record with only the named fields. Missing fields are omitted.
    #[must_use]
    pub fn project(&self, names: &crate::options::Fields) -> Self {
        Self(Arc::new(
            names
                .iter()
                .filter_map(|name| self.0.get_key_value(name))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        ))
    }

    /// Returns the canonical text: a JSON object without spaces, sorted by name.
    #[must_use]
    pub fn to_json_text(&self) -> String {
        record_text(&self.0)
    }

    /// Removes a field.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Json> {
        if self.contains(name) { Arc::make_mut(&mut self.0).remove(name) } else { None }
    }

    /// Returns a field to change in place. The caller must preserve the normal form.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        if self.contains(name) { Arc::make_mut(&mut self.0).get_mut(name) } else { None }
    }

    /// Sets a field whose name and value are known to be valid.
    pub(crate) fn insert_normal(&mut self, name: String, value: Json) {
        Arc::make_mut(&mut self.0).insert(name, value);
    }
}

impl fmt::Debug for Record {
    /// Prints only the names of the fields, because their values may be secret or long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record")?;
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl TryFrom<Vec<(String, Json)>> for Record {
    type Error = Error;

    /// Builds a record from its fields.
    ///
    /// # Errors
    /// Those of [`Record::from_fields`].
    fn try_from(fields: Vec<(String, Json)>) -> Result<Self> {
        Self::from_fields(fields)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(result: Result<Record>) -> ErrorKind {
        result.unwrap_err().kind()
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
    fn text_comes_back_or_is_corrupt() {
        for record in
            [Record::new(), Record::new().with("a b", json!([1.5, { "é": null }])).with("n", u64::MAX)]
        {
            assert_eq!(Record::from_json_text(record.to_json_text().as_bytes()).unwrap(), record);
        }
        for text in ["", "[]", "7", r#"{"ttl:x":1}"#, r#"{"":1}"#, r#"{"a":1e999}"#, r#"{"a":1"#, "\u{0}"] {
            assert_eq!(
                Record::from_json_text(text.as_bytes()).unwrap_err().kind(),
                ErrorKind::Corrupt,
                "{text}"
            );
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
        let misfit = Record::new().with("user", "ada").with("score", "s3cret").deserialize::<Session>();
        assert!(!format!("{:?}", misfit.unwrap_err()).contains("s3cret"));
    }
    #[test]
    fn refusals_do_not_quote_the_value() {
        struct Stubborn;

        impl Serialize for Stubborn {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("cannot write \"s3cret\""))
            }
        }

        for error in [
            Record::new().try_with("f", Stubborn).unwrap_err(),
            Record::from_serialize(&Stubborn).unwrap_err(),
            crate::codec::check_json(&Stubborn).unwrap_err(),
        ] {
            let text = format!("{error} {error:?}");
            assert!(text.contains("cannot write") && !text.contains("s3cret"), "{text}");
        }
    }
}
