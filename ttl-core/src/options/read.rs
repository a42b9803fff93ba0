//! Options of get and scan.

use std::fmt;
use std::num::NonZeroUsize;

use crate::{Cursor, Kind, Projection, Refresh, Returning};

/// Options of [`TtlStore::get`](crate::TtlStore::get).
///
/// ```
/// use ttl_core::{GetOptions, Kind, Refresh, Ttl, Returning};
///
/// let sliding = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::minutes(30)));
/// let peek = GetOptions::nothing().with_returning(Returning::DEADLINE);
/// # let _ = (sliding, peek, Kind::Blob);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetOptions {
    /// Which part of the value to read.
    pub projection: Projection,
    /// The kind that the caller expects; the other one is [`ErrorKind::WrongKind`](crate::ErrorKind::WrongKind).
    pub kind: Option<Kind>,
    /// Which metadata to report.
    pub returning: Returning,
    /// How this read refreshes the deadline; `None`: not at all (a peek).
    pub refresh: Option<Refresh>,
}

impl GetOptions {
    /// The whole value, no metadata, no refresh.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only whether the entry is there.
    #[must_use]
    pub fn nothing() -> Self {
        Self::new().with_projection(Projection::Nothing)
    }

    /// Reads this part.
    #[must_use]
    pub fn with_projection(mut self, projection: Projection) -> Self {
        self.projection = projection;
        self
    }

    /// Expects this kind.
    #[must_use]
    pub const fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Reports this metadata.
    #[must_use]
    pub const fn with_returning(mut self, returning: Returning) -> Self {
        self.returning = returning;
        self
    }

    /// Refreshes the deadline, or does not.
    #[must_use]
    pub fn with_refresh(mut self, refresh: impl Into<Option<Refresh>>) -> Self {
        self.refresh = refresh.into();
        self
    }
}

/// Options of [`TtlStore::scan`](crate::TtlStore::scan).
///
/// ```
/// use ttl_core::{Key, Result, ScanOptions, TtlStore};
///
/// async fn keys(store: &dyn TtlStore, prefix: &str) -> Result<Vec<Key>> {
///     let (mut keys, mut options) = (Vec::new(), ScanOptions::new(prefix));
///     loop {
///         let page = store.scan(options.clone()).await?;
///         keys.extend(page.keys().cloned());
///         let Some(next) = page.next else { return Ok(keys) };
///         options = options.with_cursor(next);
///     }
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanOptions {
    /// What the keys begin with, literally (S2); empty for all.
    pub prefix: String,
    /// How many entries a page holds; only the last page holds fewer (S1).
    pub limit: NonZeroUsize,
    /// Where to go on: the [`Page::next`](crate::Page::next) of the page before.
    pub cursor: Option<Cursor>,
    /// Which part of the values to read. Entries of the other kind are listed without a value where fields are
    /// asked for.
    pub projection: Projection,
    /// Which metadata to report.
    pub returning: Returning,
}

impl ScanOptions {
    /// The entries a page holds, unless said otherwise.
    pub const DEFAULT_LIMIT: NonZeroUsize = NonZeroUsize::new(100).unwrap();

    /// The keys that begin with this, without their values, from the start, 100 a page.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            limit: Self::DEFAULT_LIMIT,
            cursor: None,
            projection: Projection::Nothing,
            returning: Returning::default(),
        }
    }

    /// With pages of so many entries.
    #[must_use]
    pub const fn with_limit(mut self, limit: NonZeroUsize) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on after a page.
    #[must_use]
    pub fn with_cursor(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.cursor = cursor.into();
        self
    }

    /// Reads this part of the values.
    #[must_use]
    pub fn with_projection(mut self, projection: Projection) -> Self {
        self.projection = projection;
        self
    }

    /// Reports this metadata.
    #[must_use]
    pub const fn with_returning(mut self, returning: Returning) -> Self {
        self.returning = returning;
        self
    }
}

/// Prints the length of the prefix instead of the prefix, which is a part of keys.
impl fmt::Debug for ScanOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScanOptions")
            .field("prefix_bytes", &self.prefix.len())
            .field("limit", &self.limit)
            .field("cursor", &self.cursor)
            .field("projection", &self.projection)
            .field("returning", &self.returning)
            .finish()
    }
}
