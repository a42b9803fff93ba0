//! The context of an error: operation, backend and key.

use crate::{Error, Key, Result};

/// Adds the operation, the backend and the key to errors.
///
/// ```
/// use ttl_core::driver::Context;
/// use ttl_core::{Error, ErrorKind, Key, Result};
///
/// const CONTEXT: Context = Context::new("files");
///
/// let failed: Result<()> = Err(Error::new(ErrorKind::Unavailable, "the disk is not mounted"));
/// let error = CONTEXT.with_key("get", &Key::new("user:1")?, failed).unwrap_err();
/// assert_eq!((error.operation(), error.backend()), (Some("get"), Some("files")));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    backend: &'static str,
}

impl Context {
    /// Creates a context for the errors of this backend.
    #[must_use]
    pub const fn new(backend: &'static str) -> Self {
        Self { backend }
    }

    /// Adds the operation, the backend and the key to the error of `result`.
    ///
    /// # Errors
    /// The error of `result`.
    pub fn with_key<T>(&self, operation: &'static str, key: &Key, result: Result<T>) -> Result<T> {
        result.map_err(|error| self.error(operation, key, error))
    }

    /// Adds the operation, the backend and the key to an error that is not returned, such as that of a
    /// refresh (R9).
    #[must_use]
    pub fn error(&self, operation: &'static str, key: &Key, error: Error) -> Error {
        self.add(operation, error).with_key(key)
    }

    /// Adds the operation, the backend and the keys to the errors of a batch, whose results have the order of
    /// `keys`.
    pub fn with_keys<'a, T>(
        &self,
        operation: &'static str,
        keys: impl IntoIterator<Item = &'a Key>,
        results: impl IntoIterator<Item = Result<T>>,
    ) -> Vec<Result<T>> {
        results.into_iter().zip(keys).map(|(result, key)| self.with_key(operation, key, result)).collect()
    }

    /// Adds the operation and the backend to the error of `result`, which concerns no single key.
    ///
    /// # Errors
    /// The error of `result`.
    pub fn without_key<T>(&self, operation: &'static str, result: Result<T>) -> Result<T> {
        result.map_err(|error| self.add(operation, error))
    }

    fn add(&self, operation: &'static str, error: Error) -> Error {
        error.with_operation(operation).with_backend(self.backend)
    }
}
