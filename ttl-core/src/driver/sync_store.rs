//! The synchronous form of a store that never waits.

use crate::options::{DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions};
use crate::results::{ExpireResult, PatchResult, PutResult};
use crate::{Entry, Key, Outcome, Patch, Result, Value};

/// The operations of a store that never waits, as ordinary functions. Returned by
/// [`TtlStore::as_sync`](crate::TtlStore::as_sync).
///
/// Each method does the same as the method of [`TtlStore`](crate::TtlStore) with its name, and returns the same
/// errors. It needs no future, which is a quarter of the instructions of a get from memory.
///
/// The trait is not at the root of the crate, because its methods have the names of those of
/// [`TtlStore`](crate::TtlStore), and both would be in scope for a concrete store.
pub trait SyncStore: Send + Sync {
    /// Reads an entry, as [`TtlStore::get`](crate::TtlStore::get) does.
    ///
    /// # Errors
    /// The errors of [`TtlStore::get`](crate::TtlStore::get).
    fn get(&self, key: &Key, options: &GetOptions) -> Result<Option<Entry>>;

    /// Stores a value, as [`TtlStore::put`](crate::TtlStore::put) does.
    ///
    /// # Errors
    /// The errors of [`TtlStore::put`](crate::TtlStore::put).
    fn put(&self, key: &Key, value: Value, options: &PutOptions) -> Result<Outcome<PutResult>>;

    /// Changes the deadline of an entry, as [`TtlStore::expire`](crate::TtlStore::expire) does.
    ///
    /// # Errors
    /// The errors of [`TtlStore::expire`](crate::TtlStore::expire).
    fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: &ExpireOptions,
    ) -> Result<Outcome<ExpireResult>>;

    /// Changes fields of a record, as [`TtlStore::patch`](crate::TtlStore::patch) does.
    ///
    /// # Errors
    /// The errors of [`TtlStore::patch`](crate::TtlStore::patch).
    fn patch(&self, key: &Key, patch: &Patch, options: &PatchOptions) -> Result<Outcome<PatchResult>>;

    /// Deletes an entry, as [`TtlStore::delete`](crate::TtlStore::delete) does.
    ///
    /// # Errors
    /// The errors of [`TtlStore::delete`](crate::TtlStore::delete).
    fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Entry>>>;
}
