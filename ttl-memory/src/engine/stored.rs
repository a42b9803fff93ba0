//! The stored form of a value.

use bytes::Bytes;
use ttl_core::{Kind, Record, Value};

/// The maximum size of a blob that is kept in the allocation of its entry.
///
/// Every further allocation is a cache miss. With a million entries of 100 bytes, this saves a third of the time of
/// a get that reads the value, and of a put over an entry. A handle that copied the blob would have to read it, and
/// would take longer.
pub(crate) const SMALL: usize = 128;

/// The value of an entry.
pub(crate) enum Stored {
    /// A blob of this size, in the allocation of the entry.
    Small(u32),
    /// A larger blob. Boxed, because it would otherwise enlarge every entry.
    Large(Box<Bytes>),
    Record(Record),
}

/// Returns the blob if it is small.
#[inline]
pub(crate) fn small(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Blob(bytes) if bytes.len() <= SMALL => Some(bytes),
        Value::Blob(_) | Value::Record(_) => None,
    }
}

impl Stored {
    /// Takes a value over. Returns a small blob, whose bytes the caller has copied, so that it is dropped after the
    /// unlock.
    #[inline]
    pub(crate) fn new(value: Value) -> (Self, Option<Value>) {
        match value {
            Value::Blob(bytes) if bytes.len() <= SMALL => {
                (Self::Small(bytes.len() as u32), Some(Value::Blob(bytes)))
            }
            Value::Blob(bytes) => (Self::Large(Box::new(bytes)), None),
            Value::Record(record) => (Self::Record(record), None),
        }
    }

    /// Returns the size of a small blob.
    #[inline]
    pub(crate) fn small_len(&self) -> Option<usize> {
        match self {
            Self::Small(len) => Some(*len as usize),
            Self::Large(_) | Self::Record(_) => None,
        }
    }

    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Small(_) | Self::Large(_) => Kind::Blob,
            Self::Record(_) => Kind::Record,
        }
    }

    /// Returns the value without a copy; `None` for a small blob.
    pub(crate) fn into_value(self) -> Option<Value> {
        match self {
            Self::Small(_) => None,
            Self::Large(bytes) => Some(Value::Blob(*bytes)),
            Self::Record(record) => Some(Value::Record(record)),
        }
    }
}
