//! Animals that confuse values and kinds.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value as Json;
use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Projection, PutOptions,
};
use ttl_core::{Capabilities, Entry, ErrorKind, Key, Outcome, Patch, Record, Result, Value};

use super::animal::{Deleted, Expired, Got, Patched, Written, animals};

/// Returns the key of a handle's own copy of an entry.
fn own_copy<T>(handle: &T, key: &Key) -> Result<Key> {
    let handle = std::ptr::from_ref(handle).addr();
    // With the handle's name, the longest keys would be too long.
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    Key::new(format!("{handle} {}", hasher.finish()))
}

/// Changes the value of a hit, or turns the hit into a miss.
pub(crate) fn map_value(entry: Got, change: impl Fn(Value) -> Option<Value>) -> Got {
    let Some(mut entry) = entry? else { return Ok(None) };
    let Some(value) = entry.value.take() else { return Ok(Some(entry)) };
    entry.value = change(value);
    Ok(entry.value.is_some().then_some(entry))
}

fn map_numbers(value: Json, change: &impl Fn(serde_json::Number) -> Json) -> Json {
    match value {
        Json::Number(number) => change(number),
        Json::Array(items) => items.into_iter().map(|item| map_numbers(item, change)).collect(),
        Json::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, map_numbers(value, change))).collect()
        }
        other => other,
    }
}

fn map_fields(entry: Got, change: impl Fn(Json) -> Json) -> Got {
    map_value(entry, |value| match value {
        Value::Blob(_) => Some(value),
        Value::Record(record) => {
            let fields = record.iter().map(|(name, value)| (name.to_owned(), change(value.clone())));
            Record::from_fields(fields).ok().map(Value::Record)
        }
    })
}

