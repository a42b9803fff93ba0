//! The compression methods, and their bytes in an envelope.

use ttl_core::{Error, ErrorKind, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// The bytes themselves, of a blob that begins like an envelope.
    Stored,
    Gzip,
    Zstd,
}

impl Method {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Gzip => 1,
            Self::Zstd => 2,
        }
    }

    /// Returns the method of an envelope.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] for any other byte.
    pub(super) fn from_byte(byte: u8) -> Result<Self> {
        match byte {
            0 => Ok(Self::Stored),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Zstd),
            other => {
                let text = format!(
                    "the entry is compressed with the unknown method {other}: expected 0, 1 or 2; put it again, or \
                     delete it"
                );
                Err(Error::new(ErrorKind::Corrupt, text))
            }
        }
    }

    /// Returns the accepted levels; empty for [`Method::Stored`].
    pub(super) const fn levels(self) -> std::ops::RangeInclusive<i32> {
        match self {
            Self::Stored => 0..=0,
            Self::Gzip => 0..=9,
            Self::Zstd => 1..=22,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_pinned() {
        for (method, byte) in [(Method::Stored, 0), (Method::Gzip, 1), (Method::Zstd, 2)] {
            assert_eq!((method.byte(), Method::from_byte(byte).unwrap()), (byte, method));
        }
        for byte in [3, 255] {
            let error = Method::from_byte(byte).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains(&byte.to_string()), "{error}");
        }
    }
}
