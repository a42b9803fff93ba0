//! Animals that do not return records as they were stored.

use serde_json::{Map, Value as Json};
use ttl_core::options::{DeleteOptions, GetOptions, Projection, PutOptions};
use ttl_core::{Key, Record, Value};

use super::animal::{Deleted, Got, Written, animals, is_ghost, remember_deleted};
use super::values::map_value;

/// Returns a record as a JSON object.
fn object(record: &Record) -> Map<String, Json> {
    record.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// Changes the fields of a hit.
fn map_object(entry: Got, change: impl Fn(Map<String, Json>) -> Map<String, Json>) -> Got {
    map_value(entry, |value| match value {
        Value::Blob(_) => Some(value),
        Value::Record(record) => Record::from_fields(change(object(&record))).ok().map(Value::Record),
    })
}

/// Changes a value, its innermost parts first.
fn mapped(value: Json, change: &impl Fn(Json) -> Json) -> Json {
    change(match value {
        Json::Array(items) => items.into_iter().map(|item| mapped(item, change)).collect(),
        Json::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, mapped(value, change))).collect()
        }
        other => other,
    })
}

fn map_json(entry: Got, change: impl Fn(Json) -> Json) -> Got {
    map_object(entry, |fields| {
        fields.into_iter().map(|(name, value)| (name, mapped(value, &change))).collect()
    })
}

fn merged(old: &Record, new: Value) -> Value {
    let Value::Record(new) = new else { return new };
    let mut fields = object(old);
    fields.extend(object(&new));
    Record::from_fields(fields).map_or(Value::Record(new), Value::Record)
}

animals! {
    /// Empty lists are returned as empty objects.
    EmptyListsAreObjects breaks V2; also P1 P5 R1 S1: "lists are emptied, and read back" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_json(self.right.get(key, options).await, |value| match value {
                Json::Array(items) if items.is_empty() => Json::Object(Map::new()),
                other => other,
            })
        }
    }

    /// Text that looks like JSON is parsed.
    TextIsParsed breaks V2; also P5: "elements are read back" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_json(self.right.get(key, options).await, |value| match value {
                Json::String(text) => serde_json::from_str(&text).unwrap_or(Json::String(text)),
                other => other,
            })
        }
    }

    /// Control characters are removed from text.
    TextLosesControls breaks V2; also P5: "elements are read back" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_json(self.right.get(key, options).await, |value| match value {
                Json::String(text) => text.replace(|c: char| c.is_control(), "").into(),
                other => other,
            })
        }
    }

    /// Text is truncated to 30,000 bytes.
    LongTextIsCut breaks V2; also V4: "the largest record is a long text" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_json(self.right.get(key, options).await, |value| match value {
                Json::String(text) if text.len() > 30_000 => text.chars().take(7_000).collect::<String>().into(),
                other => other,
            })
        }
    }

    /// Floats beyond `u64` are stored in 32 bits.
    LargeFloatsAreShort breaks V2; also P3 P5: "sums and elements are read back" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_json(self.right.get(key, options).await, |value| match value.as_f64() {
                Some(float) if value.is_f64() && float.abs() > 1e19 => Json::from(f64::from(float as f32)),
                _ => value,
            })
        }
    }

    /// Zero is returned as false, and minus three without its sign.
    SmallIntegersChange breaks V2; also P1 P3 P4 P5: "sums and elements are read back" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let inner = options.projection == Projection::All;
            map_json(self.right.get(key, options).await, |value| match value.as_i64().filter(|_| inner) {
                Some(0) => Json::Bool(false),
                Some(-3) => Json::from(3),
                _ => value,
            })
        }
    }

    /// Values nested deeper than 20 levels are dropped.
    DeepNestingIsDropped breaks V2 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            fn levels(value: &Json) -> usize {
                match value {
                    Json::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
                    Json::Object(fields) => 1 + fields.values().map(levels).max().unwrap_or(0),
                    _ => 0,
                }
            }
            map_json(self.right.get(key, options).await, |value| if levels(&value) > 20 { Json::Null } else { value })
        }
    }

    /// A record has at most a hundred fields; the others are dropped.
    ManyFieldsAreDropped breaks V2; also P1: "a thousand operations make as many fields" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_object(self.right.get(key, options).await, |fields| fields.into_iter().take(100).collect())
        }
    }

    /// A field name ends at its first dot.
    FieldNamesArePaths breaks V2; also P1: "patches use odd names too" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let first = |name: &str| name.split('.').next().filter(|first| !first.is_empty()).unwrap_or(name).to_owned();
            map_object(self.right.get(key, options).await, |fields| {
                fields.into_iter().map(|(name, value)| (first(&name), value)).collect()
            })
        }
    }

    /// Fields with names of the layout are hidden.
    LayoutNamesAreHidden breaks V2; also P1: "patches use these names too" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_object(self.right.get(key, options).await, |mut fields| {
                fields.retain(|name, _| !["version", "deadline", "covers", "kind"].contains(&name.as_str()));
                fields
            })
        }
    }

    /// Reserved names are dropped within objects, where they are valid.
    InnerNamesAreReserved breaks V2 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_json(self.right.get(key, options).await, |value| match value {
                Json::Object(fields) => {
                    fields.into_iter().filter(|(name, _)| !name.starts_with("ttl:")).collect::<Map<_, _>>().into()
                }
                other => other,
            })
        }
    }

    /// Field names are not case-sensitive.
    FieldNamesFoldCase breaks V2 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let Value::Record(record) = &value else { return self.right.put(key, value, options).await };
            let fields = record.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
            let folded = Record::from_fields(fields.collect::<Map<_, _>>()).unwrap_or_else(|_| record.clone());
            self.right.put(key, folded.into(), options).await
        }
    }

    /// A put over a record keeps the fields that the new record does not have.
    PutMerges breaks V2; also V3 C3: "records replace records there too" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let old = self.right.backend().live(key).and_then(|stored| stored.value.into_record().ok());
            let value = old.map_or(value.clone(), |old| merged(&old, value));
            self.right.put(key, value, options).await
        }
    }

    /// A put over a ghost keeps the ghost's fields.
    PutMergesWithGhosts breaks E3; also E7: "a record is put over an expired one" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let ghost = self.right.backend().peek(key).filter(|_| is_ghost(&self.right, key));
            let ghost = ghost.and_then(|stored| stored.value.into_record().ok());
            let value = ghost.map_or(value.clone(), |ghost| merged(&ghost, value));
            self.right.put(key, value, options).await
        }
    }

    /// A put after a delete also gets the deleted record's fields.
    PutMergesWithTheDeleted breaks E9; also C1: "a record is put again after it was taken" {
        forwards capabilities now get expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            remember_deleted(&self.right, key, options).await
        }
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let old = self.right.backend().memory.lock().remove(key).and_then(|stored| stored.value.into_record().ok());
            let value = old.map_or(value.clone(), |old| merged(&old, value));
            self.right.put(key, value, options).await
        }
    }
}
