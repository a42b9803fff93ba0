//! Values: a blob of bytes, or a record of named JSON fields.

use std::fmt;

use bytes::Bytes;

use crate::options::Projection;
use crate::{Error, ErrorKind, Record, Result};

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bytes, stored unchanged.
    Blob,
    /// Named JSON fields, which can be read and patched individually.
    Record,
}

impl Kind {
    /// Creates the error of an operation that expected this kind and found the other (V3).
    #[must_use]
    pub fn wrong(self) -> Error {
        let message = match self {
            Self::Blob => "expected a blob, found a record; read it as a record, or delete it first",
            Self::Record => "expected a record, found a blob; read it whole, or delete it first",
        };
        Error::new(ErrorKind::WrongKind, message)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blob => "blob",
            Self::Record => "record",
        })
    }
}

/// The value stored under a key. Cloning is cheap, because both kinds share their content.
///
/// ```
/// use ttl_core::{Kind, Record, Value};
///
/// let page = Value::from("<html>");
/// assert_eq!(page.kind(), Kind::Blob);
/// let session: Value = Record::new().with("page", "/cart").into();
/// assert_eq!(session.kind(), Kind::Record);
/// ```
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Returned byte for byte; an empty blob is not an absent one (V1).
    Blob(Bytes),
    /// Returned as equal JSON, in normal form (V2).
    Record(Record),
}

impl Value {
    /// Returns the kind of the value.
    #[must_use]
    #[inline]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Blob(_) => Kind::Blob,
            Self::Record(_) => Kind::Record,
        }
    }

    /// Returns the bytes of a blob.
    ///
    /// # Errors
    /// [`ErrorKind::WrongKind`] for a record.
    pub fn into_blob(self) -> Result<Bytes> {
        match self {
            Self::Blob(bytes) => Ok(bytes),
            Self::Record(_) => Err(Kind::Blob.wrong()),
        }
    }

    /// Returns the fields of a record.
    ///
    /// # Errors
    /// [`ErrorKind::WrongKind`] for a blob.
    pub fn into_record(self) -> Result<Record> {
        match self {
            Self::Record(record) => Ok(record),
            Self::Blob(_) => Err(Kind::Record.wrong()),
        }
    }

    /// Returns the requested part. `None` for [`Projection::Nothing`], and for fields of a blob, which has
    /// none.
    #[must_use]
    pub fn project(&self, projection: &Projection) -> Option<Self> {
        match (projection, self) {
            (Projection::All, value) => Some(value.clone()),
            (Projection::Fields(names), Self::Record(record)) => Some(record.project(names).into()),
            (Projection::Fields(_), Self::Blob(_)) | (Projection::Nothing, _) => None,
        }
    }

    /// Returns the size that [`Capabilities::max_value_bytes`](crate::Capabilities::max_value_bytes) limits:
    /// the length of a blob, or of a record's canonical text. Counting the latter costs one serialization.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Blob(bytes) => bytes.len(),
            Self::Record(record) => record.to_json_text().len(),
        }
    }
}

impl fmt::Debug for Value {
    /// Prints only the length of a blob, because stored values may be secret or long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(bytes) => write!(f, "Blob({} bytes)", bytes.len()),
            Self::Record(record) => record.fmt(f),
        }
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Blob(bytes)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(bytes.into())
    }
}

impl From<&'static [u8]> for Value {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Blob(Bytes::from_static(bytes))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Blob(text.into())
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Blob(Bytes::from_static(text.as_bytes()))
    }
}

impl From<Record> for Value {
    fn from(record: Record) -> Self {
        Self::Record(record)
    }
}
