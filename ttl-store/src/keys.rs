//! `KeyPages`: paged listings of the keys of a collection, or of plain keys.

use std::fmt;
use std::num::NonZeroUsize;

use ttl_core::options::{DeleteOptions, Projection, Returning};
use ttl_core::{Cursor, Result};

use crate::listing::Listing;
use crate::space::{Space, found};

/// A paged listing of keys. Nothing is sent before [`KeyPages::next_page`].
///
/// Every entry that is live throughout the listing appears, and no expired entry does (S1). The driver
/// decides on the order of the keys, and on whether a key can appear twice. The key of an unreadable entry
/// appears too, so that the entry can be found and deleted (S4). Listing refreshes nothing.
///
/// `Debug` prints neither the prefix nor the text of the cursor.
/// [`Capabilities::scan`](ttl_core::Capabilities::scan) says whether a store can list its keys.
///
/// ```
/// # use ttl_store::{Raw, Ttl};
/// # async fn show(store: ttl_store::Store) -> ttl_store::Result<()> {
/// # let pages = store.blobs::<String, _>("pages", Ttl::minutes(5), Raw).build()?;
/// let mut keys = pages.keys().with_prefix("blog/");
/// while let Some(page) = keys.next_page().await? {
///     for key in page {
///         println!("{key}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing is listed before next_page is called"]
pub struct KeyPages(Listing);

impl fmt::Debug for KeyPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug("KeyPages", f)
    }
}

impl KeyPages {
    pub(crate) fn new(space: Space) -> Self {
        Self(Listing::new(space))
    }

    /// Sets the prefix: only keys that begin with it are listed. The prefix is literal text, not a pattern
    /// (S2).
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.0.prefix = prefix.into();
        self
    }

    /// Sets the maximum number of keys in a page. Defaults to 100.
    pub fn with_limit(mut self, limit: NonZeroUsize) -> Self {
        self.0.limit = limit;
        self
    }

    /// Sets the cursor, to continue an earlier listing of the same keys with the same prefix.
    pub fn with_cursor(mut self, cursor: Cursor) -> Self {
        self.0.cursor = Some(cursor);
        self
    }

    /// Counts the keys of the rest of the listing.
    ///
    /// Cost: a scan of the store, see [`TtlStore::scan`](ttl_core::TtlStore::scan). The count is not a
    /// snapshot: entries that are created or expire meanwhile may be counted or not. A key that a driver
    /// lists twice counts twice.
    ///
    /// # Errors
    /// The errors of [`KeyPages::next_page`].
    pub async fn count(mut self) -> Result<u64> {
        let mut count = 0;
        while let Some(page) = self.next_page().await? {
            count += page.len() as u64;
        }
        Ok(count)
    }

    /// Deletes every entry of the rest of the listing, and returns the number of live entries that were
    /// deleted.
    ///
    /// Entries that are live throughout the call are deleted, unreadable entries included. Entries that
    /// others write meanwhile may remain. With [`KeyPages::with_prefix`] this deletes by prefix; without it,
    /// this clears a collection.
    ///
    /// Cost: a scan of the store, and a batch of deletes for each page.
    ///
    /// ```
    /// # use ttl_store::{Raw, Ttl};
    /// # async fn show(store: ttl_store::Store) -> ttl_store::Result<()> {
    /// # let pages = store.blobs::<String, _>("pages", Ttl::minutes(5), Raw).build()?;
    /// let deleted = pages.keys().with_prefix("blog/").delete_all().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`KeyPages::next_page`], and the first failure of a delete. Entries that were deleted
    /// before the error stay deleted; call again to continue.
    pub async fn delete_all(mut self) -> Result<u64> {
        let mut deleted = 0;
        while let Some(page) = self.next_page().await? {
            let space = &self.0.space;
            let keys = page.iter().map(|key| space.key(key)).collect::<Result<Vec<_>>>()?;
            for outcome in space.driver.delete_many(&keys, DeleteOptions::new()).await {
                deleted += u64::from(found(outcome?)?.is_some());
            }
        }
        Ok(deleted)
    }

    /// Returns the position of the next page, to be stored and passed to [`KeyPages::with_cursor`] later.
    /// `None` before the first page and after the last.
    #[must_use]
    pub const fn cursor(&self) -> Option<&Cursor> {
        self.0.cursor.as_ref()
    }

    /// Returns the next page, or `None` after the last.
    ///
    /// A page of a collection is full unless it is the last one. A page of plain keys can be shorter if
    /// collections share the store, because their keys are skipped; it is never empty. After an error, the
    /// same page can be requested again.
    ///
    /// # Errors
    /// * [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) if the store cannot list its keys.
    /// * [`ErrorKind::InvalidCursor`](ttl_core::ErrorKind::InvalidCursor) for a cursor of another listing
    ///   (S3).
    /// * The backend's failures.
    pub async fn next_page(&mut self) -> Result<Option<Vec<String>>> {
        let page = self.0.next(Projection::Nothing, Returning::empty()).await?;
        Ok(page.map(|page| page.into_iter().map(|(key, _)| key).collect()))
    }
}
