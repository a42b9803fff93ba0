//! Scan cursors: opaque, checked, bound to the scan that made them.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// Where a scan goes on: opaque text that can be kept and handed back later, to the same store with the same
/// prefix.
///
/// A cursor that was damaged, or that is of another store or prefix, is refused with
/// [`ErrorKind::InvalidCursor`] (S3). It is checked, not signed: keep it away from people who may not choose where
/// a scan goes on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// Seals a driver's position. The scope says which scan it belongs to: backend, store and prefix.
    #[must_use]
    pub fn seal(scope: &[&str], position: &[u8]) -> Self {
        let mut bytes = check_sum(scope, position).to_be_bytes().to_vec();
        bytes.extend_from_slice(position);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The position that was sealed with this scope.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidCursor`] if it was another scope, or the cursor was damaged.
    pub fn open(&self, scope: &[&str]) -> Result<Vec<u8>> {
        let bad = || {
            Error::new(
                ErrorKind::InvalidCursor,
                "the cursor is damaged, or of another store or prefix; start the scan again without one",
            )
        };
        let mut bytes = URL_SAFE_NO_PAD.decode(&self.0).map_err(|_| bad())?;
        let position = bytes.split_off(bytes.len().min(4));
        if bytes != check_sum(scope, &position).to_be_bytes() {
            return Err(bad());
        }
        Ok(position)
    }

    /// The text, to be kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_sum(scope: &[&str], position: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in scope {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update(&part.len().to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(position);
    hasher.finalize()
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Cursor {
    type Err = std::convert::Infallible;

    /// Takes any text; the store that gets it checks it.
    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_in_its_scope_only() {
        let cursor = Cursor::seal(&["redis", "app:", "user:"], b"\0position");
        assert_eq!(cursor.open(&["redis", "app:", "user:"]).unwrap(), b"\0position");
        for scope in
            [&["redis", "app:", "use"][..], &["redis", "app", ":user:"], &["redis", "app:user:"], &[]]
        {
            assert_eq!(cursor.open(scope).unwrap_err().kind(), ErrorKind::InvalidCursor);
        }
    }

    #[test]
    fn damage_is_found() {
        let cursor = Cursor::seal(&["memory"], b"abc");
        for at in 0..cursor.as_str().len() {
            let mut text = cursor.as_str().as_bytes().to_vec();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            let damaged: Cursor = String::from_utf8(text).unwrap().parse().unwrap();
            assert!(damaged.open(&["memory"]).is_err());
        }
        for text in ["", "A", "not base64!", "AAAAAA"] {
            assert!(text.parse::<Cursor>().unwrap().open(&["memory"]).is_err(), "{text}");
        }
    }
}
