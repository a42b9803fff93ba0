//! Reads a record as a serde type. A struct is read without a copy of the fields.

use std::collections::BTreeMap;

use serde::Deserializer;
use serde::de::value::MapDeserializer;
use serde::de::{IntoDeserializer, Visitor};
use serde_json::{Error, Value as Json};

use crate::json::SERDE_JSON_PREFIX;

/// The fields of a record, as the input of serde. It reads them as `serde_json` reads an object.
pub(crate) struct Fields<'a>(pub(crate) &'a BTreeMap<String, Json>);

impl Fields<'_> {
    /// Copies the fields. `serde_json` then reads the forms for which it has rules of its own, such as enums and
    /// maps whose keys are numbers.
    fn copy(&self) -> Json {
        Json::Object(self.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

/// Implements methods that read a copy.
macro_rules! by_copy {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Error> {
            self.copy().into_deserializer().$method($($argument,)* visitor)
        })*
    };
}

/// A custom `Deserialize` of a field gets text as borrowed text, as from a slice of JSON.
impl<'de> Deserializer<'de> for Fields<'de> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut fields = MapDeserializer::new(self.0.iter().map(|(name, value)| (name.as_str(), value)));
        let value = visitor.visit_map(&mut fields)?;
        fields.end()?;
        Ok(value)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name.starts_with(SERDE_JSON_PREFIX) {
            return self.copy().into_deserializer().deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    by_copy! {
        deserialize_any() deserialize_bool() deserialize_char() deserialize_str() deserialize_string()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_bytes() deserialize_byte_buf() deserialize_unit()
        deserialize_seq() deserialize_map() deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use crate::Record;

    /// Reads an object as a record and by `serde_json`. Both must agree.
    fn read<T: DeserializeOwned + Serialize>(object: &serde_json::Value) -> Option<serde_json::Value> {
        let record = Record::from_serialize(object).unwrap();
        let ours = record.deserialize::<T>().ok().map(|value| serde_json::to_value(value).unwrap());
        let theirs = serde_json::from_value::<T>(object.clone()).ok();
        assert_eq!(ours, theirs.map(|value| serde_json::to_value(value).unwrap()), "{object}");
        ours
    }

    #[derive(Serialize, Deserialize)]
    enum Shape {
        Unit,
        New(i64),
        Tuple(i64, String),
        Struct { side: u8 },
    }

    #[derive(Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Circle { radius: f64 },
        Point,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Name { name: String },
        Number { number: i64 },
    }

    #[derive(Serialize, Deserialize)]
    struct Page {
        title: String,
        tags: Vec<String>,
        #[serde(default)]
        views: Option<u64>,
        #[serde(flatten)]
        rest: std::collections::HashMap<String, serde_json::Value>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        a: i32,
    }

    #[derive(Serialize, Deserialize)]
    struct Wrapped(Strict);

    #[test]
    fn every_form_is_read_as_serde_json_reads_it() {
        for object in [
            json!({"New": 1}),
            json!({"Tuple": [1, "a"]}),
            json!({"Struct": {"side": 3}}),
            json!({"Unit": null}),
            json!({"Unit": 1}),
            json!({"Unknown": 1}),
            json!({"New": 1, "Unit": null}),
            json!({}),
        ] {
            read::<Shape>(&object);
            read::<Option<Shape>>(&object);
        }
        for object in [json!({"kind": "Circle", "radius": 1.5}), json!({"kind": "Point"}), json!({"kind": 1})]
        {
            read::<Tagged>(&object);
        }
        for object in [json!({"name": "a"}), json!({"number": -1}), json!({"other": 1})] {
            read::<Untagged>(&object);
        }
        let page =
            json!({"title": "a", "tags": ["b"], "views": 18_446_744_073_709_551_615_u64, "more": {"x": [1]}});
        assert_eq!(read::<Page>(&page), Some(page.clone()));
        assert_eq!(read::<Page>(&json!({"title": "a"})), None);
        assert_eq!(read::<Wrapped>(&json!({"a": 1})), Some(json!({"a": 1})));
        assert_eq!(read::<Strict>(&json!({"a": 1, "b": 2})), None);
        assert_eq!(read::<Strict>(&json!({"a": 1.5})), None);
        read::<std::collections::HashMap<String, i64>>(&json!({"a": 1, "b": 2}));
        read::<std::collections::HashMap<i64, i64>>(&json!({"1": 1, "2": 2}));
        read::<serde_json::Value>(&page);
        for object in [json!({}), json!({"a": 1})] {
            read::<()>(&object);
            read::<(i64, i64)>(&object);
            read::<Vec<i64>>(&object);
            read::<String>(&object);
            read::<i64>(&object);
            read::<bool>(&object);
        }
    }
}
