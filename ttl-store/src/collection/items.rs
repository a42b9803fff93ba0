//! `ItemPages`: paged listings of the keys and values of a collection.

use std::fmt;
use std::num::NonZeroUsize;

use ttl_core::options::{Projection, Returning};
use ttl_core::{Cursor, Key, Result};

use super::Collection;
use crate::format::Format;
use crate::item::Item;
use crate::listing::Listing;

/// A paged listing of keys and values. Nothing is sent before [`ItemPages::next_page`].
///
/// The same entries appear as in [`KeyPages`](crate::KeyPages). Listing refreshes nothing. A value that
/// cannot be read or decoded is an error in its position, and the listing continues (S4).
///
/// ```
/// # use ttl_store::options::Returning;
/// # use ttl_store::Counters;
/// # async fn show(counters: Counters) -> ttl_store::Result<()> {
/// let mut pages = counters.items(Returning::DEADLINE).with_prefix("203.0.113.");
/// while let Some(page) = pages.next_page().await? {
///     for (key, item) in page {
///         let item = item?;
///         println!("{key}: {} until {:?}", item.value, item.deadline);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is listed before next_page is called"]
pub struct ItemPages<T, F> {
    collection: Collection<T, F>,
    listing: Listing,
    returning: Returning,
}

impl<T, F: Format<T>> Collection<T, F> {
    /// Lists the collection's keys and values, with this metadata, page by page. Refreshes nothing.
    ///
    /// Cost: a scan of the store, see [`TtlStore::scan`](ttl_core::TtlStore::scan), and the transfer of the
    /// listed values.
    pub fn items(&self, returning: Returning) -> ItemPages<T, F> {
        ItemPages { collection: self.clone(), listing: Listing::new(self.shared.space.clone()), returning }
    }
}

impl<T, F: Format<T>> ItemPages<T, F> {
    /// Sets the prefix: only keys that begin with it are listed. The prefix is literal text, not a pattern
    /// (S2).
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.listing.prefix = prefix.into();
        self
    }

    /// Sets the maximum number of items in a page. Defaults to 100. A page is held in memory as a whole.
    pub fn with_limit(mut self, limit: NonZeroUsize) -> Self {
        self.listing.limit = limit;
        self
    }

    /// Sets the cursor, to continue an earlier listing of the same collection with the same prefix, of keys
    /// or of items.
    pub fn with_cursor(mut self, cursor: Cursor) -> Self {
        self.listing.cursor = Some(cursor);
        self
    }

    /// Returns the position of the next page; `None` before the first page and after the last.
    #[must_use]
    pub const fn cursor(&self) -> Option<&Cursor> {
        self.listing.cursor.as_ref()
    }

    /// Returns the next page, or `None` after the last. After an error, the same page can be requested again.
    ///
    /// # Errors
    /// The errors of [`KeyPages::next_page`](crate::KeyPages::next_page). A single item fails with
    /// [`ErrorKind::Corrupt`](ttl_core::ErrorKind::Corrupt) or
    /// [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec).
    pub async fn next_page(&mut self) -> Result<Option<Vec<(String, Result<Item<T>>)>>> {
        let Some(page) = self.listing.next(Projection::All, self.returning).await? else { return Ok(None) };
        let item = |(name, entry): (String, Result<_>)| {
            let item = entry.and_then(|entry| {
                let key: Key = self.collection.key(&name)?;
                self.collection.item("scan", &key, entry)
            });
            (name, item)
        };
        Ok(Some(page.into_iter().map(item).collect()))
    }
}

impl<T, F> fmt::Debug for ItemPages<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.listing.debug("ItemPages", f)
    }
}
