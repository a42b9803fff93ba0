//! Checks of patches against a collection's type: the names of fields, and the values that are set.

use std::cell::Cell;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value as Json;
use ttl_core::driver::Change;
use ttl_core::{Error, ErrorKind, Patch, Result};

/// Checks that a patch names only fields of `T`, and sets only values that fit them.
///
/// Field names of a map, an enum or a struct with `flatten` are not checked, because the type does not list
/// them.
pub(crate) fn check<T: DeserializeOwned>(patch: &Patch) -> Result<()> {
    let names = names::<T>();
    for operation in patch.operations()? {
        let field = &*operation.field;
        if let Some(names) = names.filter(|names| !names.contains(&field)) {
            return Err(Error::new(
                ErrorKind::InvalidField,
                format!("unknown field {field:?}: expected one of {}", names.join(", ")),
            ));
        }
        if let Change::Set(value) = &operation.change
            && !fits::<T>(field, value)
        {
            return Err(Error::new(
                ErrorKind::InvalidField,
                format!("invalid value for field {field:?}: expected one that fits the collection's type"),
            ));
        }
    }
    Ok(())
}

type SerdeResult<T> = std::result::Result<T, serde_json::Error>;

/// Returns the names of a struct's fields; `None` for another type.
fn names<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    let found = Found::default();
    let _ = T::deserialize(Probe { field: None, found: &found });
    found.names.get()
}

/// Returns whether the type accepts this value for this field. Missing other fields do not matter.
fn fits<T: DeserializeOwned>(field: &str, value: &Json) -> bool {
    let found = Found::default();
    let _ = T::deserialize(Probe { field: Some((field, value)), found: &found });
    !found.misfit.get()
}

/// The facts that deserializing a type reveals about it.
#[derive(Default)]
struct Found {
    /// The names of the fields that the type asks for.
    names: Cell<Option<&'static [&'static str]>>,
    /// Whether the type rejected the value of the field.
    misfit: Cell<bool>,
}

/// An object of at most one field, which records the requests of the type.
struct Probe<'de> {
    /// The field, until it was passed to the type.
    field: Option<(&'de str, &'de Json)>,
    found: &'de Found,
}

impl<'de> Deserializer<'de> for Probe<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> SerdeResult<V::Value> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> SerdeResult<V::Value> {
        self.found.names.set(Some(fields));
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> SerdeResult<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Probe<'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> SerdeResult<Option<K::Value>> {
        let Some((name, _)) = self.field else { return Ok(None) };
        let name: StrDeserializer<'de, serde_json::Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> SerdeResult<V::Value> {
        let value = self.field.take().map_or(&Json::Null, |(_, value)| value);
        seed.deserialize(value).inspect_err(|_| self.found.misfit.set(true))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only their names and types count")]
    struct Session {
        page: String,
        #[serde(rename = "hit-count")]
        hits: u32,
        #[serde(default)]
        tags: Vec<String>,
        seen: Option<Inner>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only their names and types count")]
    struct Inner {
        at: u64,
    }

    #[derive(Deserialize)]
    struct Wrapped(#[expect(dead_code, reason = "only its type counts")] Session);

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only their names and types count")]
    struct Open {
        page: String,
        #[serde(flatten)]
        rest: BTreeMap<String, Json>,
    }

    fn refused<T: DeserializeOwned>(patch: &Patch) -> Option<String> {
        check::<T>(patch).err().map(|error| {
            assert_eq!(error.kind(), ErrorKind::InvalidField);
            error.to_string()
        })
    }

    #[test]
    fn what_fits_the_type_passes() {
        let patch = Patch::new()
            .set("page", "/")
            .set("hit-count", 7)
            .increment("hit-count", 1)
            .set("tags", ["a"])
            .append("tags", "b")
            .set("seen", serde_json::json!({ "at": 5 }))
            .set("seen", Json::Null)
            .unset("tags");
        assert_eq!(refused::<Session>(&patch), None);
        assert_eq!(refused::<Wrapped>(&patch), None);
        assert_eq!(refused::<Session>(&Patch::new()), None);
    }

    #[test]
    fn a_name_that_the_type_lacks_is_refused_with_those_it_has() {
        for patch in [Patch::new().set("pge", "/"), Patch::new().append("hits", 1), Patch::new().unset("x")] {
            let text = refused::<Session>(&patch).unwrap();
            assert!(text.contains("page, hit-count, tags, seen"), "{text}");
            assert!(refused::<Wrapped>(&patch).is_some());
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_and_not_printed() {
        for patch in [
            Patch::new().set("page", 73_519),
            Patch::new().set("hit-count", "s3cret"),
            Patch::new().set("hit-count", -1),
            Patch::new().set("tags", serde_json::json!(["a", 1])),
            Patch::new().set("seen", serde_json::json!({ "at": "s3cret" })),
        ] {
            let text = refused::<Session>(&patch).unwrap();
            assert!(!text.contains("s3cret") && !text.contains("73519"), "{text}");
        }
    }

    #[test]
    fn what_the_type_does_not_tell_is_not_checked() {
        let patch = Patch::new().set("anything", 1);
        assert_eq!(refused::<BTreeMap<String, Json>>(&patch), None);
        assert_eq!(refused::<Open>(&patch), None);
        assert!(refused::<BTreeMap<String, u8>>(&Patch::new().set("anything", "text")).is_some());
    }
}
