//! Formats: the stored forms of a collection's values. One type for each kind of collection.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as JsonValue;
use ttl_core::codec::{Codec, ReadBack, cannot_read_back};
use ttl_core::{Error, ErrorKind, Kind, Record, Result, Value};

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// The stored form of values of type `T` in a [`Collection`](crate::Collection). Sealed: implement a
/// [`Codec`] for a custom encoding.
pub trait Format<T>: sealed::Sealed + Send + Sync {
    /// The kind of every entry.
    #[doc(hidden)]
    const KIND: Kind;

    /// Whether the collection requires a store that supports patches.
    #[doc(hidden)]
    const NEEDS_PATCH: bool;

    /// Returns whether [`Format::decode`] can fail on an entry of this kind.
    #[doc(hidden)]
    fn can_fail(&self) -> bool {
        true
    }

    #[doc(hidden)]
    fn encode(&self, value: &T) -> Result<Value>;

    #[doc(hidden)]
    fn decode(&self, value: Value) -> Result<T>;
}

/// The format of [`Records`](crate::Records): a struct or a map becomes a record, field by field, by serde.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AsRecord;

impl sealed::Sealed for AsRecord {}

impl<T: Serialize + DeserializeOwned> Format<T> for AsRecord {
    const KIND: Kind = Kind::Record;
    const NEEDS_PATCH: bool = false;

    fn encode(&self, value: &T) -> Result<Value> {
        let (record, read_back) = Record::from_serialize_checked(value)?;
        if read_back == ReadBack::Uncertain {
            record.deserialize::<T>().map_err(|error| cannot_read_back::<T>(&error))?;
        }
        Ok(Value::Record(record))
    }

    fn decode(&self, value: Value) -> Result<T> {
        value.into_record()?.deserialize()
    }
}

/// The format of [`Blobs`](crate::Blobs): a value becomes one blob, by a [`Codec`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsBlob<C>(pub(crate) C);

impl<C> sealed::Sealed for AsBlob<C> {}

impl<T, C: Codec<T>> Format<T> for AsBlob<C> {
    const KIND: Kind = Kind::Blob;
    const NEEDS_PATCH: bool = false;

    fn can_fail(&self) -> bool {
        self.0.can_fail()
    }

    fn encode(&self, value: &T) -> Result<Value> {
        self.0.encode(value).map(Value::Blob)
    }

    fn decode(&self, value: Value) -> Result<T> {
        self.0.decode(value.into_blob()?)
    }
}

/// The format of [`Counters`](crate::Counters): a number becomes a record of one field, so that it can be
/// added to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AsCount;

impl AsCount {
    /// The field that holds the number.
    pub(crate) const FIELD: &'static str = "count";

    pub(crate) fn number(record: &Record) -> Result<i64> {
        record.get(Self::FIELD).and_then(JsonValue::as_i64).ok_or_else(|| {
            Error::new(
                ErrorKind::Codec,
                "the stored entry is not a counter; read it as the type that wrote it, or delete it",
            )
        })
    }
}

impl sealed::Sealed for AsCount {}

impl Format<i64> for AsCount {
    const KIND: Kind = Kind::Record;
    const NEEDS_PATCH: bool = true;

    fn encode(&self, value: &i64) -> Result<Value> {
        Record::new().try_with(Self::FIELD, value).map(Value::Record)
    }

    fn decode(&self, value: Value) -> Result<i64> {
        Self::number(&value.into_record()?)
    }
}
