//! The position of a scan, which a cursor contains.

use ttl_core::{Error, ErrorKind, Key, Result};

/// The last key of a page. Keys are ordered by token, and by their bytes if tokens are equal.
#[derive(Debug, PartialEq)]
pub(super) struct Position {
    pub(super) token: i64,
    pub(super) key: String,
}

impl Position {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.token.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.key.as_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let parse = || {
            let (token, key) = bytes.split_first_chunk::<8>()?;
            let key = String::from_utf8(key.to_vec()).ok().filter(|key| Key::new(key.as_str()).is_ok())?;
            Some(Self { token: i64::from_be_bytes(*token), key })
        };
        parse().ok_or_else(|| {
            Error::new(ErrorKind::InvalidCursor, "invalid cursor: it has no position; start the scan again")
        })
    }

    /// Returns whether a row was on an earlier page.
    pub(super) fn is_past(&self, token: i64, key: &str) -> bool {
        (token, key.as_bytes()) <= (self.token, self.key.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_and_nonsense_does_not() {
        for (token, key) in [(i64::MIN, "a"), (-1, "ä:\0"), (i64::MAX, "x")] {
            let position = Position { token, key: key.to_owned() };
            assert_eq!(Position::decode(&position.encode()).unwrap(), position);
        }
        for bytes in [&b""[..], b"1234567", b"12345678", b"12345678\xff"] {
            assert_eq!(Position::decode(bytes).unwrap_err().kind(), ErrorKind::InvalidCursor, "{bytes:?}");
        }
    }

    #[test]
    fn equal_tokens_go_by_key() {
        let position = Position { token: 5, key: "b".to_owned() };
        assert!(position.is_past(4, "z") && position.is_past(5, "a") && position.is_past(5, "b"));
        assert!(!position.is_past(5, "ba") && !position.is_past(6, "a"));
    }
}