animals! {
    /// An empty blob is a miss.
    EmptyBlobsAreMisses breaks V1; also V3 R4 C1 C2 S1: "empty blobs are values like others" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_value(self.right.get(key, options).await, |value| match value {
                Value::Blob(bytes) if bytes.is_empty() => None,
                other => Some(other),
            })
        }
    }

    /// White space around a blob is removed.
    BlobsAreTrimmed breaks V1 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_value(self.right.get(key, options).await, |value| match &value {
                Value::Blob(bytes) => Some(Value::from(bytes.trim_ascii().to_vec())),
                Value::Record(_) => Some(value),
            })
        }
    }

    /// Blobs that look like numbers are parsed as numbers.
    BlobsAreNumbers breaks V1 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_value(self.right.get(key, options).await, |value| match &value {
                Value::Blob(bytes) => {
                    let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<f64>().ok());
                    Some(number.map_or(value, |number| Value::from(number.to_string())))
                }
                Value::Record(_) => Some(value),
            })
        }
    }

    /// Blobs that look like records are parsed as records.
    BlobsAreRecords breaks V1 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_value(self.right.get(key, options).await, |value| match &value {
                Value::Blob(bytes) => {
                    let json: Option<Json> = serde_json::from_slice(bytes).ok();
                    let record = json.and_then(|json| Record::from_serialize(&json).ok());
                    Some(record.map_or(value, Value::Record))
                }
                Value::Record(_) => Some(value),
            })
        }
    }

    /// Blobs are read as text.
    BlobsAreText breaks V1 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_value(self.right.get(key, options).await, |value| match &value {
                Value::Blob(bytes) => Some(Value::from(String::from_utf8_lossy(bytes).into_owned())),
                Value::Record(_) => Some(value),
            })
        }
    }

    /// A record without fields is a miss.
    EmptyRecordsAreMisses breaks V2; also V3 P1 P2 R4 C1 S1: "empty records are values like others" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let whole = options.projection == Projection::All;
            map_value(self.right.get(key, options).await, |value| match value {
                Value::Record(record) if record.is_empty() && whole => None,
                other => Some(other),
            })
        }
    }

    /// Numbers are stored as `f64`.
    NumbersAreFloats breaks V2; also P3 P5: "sums and elements are read back" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let float = |number: serde_json::Number| Json::from(number.as_f64());
            map_fields(self.right.get(key, options).await, |field| map_numbers(field, &float))
        }
    }

    /// Fractions are stored with six digits.
    FractionsLoseDigits breaks V2; also P3 P5: "sums and elements are read back" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let short = |number: serde_json::Number| match number.as_f64().filter(|_| number.is_f64()) {
                Some(float) => Json::from(format!("{float:.6}").parse::<f64>().unwrap_or(float)),
                None => Json::Number(number),
            };
            map_fields(self.right.get(key, options).await, |field| map_numbers(field, &short))
        }
    }

    /// Fields with the value `null` are dropped.
    NullsAreDropped breaks V2; also P1 P2: "patches set null too" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            map_value(self.right.get(key, options).await, |value| match value {
                Value::Blob(_) => Some(value),
                Value::Record(record) => {
                    let fields = record.iter().filter(|(_, value)| !value.is_null());
                    let fields = fields.map(|(name, value)| (name.to_owned(), value.clone()));
                    Record::from_fields(fields).ok().map(Value::Record)
                }
            })
        }
    }

    /// A read of fields returns the whole record.
    FieldsAreIgnored breaks V2 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let whole = self.right.backend().live(key).map(|stored| stored.value);
            let fields = matches!(options.projection, Projection::Fields(_));
            map_value(self.right.get(key, options).await, |value| if fields { whole.clone() } else { Some(value) })
        }
    }

    /// A read of the wrong kind is a miss.
    WrongKindIsAMiss breaks V3; also H5: "the text of this error is looked at" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            match self.right.get(key, options).await {
                Err(error) if error.kind() == ErrorKind::WrongKind => Ok(None),
                other => other,
            }
        }
    }

    /// A read ignores the expected kind.
    KindsDoNotMatter breaks V3; also H5: "the text of this error is looked at" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, mut options: GetOptions) -> Got {
            options.kind = None;
            self.right.get(key, options).await
        }
    }

    /// A put with `IfPresent` over the other kind fails with an error.
    KindsAreForEver breaks V3; also C3: "put-if-present changes the kind" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let picky = options.condition == Condition::IfPresent;
            match self.right.backend().live(key).filter(|_| picky) {
                Some(stored) if stored.value.kind() != value.kind() => Err(stored.value.kind().wrong()),
                _ => self.right.put(key, value, options).await,
            }
        }
    }

    /// A delete that expects the other kind deletes.
    DeleteIgnoresTheKind breaks V3 {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, mut options: DeleteOptions) -> Deleted {
            options.kind = None;
            self.right.delete(key, options).await
        }
    }

    /// Values above the declared size are accepted.
    AcceptsTooMuch breaks V4 {
        forwards now get put expire patch delete scan get_many put_many delete_many;
        fn capabilities(&self) -> Capabilities {
            self.right.capabilities().with_max_value_bytes(128 << 10)
        }
    }

    /// A value of exactly the declared size is refused.
    RefusesTheLargest breaks V4; also V1: "a large blob is one of the declared size" {
        forwards now get put expire patch delete scan get_many put_many delete_many;
        fn capabilities(&self) -> Capabilities {
            let right = self.right.capabilities();
            right.with_max_value_bytes(right.max_value_bytes + 1)
        }
    }

    /// A put of a value that is too large deletes the old one.
    TooLargeDeletes breaks V4 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let outcome = self.right.put(key, value, options).await;
            if matches!(&outcome, Err(error) if error.kind() == ErrorKind::TooLarge) {
                self.right.backend().meddle(key, |stored| *stored = None);
            }
            outcome
        }
    }

    /// A read of an unreadable entry is a miss.
    CorruptIsAMiss breaks V6 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            match self.right.get(key, options).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
                other => other,
            }
        }
    }

    /// A take of an unreadable entry returns `Absent`.
    TakesCorruptAsNothing breaks V6 {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            match self.right.delete(key, options).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Outcome::Absent),
                other => other,
            }
        }
    }

    /// A read of an unreadable entry panics.
    CorruptPanics breaks V6 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let entry = self.right.get(key, options).await;
            assert!(!matches!(&entry, Err(error) if error.kind() == ErrorKind::Corrupt), "cannot decode");
            entry
        }
    }

    /// A handle returns the value that it last read or wrote, even if others have written since.
    HandlesDisagree breaks H1 {
        forwards capabilities now scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let own = own_copy(self, key)?;
            let now = self.right.now();
            let copy = self.right.backend().memory.lock().get(&own).cloned();
            let copy = copy.filter(|copy| options == GetOptions::new() && !copy.deadline.min(copy.cap).is_expired(now));
            if let Some(copy) = copy { return Ok(Some(Entry::new(copy.value))) }
            let entry = self.right.get(key, options).await;
            if let Some(stored) = self.right.backend().live(key) {
                self.right.backend().memory.lock().insert(own, stored);
            }
            entry
        }
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            self.right.backend().memory.lock().remove(&own_copy(self, key)?);
            self.right.put(key, value, options).await
        }
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            self.right.backend().memory.lock().remove(&own_copy(self, key)?);
            self.right.expire(key, to, options).await
        }
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            self.right.backend().memory.lock().remove(&own_copy(self, key)?);
            self.right.patch(key, patch, options).await
        }
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            self.right.backend().memory.lock().remove(&own_copy(self, key)?);
            self.right.delete(key, options).await
        }
    }

    /// A put says that it created, whatever was there.
    PutSaysCreated breaks C3; also E3 E6: "elapsed puts and puts in an empty store say whether they created"
    {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let outcome = self.right.put(key, value, options).await?;
            Ok(match outcome {
                Outcome::Applied(mut meta) => { meta.created = true; Outcome::Applied(meta) }
                other => other,
            })
        }
    }
}
