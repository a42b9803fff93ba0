//! Scan: full pages, however many keys SCAN returns at a time.

use std::collections::{HashSet, VecDeque};

use redis::Value as Reply;
use ttl_core::{Cursor, Error, ErrorKind, GetOptions, Key, Page, PageItem, Result, ScanOptions};

use crate::codec::{self, bulk};
use crate::error::{Decoded, Fault};
use crate::get::Get;
use crate::store::Inner;

/// The minimum and the maximum COUNT of a SCAN, which is one round trip.
const LEAST: usize = 16;
const MOST: usize = 4096;

/// The position of a scan: the cursor of SCAN, and the keys that SCAN returned but that no page contains yet.
#[derive(Debug, Default, PartialEq)]
struct Position {
    /// `None` before the start and after the end.
    cursor: Option<u64>,
    /// Keys without the namespace.
    left: VecDeque<String>,
}

impl Inner {
    pub(crate) async fn scan_page(&self, options: &ScanOptions) -> Result<Page> {
        self.capabilities.check_scan(options)?;
        // A cursor of SCAN is invalid on another server, and on this one after a restart.
        self.link.reprobe(options.cursor.is_some()).await?;
        let run_id = self.run_id();
        let scope = [crate::BACKEND, &run_id, &self.prefix, &options.prefix];
        let mut position = match &options.cursor {
            Some(cursor) => Position::decode(&cursor.open(&self.cursor_secret, &scope)?, &options.prefix)?,
            None => Position { cursor: Some(0), left: VecDeque::new() },
        };
        let limit = options.limit.get();
        let pattern = glob(&self.prefix, &options.prefix);
        let (mut items, mut seen) = (Vec::new(), HashSet::new());
        let mut wider = 1;
        // Continues until the page is full and it is known whether another page follows.
        loop {
            while items.len() < limit && !position.left.is_empty() {
                let batch = position.left.len().min(limit - items.len());
                let keys: Vec<String> =
                    position.left.drain(..batch).filter(|key| seen.insert(key.clone())).collect();
                self.items(keys, options, &mut items).await?;
            }
            let (Some(cursor), true) = (position.cursor, position.left.is_empty()) else { break };
            let count = (count(limit - items.len()) * wider).min(MOST);
            let (next, keys) = self.scan_step(cursor, &pattern, count).await?;
            if self.run_id() != run_id {
                return Err(restarted());
            }
            // If few keys match, more of them are examined at a time.
            wider = if keys.is_empty() { (wider * 2).min(MOST) } else { 1 };
            position.cursor = Some(next).filter(|next| *next != 0);
            position.left.extend(keys.into_iter().filter(|key| !seen.contains(key)));
        }
        let more = !position.left.is_empty();
        Ok(Page::new(items, more.then(|| Cursor::seal(&self.cursor_secret, &scope, &position.encode()))))
    }

    fn run_id(&self) -> String {
        self.link.facts().map(|facts| facts.run_id.clone()).unwrap_or_default()
    }

    async fn scan_step(&self, cursor: u64, pattern: &[u8], count: usize) -> Result<(u64, Vec<String>)> {
        let mut cmd = redis::cmd("SCAN");
        cmd.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(count);
        self.link.ask(&cmd, |reply| self.read_step(reply)).await
    }

    fn read_step(&self, reply: Reply) -> Decoded<(u64, Vec<String>)> {
        let mut parts = codec::array(reply)?.into_iter();
        let next = bulk(parts.next().unwrap_or_default())?.unwrap_or_default();
        let next = String::from_utf8(next).ok().and_then(|next| next.parse().ok());
        let mut keys = Vec::new();
        for key in codec::array(parts.next().unwrap_or_default())? {
            // A key that is not a valid `Key` is not the driver's.
            let key = bulk(key)?.and_then(|key| String::from_utf8(key).ok());
            let key = key.and_then(|key| key.strip_prefix(&self.prefix).map(str::to_owned));
            keys.extend(key.filter(|key| Key::new(key.as_str()).is_ok()));
        }
        Ok((next.ok_or(Fault::UnknownForm("SCAN"))?, keys))
    }

    /// Appends an item for each key whose entry is live or cannot be read.
    async fn items(&self, keys: Vec<String>, options: &ScanOptions, items: &mut Vec<PageItem>) -> Result<()> {
        let read =
            GetOptions::new().with_projection(options.projection.clone()).with_returning(options.returning);
        let mut valid = Vec::with_capacity(keys.len());
        for key in keys {
            valid.push(Key::new(key)?);
        }
        let gets: Vec<Get<'_>> =
            valid.iter().map(|key| Get { listed: true, ..self.get_request(key, &read) }).collect();
        let results = self.link.run_many(&gets).await;
        drop(gets);
        for (key, result) in valid.into_iter().zip(results) {
            match result {
                Ok(Some(entry)) => items.push(PageItem::new(key, Ok(entry))),
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    items.push(PageItem::new(key, Err(error)));
                }
                Err(error) => return Err(error.with_key(&key)),
            }
        }
        Ok(())
    }
}

fn restarted() -> Error {
    Error::new(ErrorKind::Unavailable, "the server restarted during the scan; start the scan again")
        .with_backend(crate::BACKEND)
}

/// Returns the COUNT of a SCAN if so many items are missing. SCAN may return a few more, and the surplus goes
/// into the cursor. So the count is rather too small, and the next SCAN gets the rest.
const fn count(missing: usize) -> usize {
    let count = missing - missing / 8;
    if count < LEAST {
        LEAST
    } else if count > MOST {
        MOST
    } else {
        count
    }
}

impl Position {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.cursor.is_some())];
        bytes.extend_from_slice(&self.cursor.unwrap_or_default().to_be_bytes());
        for key in &self.left {
            // At most 1024 bytes long.
            bytes.extend_from_slice(&(key.len() as u16).to_be_bytes());
            bytes.extend_from_slice(key.as_bytes());
        }
        bytes
    }

    /// Reads a position of the scan with this prefix.
    fn decode(bytes: &[u8], prefix: &str) -> Result<Self> {
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

/// Returns the glob pattern for keys that begin with these two, literally (S2).
fn glob(namespace: &str, prefix: &str) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(namespace.len() + prefix.len() + 1);
    for byte in namespace.bytes().chain(prefix.bytes()) {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^' | b'-') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_and_nonsense_does_not() {
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

    #[test]
    fn globs_are_literal() {
        assert_eq!(glob("app:", "a*b?[c]\\"), b"app:a\\*b\\?\\[c\\]\\\\*");
        assert_eq!(glob("app:", ""), b"app:*");
    }
}
