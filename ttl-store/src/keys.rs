//! `KeyPages`: the keys of a collection, or the plain ones, page by page.

use std::fmt;
use std::num::NonZeroUsize;

use ttl_core::{Cursor, DeleteOptions, Projection, Result, Returning};

use crate::listing::Listing;
use crate::space::{Space, found};

/// Lists keys page by page. Nothing is sent before [`KeyPages::next_page`].
///
/// Every entry that is live throughout the listing appears, no expired one does (S1); whether a key can appear
/// twice, and in which order they come, is the driver's to say. The key of an entry that cannot be read appears too, so
/// that it can be found and deleted (S4). Nothing is refreshed. `Debug` prints neither the prefix nor the cursor's text. Whether a store can list at
/// all is in [`Capabilities::scan`](ttl_core::Capabilities::scan).
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

    /// Only keys that begin with this, literally (S2).
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.0.prefix = prefix.into();
        self
    }

    /// At most so many keys a page, instead of 100.
    pub fn with_limit(mut self, limit: NonZeroUsize) -> Self {
        self.0.limit = limit;
        self
    }

    /// Goes on where an earlier listing of the same place with the same prefix was.
    pub fn with_cursor(mut self, cursor: Cursor) -> Self {
        self.0.cursor = Some(cursor);
        self
    }

    /// Returns how many keys the rest of the listing has.
    ///
    /// Cost: a scan of the store, see [`TtlStore::scan`](ttl_core::TtlStore::scan). The number is of no single moment:
    /// entries that come or end meanwhile may count or not, and a key that a driver lists twice counts twice.
    ///
    /// # Errors
    /// As [`KeyPages::next_page`].
    pub async fn count(mut self) -> Result<u64> {
        let mut count = 0;
        while let Some(page) = self.next_page().await? {
            count += page.len() as u64;
        }
        Ok(count)
    }

    /// Deletes every entry of the rest of the listing, and returns how many live ones were deleted.
    ///
    /// What is live throughout the call is deleted, unreadable entries included; what others write meanwhile may stay.
    /// With [`KeyPages::with_prefix`] this deletes by prefix, without it clears a collection.
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
    /// As [`KeyPages::next_page`], and the first failure of a delete. What was deleted before it stays deleted; call
    /// again to go on.
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

    /// Where the next page starts, to be kept and handed to [`KeyPages::with_cursor`] later; `None` before the
    /// first page and after the last.
    #[must_use]
    pub const fn cursor(&self) -> Option<&Cursor> {
        self.0.cursor.as_ref()
    }

    /// The next page, or `None` after the last.
    ///
    /// A page of a collection is full unless it is the last one. A page of plain keys can be shorter where
    /// collections share the store, because their keys are passed over; it is never empty. After an error the
    /// same page can be asked for again.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) if the store cannot list its keys;
    /// [`ErrorKind::InvalidCursor`](ttl_core::ErrorKind::InvalidCursor) for a cursor from elsewhere (S3); the
    /// backend's failures.
    pub async fn next_page(&mut self) -> Result<Option<Vec<String>>> {
        let page = self.0.next(Projection::Nothing, Returning::empty()).await?;
        Ok(page.map(|page| page.into_iter().map(|(key, _)| key).collect()))
    }
}
