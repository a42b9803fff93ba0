//! Codecs: the encodings of blobs.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::errors::{cannot_decode, cannot_encode, cannot_read_back};
use super::{Misfit, ReadBack, check_json};
use crate::Result;

/// Encodes values of one type as the bytes of a blob, and decodes them.
///
/// [`Json`] and [`Raw`] come with this crate, and `MessagePack` with `ttl-store` (feature `msgpack`). A program
/// can also implement its own codec.
///
/// Both methods run outside of any I/O: a value is encoded before the request is sent and decoded after the
/// response has arrived. The type therefore needs to be neither `Send` nor `Sync`.
///
/// ```
/// use ttl_core::codec::Codec;
/// use ttl_core::{Bytes, Error, ErrorKind, Result};
///
/// /// Numbers as four bytes.
/// struct BigEndian;
///
/// impl Codec<u32> for BigEndian {
///     fn encode(&self, value: &u32) -> Result<Bytes> {
///         Ok(Bytes::copy_from_slice(&value.to_be_bytes()))
///     }
///
///     fn decode(&self, bytes: Bytes) -> Result<u32> {
///         let bytes = bytes[..].try_into().map_err(|_| Error::new(ErrorKind::Codec, "a number has four bytes"))?;
///         Ok(u32::from_be_bytes(bytes))
///     }
/// }
/// # assert_eq!(BigEndian.decode(BigEndian.encode(&7)?)?, 7);
/// # Ok::<(), Error>(())
/// ```
pub trait Codec<T>: Send + Sync {
    /// Encodes a value.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if the value cannot be encoded. Nothing is sent then.
    fn encode(&self, value: &T) -> Result<Bytes>;

    /// Decodes a value.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if the bytes are not a valid value of the type. The entry does not change.
    fn decode(&self, bytes: Bytes) -> Result<T>;

    /// Returns whether [`Codec::decode`] can fail. Defaults to `true`.
    ///
    /// A collection refreshes an entry only if it could decode the value (R1). If decoding never fails, a get
    /// that refreshes takes one request instead of two.
    fn can_fail(&self) -> bool {
        true
    }

    /// Returns the number that identifies this encoding in a cache. Defaults to 0, for an unnamed one.
    ///
    /// A cache treats a value with another number as absent instead of decoding it. The numbers below 1,024 are
    /// those of this project: 1 JSON, 2 raw bytes, 3 `MessagePack`. Choose a larger one for your own codec.
    fn id(&self) -> u32 {
        0
    }
}

/// The JSON codec: values as JSON text, by serde.
///
/// NaN and infinity are rejected, because JSON would turn them into `null`. More than 120 levels of nesting
/// are rejected too: an `Option` or a newtype is one level, a struct or tuple variant is two.
///
/// A value with map keys that are not text is decoded before it is stored, and rejected if the type cannot
/// read it. The reason is that serde loses the type of such a key under `flatten` or a tag.
///
/// ```
/// use ttl_core::codec::{Codec, Json};
///
/// let bytes = Json.encode(&vec![1, 2, 3])?;
/// assert_eq!(bytes, "[1,2,3]");
/// let numbers: Vec<i32> = Json.decode(bytes)?;
/// assert_eq!(numbers, [1, 2, 3]);
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json;

impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    fn id(&self) -> u32 {
        1
    }

    fn encode(&self, value: &T) -> Result<Bytes> {
        let read_back = check_json(value)?;
        let bytes = serde_json::to_vec(value)
            .map(Bytes::from)
            .map_err(|error| cannot_encode::<T>("JSON").with_source(Misfit::new(&error)))?;
        if read_back == ReadBack::Uncertain {
            Codec::<T>::decode(self, bytes.clone()).map_err(|error| cannot_read_back::<T>(&error))?;
        }
        Ok(bytes)
    }

    fn decode(&self, bytes: Bytes) -> Result<T> {
        serde_json::from_slice(&bytes)
            .map_err(|error| cannot_decode::<T>("JSON").with_source(Misfit::new(&error)))
    }
}

/// The identity codec: bytes are stored unchanged. For [`Bytes`], `Vec<u8>` and `String`.
///
/// ```
/// use ttl_core::codec::{Codec, Raw};
///
/// let bytes = Raw.encode(&"ada".to_owned())?;
/// assert_eq!(bytes, "ada");
/// let name: String = Raw.decode(bytes)?;
/// assert_eq!(name, "ada");
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw;

impl Codec<Bytes> for Raw {
    fn id(&self) -> u32 {
        2
    }

    fn encode(&self, value: &Bytes) -> Result<Bytes> {
        Ok(value.clone())
    }

    fn decode(&self, bytes: Bytes) -> Result<Bytes> {
        Ok(bytes)
    }

    fn can_fail(&self) -> bool {
        false
    }
}

impl Codec<Vec<u8>> for Raw {
    fn id(&self) -> u32 {
        2
    }

    fn encode(&self, value: &Vec<u8>) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value))
    }

    fn decode(&self, bytes: Bytes) -> Result<Vec<u8>> {
        Ok(bytes.into())
    }

    fn can_fail(&self) -> bool {
        false
    }
}

impl Codec<String> for Raw {
    fn id(&self) -> u32 {
        2
    }

    fn encode(&self, value: &String) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value.as_bytes()))
    }

    fn decode(&self, bytes: Bytes) -> Result<String> {
        // The message of the source contains no byte of the value.
        String::from_utf8(bytes.into())
            .map_err(|error| cannot_decode::<String>("UTF-8").with_source(error.utf8_error()))
    }
}
