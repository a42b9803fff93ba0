//! `Listing`: a scan of a place, page by page; the base of `KeyPages` and `ItemPages`.

use std::fmt;
use std::num::NonZeroUsize;

use ttl_core::options::{Projection, Returning, ScanOptions};
use ttl_core::{Cursor, Entry, Result};

use crate::space::Space;

#[derive(Clone)]
pub(crate) struct Listing {
    pub(crate) space: Space,
    pub(crate) prefix: String,
    pub(crate) limit: NonZeroUsize,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) ended: bool,
}

impl Listing {
    pub(crate) fn new(space: Space) -> Self {
        Self { space, prefix: String::new(), limit: ScanOptions::DEFAULT_LIMIT, cursor: None, ended: false }
    }

    /// Returns the next page that has a key of this place, or `None` after the last. After an error, the same
    /// page can be requested again.
    pub(crate) async fn next(
        &mut self,
        projection: Projection,
        returning: Returning,
    ) -> Result<Option<Vec<(String, Result<Entry>)>>> {
        while !self.ended {
            let options = ScanOptions::new(self.space.place.prefix(&self.prefix))
                .with_limit(self.limit)
                .with_projection(projection.clone())
                .with_returning(returning)
                .with_cursor(self.cursor.clone());
            let page = self.space.driver.scan(options).await?;
            self.ended = page.next.is_none();
            self.cursor = page.next;
            let place = &self.space.place;
            let items: Vec<_> = page
                .items
                .into_iter()
                .filter_map(|item| place.open(&item.key).map(|key| (key, item.entry)))
                .collect();
            if !items.is_empty() {
                return Ok(Some(items));
            }
        }
        Ok(None)
    }

    /// Prints neither the prefix nor the cursor's text.
    pub(crate) fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("space", &self.space)
            .field("prefix_bytes", &self.prefix.len())
            .field("limit", &self.limit)
            .field("cursor", &self.cursor)
            .field("ended", &self.ended)
            .finish()
    }
}
