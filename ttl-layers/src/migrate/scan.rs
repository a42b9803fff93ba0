//! Scans: the old store first, then the new one.
//!
//! An entry that is live throughout the scan is listed, because entries only move from the old store to the new
//! one: an entry that has left the old store before the scan reached it is in the new one.

use std::num::NonZeroUsize;

use ttl_core::options::{Projection, ScanOptions};
use ttl_core::{Cursor, Error, ErrorKind, Page, PageItem, Result};

use super::bring::Pair;
use super::claim;

/// The part of a scan that a cursor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Old,
    New,
}

impl Pair {
    pub(super) async fn scan(&self, options: &ScanOptions) -> Result<Page> {
        let (mut part, mut cursor) = match &options.cursor {
            Some(cursor) => self.open(cursor, options)?,
            None => (Part::Old, None),
        };
        let mut items = Vec::new();
        while let Some(missing) = NonZeroUsize::new(options.limit.get().saturating_sub(items.len())) {
            let inner = inner(options, part).with_limit(missing).with_cursor(cursor);
            let page = match part {
                Part::Old => self.old.scan(inner).await?,
                Part::New => self.new.scan(inner).await?,
            };
            items.extend(page.items.into_iter().filter_map(|item| listed(item, options)));
            (part, cursor) = match (part, page.next) {
                (part, Some(next)) => (part, Some(next)),
                (Part::Old, None) => (Part::New, None),
                (Part::New, None) => return Ok(Page::new(items, None)),
            };
        }
        // The last page ends the scan, so another page must have an item (S1).
        let more = match (part, &cursor) {
            (Part::New, None) => {
                !self.new.scan(inner(options, part).with_limit(NonZeroUsize::MIN)).await?.items.is_empty()
            }
            _ => true,
        };
        Ok(Page::new(items, more.then(|| self.seal(part, cursor.as_ref(), options))))
    }
}

/// Returns the options of a scan of one store. Only a value shows whether an item is a claim.
fn inner(options: &ScanOptions, part: Part) -> ScanOptions {
    let projection = match part {
        Part::New if options.projection == Projection::Nothing => Projection::All,
        _ => options.projection.clone(),
    };
    ScanOptions::new(options.prefix.clone()).with_projection(projection).with_returning(options.returning)
}

/// Returns the item as the caller sees it; `None` for a claim.
fn listed(mut item: PageItem, options: &ScanOptions) -> Option<PageItem> {
    if let Ok(entry) = &mut item.entry {
        if entry.value.as_ref().is_some_and(claim::is_claim) {
            return None;
        }
        if options.projection == Projection::Nothing {
            entry.value = None;
        }
    }
    Some(item)
}

impl Pair {
    /// Binds the cursor of one store to the scan.
    fn seal(&self, part: Part, cursor: Option<&Cursor>, options: &ScanOptions) -> Cursor {
        let letter = match part {
            Part::Old => "o",
            Part::New => "n",
        };
        let position = [letter, cursor.map_or("", Cursor::as_str)].concat();
        Cursor::seal(&self.cursor_secret, &self.scope(options), position.as_bytes())
    }

    fn open(&self, cursor: &Cursor, options: &ScanOptions) -> Result<(Part, Option<Cursor>)> {
        let position = cursor.open(&self.cursor_secret, &self.scope(options))?;
        let invalid = || {
            Error::new(ErrorKind::InvalidCursor, "the cursor is invalid; restart the scan without a cursor")
        };
        let (letter, inner) = position.split_first().ok_or_else(invalid)?;
        let part = match letter {
            b'o' => Part::Old,
            b'n' => Part::New,
            _ => return Err(invalid()),
        };
        let inner = std::str::from_utf8(inner).map_err(|_| invalid())?;
        let inner = if inner.is_empty() { None } else { Some(inner.parse().map_err(|_| invalid())?) };
        Ok((part, inner))
    }

    /// Returns the scan to which a cursor is bound.
    fn scope<'a>(&self, options: &'a ScanOptions) -> [&'a str; 4] {
        ["migrate", self.old.capabilities().backend, self.new.capabilities().backend, &options.prefix]
    }
}
