//! The position of a scan, which its cursor contains.

use std::collections::VecDeque;

use ttl_core::{Error, ErrorKind, Key, Result};

/// The position of a scan: the cursor of SCAN, and the keys that SCAN returned but that no page contains yet.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Position {
    /// `None` before the start and after the end.
    pub(crate) cursor: Option<u64>,
    /// Keys without the namespace.
    pub(crate) left: VecDeque<String>,
}

impl Position {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.cursor.is_some())];
        bytes.extend_from_slice(&self.cursor.unwrap_or_default().to_be_bytes());
        for key in &self.left {
            // At most 1024 bytes long.
            bytes.extend_from_slice(&(key.len() as u16).to_be_bytes());
            bytes.extend_from_slice(key.as_bytes());
        }
        bytes
    }

    /// Decodes a position of the scan with this prefix.
    pub(crate) fn decode(bytes: &[u8], prefix: &str) -> Result<Self> {
        Self::parse(bytes, prefix).ok_or_else(|| {
            Error::new(ErrorKind::InvalidCursor, "the cursor is invalid; start the scan again")
        })
    }

    fn parse(bytes: &[u8], prefix: &str) -> Option<Self> {
        let (running, rest) = bytes.split_first()?;
        let (cursor, mut rest) = rest.split_first_chunk::<8>()?;
        let cursor = (*running == 1).then(|| u64::from_be_bytes(*cursor));
        let mut left = VecDeque::new();
        while !rest.is_empty() {
            let (length, more) = rest.split_first_chunk::<2>()?;
            let (key, more) = more.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let key = String::from_utf8(key.to_vec()).ok()?;
            left.push_back(
                Some(key).filter(|key| key.starts_with(prefix) && Key::new(key.as_str()).is_ok())?,
            );
            rest = more;
        }
        Some(Self { cursor, left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_and_other_bytes_are_invalid() {
        let left = VecDeque::from(["a".to_owned(), "ä:\0".to_owned()]);
        for position in [
            Position { cursor: Some(u64::MAX), left: left.clone() },
            Position { cursor: None, left },
            Position { cursor: Some(0), left: VecDeque::new() },
        ] {
            assert_eq!(Position::decode(&position.encode(), "").unwrap(), position);
        }
        for bytes in [
            &b""[..],
            b"\x01",
            b"\x01\0\0\0\0\0\0\0\0\0",
            b"\x01\0\0\0\0\0\0\0\0\0\x05a",
            b"\x01\0\0\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(
                Position::decode(bytes, "").unwrap_err().kind(),
                ErrorKind::InvalidCursor,
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_position_stays_within_its_prefix() {
        let bytes =
            Position { cursor: None, left: VecDeque::from(["t1:a".to_owned(), "t2:b".to_owned()]) }.encode();
        assert!(Position::decode(&bytes, "t").is_ok());
        for prefix in ["t1:", "t2:", "t1:a"] {
            let error = Position::decode(&bytes, prefix).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCursor, "{prefix}");
        }
    }
}
