//! Scan: by token ranges, with the driver's own cursor. The servers skip ghosts.

use std::ops::ControlFlow;

use scylla::response::PagingState;
use ttl_core::options::ScanOptions;
use ttl_core::{Cursor, ErrorKind, Page, PageItem, Result};

use super::entry::{entry, needs_value, selected};
use super::scan_position::Position;
use super::token_ranges::TokenRanges;
use crate::BACKEND;
use crate::connection::PageFailure;
use crate::inner::Inner;
use crate::layout::now_column;
use crate::wire::TokenRange;

pub(crate) async fn scan(inner: &Inner, options: &ScanOptions) -> Result<Page> {
    inner.capabilities.check_scan(options)?;
    let scope = [BACKEND, &inner.table, &options.prefix];
    let mut after = match &options.cursor {
        Some(cursor) => Some(Position::decode(&cursor.open(&inner.cursor_secret, &scope)?)?),
        None => None,
    };
    let mut items = Vec::new();
    let mut ranges = TokenRanges::new(after.as_ref().map_or(i64::MIN, |after| after.token));
    while let Some((first, last)) = ranges.next() {
        match scan_range(inner, first, last, options, &mut after, &mut items).await {
            Ok(ControlFlow::Break(())) => {
                let next = after.map(|after| Cursor::seal(&inner.cursor_secret, &scope, &after.encode()));
                return Ok(Page::new(items, next));
            }
            Ok(ControlFlow::Continue(())) => ranges.done(last),
            Err(failure) => {
                // Each timeout costs the caller a whole time limit, so the scan fails at the fifth in a row.
                let times = if failure.error.kind() == ErrorKind::Timeout { 4 } else { 1 };
                if !failure.range_too_large || !ranges.halve(times) {
                    return Err(failure.error);
                }
            }
        }
    }
    Ok(Page::new(items, None))
}

/// Adds the live and the unreadable entries of a range of tokens that come after `after`, and updates `after`.
/// Breaks once more entries are known to follow than the page holds.
async fn scan_range(
    inner: &Inner,
    first: i64,
    last: i64,
    options: &ScanOptions,
    after: &mut Option<Position>,
    items: &mut Vec<PageItem>,
) -> Result<ControlFlow<()>, PageFailure> {
    let (whole, limit) = (needs_value(&options.projection), options.limit.get());
    let mut statement = if whole { inner.reads.scan_rows.clone() } else { inner.reads.scan_heads.clone() };
    // Values may be large, so a request reads no more of them than fit into the page.
    let rows = limit.saturating_add(1).min(if whole { 100 } else { 1_000 });
    statement.set_page_size(i32::try_from(rows.max(10)).unwrap_or(i32::MAX));
    let mut state = PagingState::start();
    loop {
        // Entries that end while the page is read are skipped; entries that are live throughout are included.
        let binds = TokenRange { first, last, now: now_column(inner.now()) };
        let (rows, next) = inner.client.page(&statement, &binds, state).await?;
        let now = inner.now();
        for mut row in rows {
            let (Some(token), Some(key)) = (row.token, row.take_key()) else { continue };
            if after.as_ref().is_some_and(|after| after.is_past(token, key.as_str()))
                || !key.as_str().starts_with(&options.prefix)
            {
                continue;
            }
            let mut at = now;
            if !row.is_live(now) {
                // Its deadline passed during the read, and may have been moved in time.
                (at, row) = inner.read(&key, whole).await?;
                if !row.is_live(at) {
                    continue;
                }
            }
            if items.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            let Some(header) = row.header(at).transpose() else { continue };
            let listed = header.and_then(|header| {
                let value = selected(&mut row, header.kind, &options.projection)?;
                entry(&row, &header, value, header.ends(), options.returning)
            });
            *after = Some(Position { token, key: key.as_str().to_owned() });
            items.push(PageItem::new(key, listed.map_err(|error| error.with_backend(BACKEND))));
        }
        match next.into_paging_control_flow() {
            ControlFlow::Break(()) => return Ok(ControlFlow::Continue(())),
            ControlFlow::Continue(next) => state = next,
        }
    }
}
