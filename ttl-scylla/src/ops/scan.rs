//! Scan: by token ranges, with the driver's own cursor. The servers skip ghosts.

use scylla::response::PagingState;
use std::ops::ControlFlow;
use ttl_core::{
    Cursor, Entry, Error, ErrorKind, Key, Page, PageItem, Projection, Result, Returning, ScanOptions,
};

use crate::layout::lifetime::now_column;
use crate::layout::row::Row;
use crate::ops::strict::get::selected;
use crate::ops::strict::write::Common;

/// The last key of a page, or nothing. Keys are ordered by token, and by their bytes if tokens are equal.
#[derive(Debug, PartialEq)]
struct Position {
    token: i64,
    key: String,
}

impl Position {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.token.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.key.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
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
    fn is_past(&self, token: i64, key: &str) -> bool {
        (token, key.as_bytes()) <= (self.token, self.key.as_bytes())
    }
}

impl Common {
    pub(crate) async fn scan(&self, options: &ScanOptions) -> Result<Page> {
        self.capabilities.check_scan(options)?;
        let scope = [crate::BACKEND, &self.table, &options.prefix];
        let mut after = match &options.cursor {
            Some(cursor) => Some(Position::decode(&cursor.open(&self.cursor_secret, &scope)?)?),
            None => None,
        };
        let limit = options.limit.get();
        let mut items = Vec::new();
        let mut range = Range::new(after.as_ref().map_or(i64::MIN, |after| after.token));
        while let Some((from, to)) = range.next() {
            match self.scan_range(from, to, options, &mut after, limit, &mut items).await {
                Ok(ControlFlow::Break(())) => {
                    let next = after.map(|after| Cursor::seal(&self.cursor_secret, &scope, &after.encode()));
                    return Ok(Page::new(items, next));
                }
                Ok(ControlFlow::Continue(())) => range.done(to),
                // Each timeout costs the caller a whole time limit, so the scan fails at the fifth in a row.
                Err((error, true)) if range.halve(if error.kind() == ErrorKind::Timeout { 4 } else { 1 }) => {
                }
                Err((error, _)) => return Err(error),
            }
        }
        Ok(Page::new(items, None))
    }

    /// Adds the live and the unreadable entries of a range of tokens that come after `after`, and updates
    /// `after`. Breaks once more entries are known to follow than the page holds.
    async fn scan_range(
        &self,
        from: i64,
        to: i64,
        options: &ScanOptions,
        after: &mut Option<Position>,
        limit: usize,
        items: &mut Vec<PageItem>,
    ) -> Result<ControlFlow<()>, (Error, bool)> {
        let whole = options.projection != Projection::Nothing;
        let statement = if whole { &self.reads.scan_rows } else { &self.reads.scan_heads };
        // Values may be large, so a request reads no more of them than fit into the page.
        let mut statement = statement.clone();
        let rows = limit.saturating_add(1).min(if whole { 100 } else { 1_000 });
        statement.set_page_size(i32::try_from(rows.max(10)).unwrap_or(i32::MAX));
        let mut state = PagingState::start();
        loop {
            // Entries that end while the page is read are skipped; entries that are live throughout are
            // included.
            let values = (from, to, now_column(self.now()));
            let (rows, next) = self.client.page(&statement, values, state).await?;
            let now = self.now();
            for mut row in rows {
                let (Some(token), Some(key)) = (row.token, row.take_key()) else { continue };
                if after.as_ref().is_some_and(|after| after.is_past(token, key.as_str())) {
                    continue;
                }
                if !key.as_str().starts_with(&options.prefix) {
                    continue;
                }
                let mut at = now;
                if !row.is_live(now) {
                    // Its deadline passed during the read, and may have been moved in time.
                    (at, row) = self.read(&key, whole).await.map_err(|error| (error, false))?;
                    if !row.is_live(at) {
                        continue;
                    }
                }
                if items.len() == limit {
                    return Ok(ControlFlow::Break(()));
                }
                let Some(header) = row.header(at).transpose() else { continue };
                let entry = header.and_then(|header| scanned(&mut row, &header, options));
                *after = Some(Position { token, key: key.as_str().to_owned() });
                items.push(PageItem::new(key, entry.map_err(|error| error.with_backend(crate::BACKEND))));
            }
            match next.into_paging_control_flow() {
                ControlFlow::Break(()) => return Ok(ControlFlow::Continue(())),
                ControlFlow::Continue(next) => state = next,
            }
        }
    }
}

fn scanned(row: &mut Row, header: &ttl_core::rules::Header, options: &ScanOptions) -> Result<Entry> {
    let value = selected(row, header.kind, &options.projection)?;
    let created_at = row.created_at(options.returning)?;
    Ok(Entry::new(value)
        .with_created_at(created_at)
        .with_deadline(options.returning.contains(Returning::DEADLINE).then_some(header.ends()))
        .with_version(options.returning.contains(Returning::VERSION).then_some(header.version)))
}

/// The ranges of tokens that a scan requests: the complete rest, unless that is too much for the servers.
struct Range {
    /// `None` when all ranges are done.
    from: Option<i64>,
    width: u64,
    halvings: u32,
}

/// The number of times a range is halved before the scan fails.
const MOST_HALVINGS: u32 = 16;

impl Range {
    const fn new(from: i64) -> Self {
        Self { from: Some(from), width: u64::MAX, halvings: 0 }
    }

    fn next(&self) -> Option<(i64, i64)> {
        self.from.map(|from| (from, from.saturating_add_unsigned(self.width)))
    }

    /// Continues after a range, with twice its width.
    fn done(&mut self, to: i64) {
        self.from = to.checked_add(1);
        self.halvings = self.halvings.saturating_sub(1);
        self.width = self.width.saturating_mul(2).saturating_add(1);
    }

    fn halve(&mut self, times: u32) -> bool {
        if self.halvings == MOST_HALVINGS {
            return false;
        }
        let times = times.min(MOST_HALVINGS - self.halvings);
        // The rest may be narrower than the width.
        if let Some(from) = self.from {
            self.width = self.width.min(i64::MAX.abs_diff(from));
        }
        self.width >>= times;
        self.halvings += times;
        true
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

    #[test]
    fn ranges_cover_every_token_once_however_often_they_are_halved() {
        let mut range = Range::new(i64::MIN);
        assert_eq!(range.next(), Some((i64::MIN, i64::MAX)));
        let (mut expected, mut halvings) = (Some(i64::MIN), 0);
        while let Some((from, to)) = range.next() {
            assert_eq!(Some(from), expected);
            assert!(from <= to);
            if halvings < 40 && range.halve(1 + halvings % 4) {
                halvings += 1;
                continue;
            }
            range.done(to);
            expected = to.checked_add(1);
        }
        assert_eq!((expected, halvings > MOST_HALVINGS), (None, true));
    }
}
