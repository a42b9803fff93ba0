//! Errors of codecs, without the content of values.

use super::Misfit;
use crate::{Error, ErrorKind};

/// Returns the error for a value that a codec cannot encode. `form` is the name of the encoding, such as "JSON".
#[must_use]
pub fn cannot_encode<T>(form: &str) -> Error {
    Error::new(ErrorKind::Codec, format!("cannot encode a {} as {form}", std::any::type_name::<T>()))
}

/// Returns the error for bytes that a codec cannot decode. `form` is the name of the encoding, such as "JSON".
#[must_use]
pub fn cannot_decode<T>(form: &str) -> Error {
    let name = std::any::type_name::<T>();
    Error::new(
        ErrorKind::Codec,
        format!(
            "the stored entry is not the {form} of a {name}; read it as the type that wrote it, or delete it"
        ),
    )
}

/// Returns the error for a value that its type cannot read back, although it can be encoded. `error` is the reason.
#[must_use]
pub fn cannot_read_back<T>(error: &Error) -> Error {
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
