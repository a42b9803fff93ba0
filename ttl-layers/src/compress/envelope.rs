//! The envelope of a value: magic bytes, version, method, and the compressed bytes.

use ttl_core::{Error, ErrorKind, Result};

use super::method::Method;

/// The first bytes of an envelope. The first one never occurs in UTF-8.
pub(super) const MAGIC: [u8; 3] = [0xF5, b't', b'z'];

const VERSION: u8 = 1;

/// The size of everything before the compressed bytes.
pub(super) const HEADER_BYTES: usize = MAGIC.len() + 2;

/// Returns the envelope with these compressed bytes.
pub(super) fn wrap(method: Method, payload: &[u8]) -> Vec<u8> {
    let header = [MAGIC[0], MAGIC[1], MAGIC[2], VERSION, method.byte()];
    [&header[..], payload].concat()
}

/// Returns whether the bytes begin like an envelope.
pub(super) fn is_envelope(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Returns the method and the compressed bytes.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if the bytes are no envelope of a known version and method.
pub(super) fn unwrap(bytes: &[u8]) -> Result<(Method, &[u8])> {
    let corrupt = |problem: String| {
        let text =
            format!("the entry is not one of the layer Compress: {problem}; put it again, or delete it");
        Error::new(ErrorKind::Corrupt, text)
    };
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(corrupt(format!("expected at least {HEADER_BYTES} bytes, found {}", bytes.len())));
    };
    let [first, second, third, version, method] = *header;
    if [first, second, third] != MAGIC {
        return Err(corrupt("it does not begin with the bytes of an envelope".to_owned()));
    }
    if version != VERSION {
        return Err(corrupt(format!("expected version {VERSION} of the envelope, found {version}")));
    }
    let method = Method::from_byte(method)?;
    // Only such bytes need an envelope without compression. So no changed bit turns compressed bytes into a value.
    if method == Method::Stored && !is_envelope(payload) {
        return Err(corrupt("its bytes are stored although they need no envelope".to_owned()));
    }
    Ok((method, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_pinned() {
        assert_eq!(wrap(Method::Stored, b"\xF5tz"), b"\xF5tz\x01\x00\xF5tz");
        assert_eq!(wrap(Method::Gzip, b""), b"\xF5tz\x01\x01");
        assert_eq!(wrap(Method::Zstd, b"x"), b"\xF5tz\x01\x02x");
        assert_eq!(unwrap(b"\xF5tz\x01\x01abc").unwrap(), (Method::Gzip, &b"abc"[..]));
        assert_eq!(unwrap(b"\xF5tz\x01\x00\xF5tz!").unwrap(), (Method::Stored, &b"\xF5tz!"[..]));
    }

    #[test]
    fn other_bytes_are_corrupt() {
        for bytes in [
            &b""[..],
            b"\xF5tz",
            b"\xF5tz\x01",
            b"\xF5tz\x02\x01a",
            b"\xF5tz\x01\x03a",
            b"\xF5ty\x01\x01a",
            b"\xF5tz\x01\x00a",
        ] {
            assert_eq!(unwrap(bytes).unwrap_err().kind(), ErrorKind::Corrupt, "{bytes:?}");
        }
        assert!(is_envelope(b"\xF5tz") && !is_envelope(b"\xF5t") && !is_envelope(b"{}"));
    }
}
