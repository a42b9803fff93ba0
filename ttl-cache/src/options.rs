//! The options of a call.

use std::fmt;
use std::time::Duration;

use ttl_core::Result;

use crate::key::check_tag;
use crate::loaded::check_count;

/// The options of one call. Each replaces the setting of the cache, and works whether or not the cache has it.
///
/// ```
/// use std::time::Duration;
/// use ttl_cache::LoadOptions;
///
/// let options = LoadOptions::new().with_tags(["team:7"]).with_hard_timeout(Duration::from_secs(2));
/// # let _ = options;
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Tags of the value; see [`LoadOptions::with_tags`].
    pub tags: Vec<String>,
    /// See [`LoadOptions::with_soft_timeout`].
    pub soft_timeout: Option<Duration>,
    /// See [`LoadOptions::with_hard_timeout`].
    pub hard_timeout: Option<Duration>,
}

impl LoadOptions {
    /// Creates options that replace nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds tags to the value that this call loads. Their generations are read in the same batch as the entry.
    #[must_use]
    pub fn with_tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Sets how long this call waits for the refresh of a stale value.
    #[must_use]
    pub const fn with_soft_timeout(mut self, timeout: Duration) -> Self {
        self.soft_timeout = Some(timeout);
        self
    }

    /// Sets how long this call waits in all; see
    /// [`CacheBuilder::hard_timeout`](crate::CacheBuilder::hard_timeout).
    #[must_use]
    pub const fn with_hard_timeout(mut self, timeout: Duration) -> Self {
        self.hard_timeout = Some(timeout);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.tags.iter().try_for_each(|tag| check_tag(tag))?;
        check_count(self.tags.len())
    }
}

impl fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions")
            .field("tags", &self.tags.len())
            .field("soft_timeout", &self.soft_timeout)
            .field("hard_timeout", &self.hard_timeout)
            .finish()
    }
}
