//! Codecs: the encodings of blob collections.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ttl_core::codec::{Misfit, ReadBack};
use ttl_core::{Error, ErrorKind, Result};

/// Encodes values of one type as the bytes of a blob, and decodes them.
///
/// [`Json`], [`Raw`] and (with the feature `msgpack`) `MessagePack` come with the crate. A program can also
/// implement its own codec.
///
/// Both methods run outside of any I/O: a value is encoded before the request is sent and decoded after the
/// response has arrived. The type therefore needs to be neither `Send` nor `Sync`.
///
/// ```
/// use ttl_store::{Bytes, Codec, Error, ErrorKind, Result};
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
    /// [`ErrorKind::Codec`] if the value cannot be encoded. Nothing is sent then.
    fn encode(&self, value: &T) -> Result<Bytes>;

    /// Decodes a value.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] if the bytes are not a valid value of the type. The entry does not change.
    fn decode(&self, bytes: Bytes) -> Result<T>;

    /// Returns whether [`Codec::decode`] can fail. Defaults to `true`.
    ///
    /// A collection refreshes an entry only if it could decode the value (R1). If decoding never fails, a get
    /// that refreshes takes one request instead of two.
    fn can_fail(&self) -> bool {
        true
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
/// use ttl_store::{Codec, Json};
///
/// let bytes = Json.encode(&vec![1, 2, 3])?;
/// assert_eq!(bytes, "[1,2,3]");
/// let numbers: Vec<i32> = Json.decode(bytes)?;
/// assert_eq!(numbers, [1, 2, 3]);
/// # Ok::<(), ttl_store::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json;

impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    fn encode(&self, value: &T) -> Result<Bytes> {
        let read_back = ttl_core::codec::check_json(value)?;
        let bytes = serde_json::to_vec(value)
            .map(Bytes::from)
            .map_err(|error| no_form::<T>("JSON").with_source(Misfit::new(&error)))?;
        if read_back == ReadBack::Uncertain {
            Codec::<T>::decode(self, bytes.clone()).map_err(|error| unreadable::<T>(&error))?;
        }
        Ok(bytes)
    }

    fn decode(&self, bytes: Bytes) -> Result<T> {
        serde_json::from_slice(&bytes).map_err(|error| no_fit::<T>("JSON").with_source(Misfit::new(&error)))
    }
}

/// The identity codec: bytes are stored unchanged. For [`Bytes`], `Vec<u8>` and `String`.
///
/// ```
/// use ttl_store::{Codec, Raw};
///
/// let bytes = Raw.encode(&"ada".to_owned())?;
/// assert_eq!(bytes, "ada");
/// let name: String = Raw.decode(bytes)?;
/// assert_eq!(name, "ada");
/// # Ok::<(), ttl_store::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw;

impl Codec<Bytes> for Raw {
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
    fn encode(&self, value: &String) -> Result<Bytes> {
        Ok(Bytes::copy_from_slice(value.as_bytes()))
    }

    fn decode(&self, bytes: Bytes) -> Result<String> {
        // The message of the source contains no byte of the value.
        String::from_utf8(bytes.into())
            .map_err(|error| no_fit::<String>("UTF-8").with_source(error.utf8_error()))
    }
}

pub(crate) fn no_form<T>(form: &str) -> Error {
    Error::new(ErrorKind::Codec, format!("cannot encode a {} as {form}", std::any::type_name::<T>()))
}

pub(crate) fn no_fit<T>(form: &str) -> Error {
    let name = std::any::type_name::<T>();
    Error::new(
        ErrorKind::Codec,
        format!(
            "the stored entry is not the {form} of a {name}; read it as the type that wrote it, or delete it"
        ),
    )
}

/// Returns the error for a value that its type cannot read back.
pub(crate) fn unreadable<T>(error: &Error) -> Error {
    let refused = Error::new(
        ErrorKind::Codec,
        format!(
            "a {} cannot be read back: it holds map keys that are not text, or 128-bit integers, under `flatten` or a \
             tag; use text keys and smaller integers",
            std::any::type_name::<T>()
        ),
    );
    match std::error::Error::source(error) {
        Some(reason) => refused.with_source(Misfit::new(reason)),
        None => refused,
    }
}
