//! Options of get and scan.

use std::fmt;
use std::num::NonZeroUsize;

#[cfg(doc)]
use crate::Lifespan;
use crate::options::{Projection, Refresh, Returning};
use crate::{Cursor, Kind};

/// Options of [`TtlStore::get`](crate::TtlStore::get).
///
/// ```
/// use ttl_core::options::{GetOptions, Refresh, Returning};
/// use ttl_core::{Kind, Ttl};
///
/// let sliding = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::minutes(30)));
/// let peek = GetOptions::nothing().with_returning(Returning::DEADLINE);
/// # let _ = (sliding, peek, Kind::Blob);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetOptions {
    /// The part of the value to read.
    pub projection: Projection,
    /// The expected kind. An entry of the other kind results in
    /// [`ErrorKind::WrongKind`](crate::ErrorKind::WrongKind).
    pub kind: Option<Kind>,
    /// The metadata to return.
    pub returning: Returning,
    /// Whether to return the cap (R10).
    pub cap: bool,
    /// The refresh of the deadline; `None` does not refresh it (a peek).
    pub refresh: Option<Refresh>,
}

impl GetOptions {
    /// Creates options that read the whole value, without metadata or refresh.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates options that only check whether the entry exists.
    #[must_use]
    pub fn nothing() -> Self {
        Self::new().with_projection(Projection::Nothing)
    }

    /// Sets the part of the value to read.
    #[must_use]
    pub fn with_projection(mut self, projection: Projection) -> Self {
        self.projection = projection;
        self
    }

    /// Sets the expected kind.
    #[must_use]
    pub const fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Sets the metadata to return.
    #[must_use]
    pub const fn with_returning(mut self, returning: Returning) -> Self {
        self.returning = returning;
        self
    }

    /// Requests the cap (R10), for example to copy the entry with [`Lifespan::with_cap`].
    ///
    /// Requires [`Capabilities::caps`](crate::Capabilities::caps). It costs nothing extra.
    #[must_use]
    pub const fn with_cap(mut self) -> Self {
        self.cap = true;
        self
    }

    /// Sets the refresh of the deadline; `None` does not refresh it.
    #[must_use]
    pub fn with_refresh(mut self, refresh: impl Into<Option<Refresh>>) -> Self {
        self.refresh = refresh.into();
        self
    }
}

/// Options of [`TtlStore::scan`](crate::TtlStore::scan).
///
/// ```
/// use ttl_core::options::ScanOptions;
/// use ttl_core::{Key, Result, TtlStore};
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
    /// The literal prefix of the keys (S2); empty for all keys.
    pub prefix: String,
    /// The number of entries on a page. Only the last page has fewer (S1).
    pub limit: NonZeroUsize,
    /// The position to continue at: the [`Page::next`](crate::Page::next) of the previous page.
    pub cursor: Option<Cursor>,
    /// The part of the values to read. If fields are selected, a blob is listed without a value.
    pub projection: Projection,
    /// The metadata to return.
    pub returning: Returning,
}

impl ScanOptions {
    /// The default number of entries on a page.
    pub const DEFAULT_LIMIT: NonZeroUsize = NonZeroUsize::new(100).unwrap();

    /// Creates options that list the keys with this prefix from the start, without values, 100 on a page.
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

    /// Sets the number of entries on a page.
    #[must_use]
    pub const fn with_limit(mut self, limit: NonZeroUsize) -> Self {
        self.limit = limit;
        self
    }

    /// Sets the position to continue at; `None` starts at the beginning.
    #[must_use]
    pub fn with_cursor(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.cursor = cursor.into();
        self
    }

    /// Sets the part of the values to read.
    #[must_use]
    pub fn with_projection(mut self, projection: Projection) -> Self {
        self.projection = projection;
        self
    }

    /// Sets the metadata to return.
    #[must_use]
    pub const fn with_returning(mut self, returning: Returning) -> Self {
        self.returning = returning;
        self
    }
}

/// Prints the length of the prefix instead of the prefix, because keys may be secret.
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
