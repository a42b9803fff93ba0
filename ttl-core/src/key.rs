//! Keys, validated on creation, so that drivers need no checks.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorKind, Result};

/// The name of an entry: UTF-8, 1 to 1024 bytes, any character (K1).
///
/// A key is validated once; drivers receive a `&Key` and need no checks. NUL, spaces, glob characters and
/// text that looks like a number are ordinary characters. `Debug` prints only the length, because keys are
/// often secrets (session ids, reset tokens). `Display` prints the key.
///
/// ```
/// use ttl_core::Key;
///
/// let key = Key::new("session:5f0c")?;
/// assert_eq!(key.as_str(), "session:5f0c");
/// assert!(Key::new("").is_err());
/// assert!(Key::new("k".repeat(1025)).is_err());
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Box<str>);

impl Key {
    /// The maximum length of a key, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 1024;

    /// Creates a key after checking its length.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if it is empty or longer than [`Key::MAX_BYTES`].
    pub fn new(text: impl Into<Box<str>>) -> Result<Self> {
        let text = text.into();
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidKey,
                format!("expected 1 to {} bytes, found {}", Self::MAX_BYTES, text.len()),
            ));
        }
        Ok(Self(text))
    }

    /// Returns the key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key as bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Converts the key into its text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0.into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.0.len())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Key {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl TryFrom<String> for Key {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_in_bytes() {
        assert!(Key::new("k").is_ok());
        assert!(Key::new("k".repeat(1024)).is_ok());
        assert_eq!(Key::new("k".repeat(1025)).unwrap_err().kind(), ErrorKind::InvalidKey);
        assert!(Key::new("é".repeat(512)).is_ok());
        assert!(Key::new("é".repeat(513)).is_err());
        assert!(Key::new("\0").is_ok());
    }
}
