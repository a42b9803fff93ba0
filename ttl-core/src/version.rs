//! Versions, which compare-and-swap operations compare.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorKind, Result};

/// An opaque token of an entry's value: equal versions mean equal values.
///
/// A change of the deadline alone keeps the version. A version may recur when the same value recurs;
/// [`Capabilities::unique_versions`](crate::Capabilities::unique_versions) says whether every write produces
/// a new one. Versions can be printed and parsed, so that an application can pass them to its clients (as an
/// `ETag`, say).
///
/// ```
/// use ttl_core::Version;
///
/// let version = Version::random();
/// assert_eq!(version.to_string().parse::<Version>()?, version);
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    len: u8,
    bytes: [u8; Self::MAX_BYTES],
}

impl Version {
    /// The maximum length of a token, in bytes.
    pub const MAX_BYTES: usize = 23;

    /// Creates a version from the bytes of a token, for drivers.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if the token is empty or longer than [`Version::MAX_BYTES`].
    pub fn from_bytes(token: &[u8]) -> Result<Self> {
        if token.is_empty() || token.len() > Self::MAX_BYTES {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("invalid version: expected 1 to {} bytes, found {}", Self::MAX_BYTES, token.len()),
            ));
        }
        let mut bytes = [0; Self::MAX_BYTES];
        bytes[..token.len()].copy_from_slice(token);
        // At most 23, as checked above.
        Ok(Self { len: token.len() as u8, bytes })
    }

    /// Creates a version from 16 random bytes, unique for all practical purposes.
    #[must_use]
    pub fn random() -> Self {
        Self::from_u128(rand::random())
    }

    /// Creates a version from a number, for drivers that count.
    #[must_use]
    #[inline]
    pub const fn from_u128(number: u128) -> Self {
        let token = number.to_be_bytes();
        let mut bytes = [0; Self::MAX_BYTES];
        let mut i = 0;
        while i < token.len() {
            bytes[i] = token[i];
            i += 1;
        }
        Self { len: 16, bytes }
    }

    /// Returns the bytes of the token.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({self})")
    }
}

impl FromStr for Version {
    type Err = Error;

    /// Parses the format that `Display` prints.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] for any other text.
    fn from_str(text: &str) -> Result<Self> {
        let bad =
            || Error::new(ErrorKind::Codec, format!("invalid version {text:?}: expected 2 to 46 hex digits"));
        if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let bytes: Result<Vec<u8>, _> =
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16)).collect();
        Self::from_bytes(&bytes.map_err(|_| bad())?).map_err(|_| bad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_nonsense_is_refused() {
        for len in 1..=Version::MAX_BYTES {
            let version = Version::from_bytes(&vec![0xa5; len]).unwrap();
            assert_eq!(version.to_string().parse::<Version>().unwrap(), version);
        }
        for text in ["", "a", "zz", "é", "+a", &"00".repeat(24)] {
            assert_eq!(text.parse::<Version>().unwrap_err().kind(), ErrorKind::Codec, "{text}");
        }
        assert_ne!(Version::random(), Version::random());
        assert_eq!(size_of::<Version>(), 24);
    }
}
