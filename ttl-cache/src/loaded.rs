//! What a loader receives and returns.

use std::fmt;
use std::sync::Arc;

use ttl_core::{Result, Ttl};

use crate::key::check_tag;

/// The maximum number of tags of a value.
pub(crate) const MAX_TAGS: usize = 64;

/// What a loader can use of the present state.
pub struct LoadContext<V> {
    pub(crate) stale: Option<Arc<V>>,
}

impl<V> LoadContext<V> {
    /// Returns the stale value that the load replaces, for a conditional request to the source. A loader that
    /// learns that it has not changed returns [`Loaded::not_modified`]. `None` if there is no value, or only
    /// an invalidated one.
    #[must_use]
    pub fn stale(&self) -> Option<&Arc<V>> {
        self.stale.as_ref()
    }
}

impl<V> fmt::Debug for LoadContext<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadContext").field("stale", &self.stale.is_some()).finish()
    }
}

/// A value and how to keep it. A loader that needs no settings returns the plain value.
///
/// ```
/// use ttl_cache::Loaded;
/// use ttl_core::Ttl;
///
/// let page = Loaded::new("<html>".to_owned()).with_ttl(Ttl::minutes(1)).with_tags(["author:7"]);
/// # let _: Loaded<String> = page;
/// ```
#[must_use]
pub struct Loaded<V> {
    pub(crate) content: LoadedContent<V>,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) fresh_for: Option<Ttl>,
    pub(crate) tags: Vec<String>,
    pub(crate) stored: bool,
}

pub(crate) enum LoadedContent<V> {
    Value(V),
    Absent,
    NotModified,
}

impl<V> Loaded<V> {
    /// Creates a loaded value with the settings of the cache.
    pub fn new(value: V) -> Self {
        Self::with_content(LoadedContent::Value(value))
    }

    /// Reports that the source has not changed: the stale value of [`LoadContext::stale`] begins a new
    /// lifetime. Without a stale value, the call fails with [`CacheError::Loader`](crate::CacheError::Loader).
    pub fn not_modified() -> Self {
        Self::with_content(LoadedContent::NotModified)
    }

    pub(crate) fn absent() -> Self {
        Self::with_content(LoadedContent::Absent)
    }

    fn with_content(content: LoadedContent<V>) -> Self {
        Self { content, ttl: None, fresh_for: None, tags: Vec::new(), stored: true }
    }

    /// Sets the lifetime, counted from the beginning of the load. Defaults to the TTL of the cache.
    pub fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets the time after which the value is stale, counted from the beginning of the load. Defaults to that
    /// of the cache. A time that is not shorter than the TTL means that the value is never stale.
    pub fn with_fresh_for(mut self, fresh_for: Ttl) -> Self {
        self.fresh_for = Some(fresh_for);
        self
    }

    /// Adds tags, beside those of the call.
    ///
    /// A tag must be known before the load begins, because an invalidation during the load must not be missed.
    /// So a value whose tags were unknown is returned and not stored. Only its tags are, and the next call
    /// loads again and stores the value. Tags of the call
    /// ([`LoadOptions::with_tags`](crate::LoadOptions::with_tags)) and of a stale value are known.
    pub fn with_tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Returns the value to the callers that wait for it, and does not store it.
    pub fn without_storing(mut self) -> Self {
        self.stored = false;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.tags.iter().try_for_each(|tag| check_tag(tag))?;
        check_count(self.tags.len())
    }
}

/// Checks the number of tags of a call or of a value.
pub(crate) fn check_count(tags: usize) -> Result<()> {
    if tags > MAX_TAGS {
        return Err(ttl_core::Error::new(
            ttl_core::ErrorKind::InvalidKey,
            format!("a value of a cache has {tags} tags: expected at most {MAX_TAGS}"),
        ));
    }
    Ok(())
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::new(value)
    }
}

impl<V> fmt::Debug for Loaded<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("ttl", &self.ttl)
            .field("fresh_for", &self.fresh_for)
            .field("tags", &self.tags.len())
            .field("stored", &self.stored)
            .finish_non_exhaustive()
    }
}
