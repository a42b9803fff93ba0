//! The error of a load.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use ttl_core::Error;

/// The error that a loader returned. All callers that waited for the load share it.
pub type LoaderError = Arc<dyn StdError + Send + Sync>;

/// The reason why a cache has no value.
///
/// ```
/// use ttl_cache::CacheError;
///
/// let error = CacheError::Loader(std::sync::Arc::new(std::io::Error::other("no answer")));
/// assert_eq!(error.to_string(), "the loader of the cache failed");
/// assert!(error.loader_error::<std::io::Error>().is_some());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CacheError {
    /// The store failed: see [`ttl_core::ErrorKind`]. An outage of the store is one of these, unless
    /// [`OnOutage`](crate::OnOutage) allows another answer.
    Store(Error),
    /// The loader returned an error. It is the source of this one.
    Loader(LoaderError),
    /// The hard timeout of the call has passed. The load goes on.
    WaitTimeout,
    /// The load took longer than the load timeout of the cache, and was dropped.
    LoadTimeout,
    /// The loader panicked. The next call loads again.
    Panicked,
    /// The runtime that ran the load was shut down.
    Abandoned,
}

impl CacheError {
    /// Returns the error of the loader if it is of the type `E`. An error that the loader wrapped, such as one of
    /// the crate anyhow, has another type.
    #[must_use]
    pub fn loader_error<E: StdError + 'static>(&self) -> Option<&E> {
        match self {
            Self::Loader(error) => error.downcast_ref(),
            Self::Store(_) | Self::WaitTimeout | Self::LoadTimeout | Self::Panicked | Self::Abandoned => None,
        }
    }

    /// Returns the error of the store.
    #[must_use]
    pub fn store_error(&self) -> Option<&Error> {
        match self {
            Self::Store(error) => Some(error),
            Self::Loader(_) | Self::WaitTimeout | Self::LoadTimeout | Self::Panicked | Self::Abandoned => {
                None
            }
        }
    }
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Store(_) => "the store of the cache failed",
            Self::Loader(_) => "the loader of the cache failed",
            Self::WaitTimeout => "the call took longer than its hard timeout",
            Self::LoadTimeout => "the load took longer than the load timeout of the cache",
            Self::Panicked => "the loader of the cache panicked",
            Self::Abandoned => "the runtime that ran the load was shut down",
        })
    }
}

impl StdError for CacheError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Loader(error) => Some(&**error),
            Self::WaitTimeout | Self::LoadTimeout | Self::Panicked | Self::Abandoned => None,
        }
    }
}

impl From<Error> for CacheError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}
