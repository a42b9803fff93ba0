//! Writes of whole values: put, conditional puts, delete and take.

use ttl_core::options::{Condition, DeleteOptions, ExistingDeadline, PutOptions, Returning};
use ttl_core::results::PutResult;
use ttl_core::{Expiry, Key, Outcome, Result, Value, Version};

use super::Collection;
use crate::format::Format;
use crate::space::{done, found, unreported};

impl<T, F: Format<T>> Collection<T, F> {
    /// Stores the value. A new entry lives for the collection's TTL. A live entry is refreshed if the policy
    /// names UPDATE, as it does by default; otherwise it keeps its deadline (R8).
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey),
    ///   [`ErrorKind::InvalidField`](ttl_core::ErrorKind::InvalidField) and
    ///   [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) for input that cannot be stored, and
    ///   [`ErrorKind::TooLarge`](ttl_core::ErrorKind::TooLarge). In all of these cases nothing was changed.
    /// * The backend's failures, [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) among
    ///   them.
    pub fn put<K: AsRef<str>>(
        &self,
        key: K,
        value: &T,
    ) -> impl Future<Output = Result<PutResult>> + Send + use<'_, K, T, F> {
        let put = self.encoded(key, value, self.put_options());
        async move { done(self.write(put).await?) }
    }

    /// Stores the value with this expiry, whatever the policy. It always replaces the deadline (E5). The
    /// collection's cap still applies.
    ///
    /// # Errors
    /// * The errors of [`Collection::put`].
    /// * [`ErrorKind::InvalidExpiry`](ttl_core::ErrorKind::InvalidExpiry) for an instant more than 20 years
    ///   away.
    pub fn put_with_expiry<K: AsRef<str>, E: Into<Expiry>>(
        &self,
        key: K,
        value: &T,
        expiry: E,
    ) -> impl Future<Output = Result<PutResult>> + Send + use<'_, K, E, T, F> {
        let options = PutOptions::new(self.lifespan(expiry))
            .with_existing_deadline(ExistingDeadline::Replace)
            .with_returning(self.returning);
        let put = self.encoded(key, value, options);
        async move { done(self.write(put).await?) }
    }

    /// Stores the value if there is no live entry. Returns [`Outcome::Refused`] if there is one. Of many
    /// callers, exactly one succeeds (C1).
    ///
    /// # Errors
    /// * The errors of [`Collection::put`].
    /// * [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) if the store does not support
    ///   conditions.
    pub fn create<K: AsRef<str>>(
        &self,
        key: K,
        value: &T,
    ) -> impl Future<Output = Result<Outcome<PutResult>>> + Send + use<'_, K, T, F> {
        let put = self.encoded(key, value, self.put_options().with_condition(Condition::IfAbsent));
        async move { self.write(put).await }
    }

    /// Stores the value if there is a live entry. Returns [`Outcome::Absent`] if there is none. The deadline
    /// changes as with [`Collection::put`]. A late save thus never restores an expired session.
    ///
    /// # Errors
    /// The errors of [`Collection::create`].
    pub fn replace<K: AsRef<str>>(
        &self,
        key: K,
        value: &T,
    ) -> impl Future<Output = Result<Outcome<PutResult>>> + Send + use<'_, K, T, F> {
        let put = self.encoded(key, value, self.put_options().with_condition(Condition::IfPresent));
        async move { self.write(put).await }
    }

    /// Stores the value if the live entry still has this version, and returns the new version. Returns
    /// [`Outcome::Refused`] if the entry has another version, and [`Outcome::Absent`] if there is no live
    /// entry. The deadline changes as with [`Collection::put`].
    ///
    /// A version may recur when the same value recurs; see
    /// [`Capabilities::unique_versions`](ttl_core::Capabilities::unique_versions).
    ///
    /// ```
    /// # use ttl_store::options::Returning;
    /// # use ttl_store::{Counters, Outcome};
    /// # async fn show(counters: Counters) -> ttl_store::Result<()> {
    /// if let Some(item) = counters.get_item("stock", Returning::VERSION).await?
    ///     && let Some(version) = item.version
    /// {
    ///     let outcome = counters.compare_and_swap("stock", version, &(item.value / 2)).await?;
    ///     assert!(!outcome.is_refused(), "another writer was faster: read again");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`Collection::create`].
    pub fn compare_and_swap<K: AsRef<str>>(
        &self,
        key: K,
        version: Version,
        value: &T,
    ) -> impl Future<Output = Result<Outcome<PutResult>>> + Send + use<'_, K, T, F> {
        let options = self
            .put_options()
            .with_condition(Condition::IfVersion(version))
            .with_returning(self.returning | Returning::VERSION);
        let put = self.encoded(key, value, options);
        async move { self.write(put).await }
    }

    /// Deletes the entry. Returns whether there was a live one.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey).
    /// * The backend's failures, [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) among
    ///   them.
    pub fn delete(&self, key: impl AsRef<str>) -> impl Future<Output = Result<bool>> + Send {
        let key = self.key(key);
        async move { self.shared.space.delete(key, DeleteOptions::new()).await }
    }

    /// Deletes the entry if it still has this version.
    ///
    /// # Errors
    /// * The errors of [`Collection::delete`].
    /// * [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) if the store does not support
    ///   conditions.
    pub fn delete_if(
        &self,
        key: impl AsRef<str>,
        version: Version,
    ) -> impl Future<Output = Result<Outcome<()>>> + Send {
        let (key, options) = (self.key(key), DeleteOptions::new().with_if_version(version));
        async move { Ok(self.shared.space.driver.delete(&key?, options).await?.map(|_| ())) }
    }

    /// Deletes the entry and returns its value. Of many callers, only one receives it, as one-time tokens
    /// require.
    ///
    /// # Errors
    /// * The errors of [`Collection::delete`].
    /// * [`ErrorKind::WrongKind`](ttl_core::ErrorKind::WrongKind) for an entry of the other kind. The entry
    ///   is not deleted.
    /// * [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) for a value that does not fit the type. The entry
    ///   is deleted nevertheless, because deleting and reading are one step.
    pub fn take(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<T>>> + Send {
        let (key, options) = (self.key(key), DeleteOptions::take().with_kind(F::KIND));
        async move {
            let key = key?;
            let taken = found(self.shared.space.driver.delete(&key, options).await?)?;
            let entry = taken.map(|entry| entry.ok_or_else(|| unreported("value"))).transpose()?;
            Ok(entry.map(|entry| self.item("take", &key, entry)).transpose()?.map(|item| item.value))
        }
    }

    /// Returns a put whose key and value are already encoded, so that its future does not hold the caller's
    /// types.
    pub(super) fn encoded(&self, key: impl AsRef<str>, value: &T, options: PutOptions) -> Result<Put> {
        let key = self.key(key)?;
        let value = self
            .shared
            .format
            .encode(value)
            .map_err(|error| self.shared.space.explain(error, "put", &key))?;
        Ok(Put { key, value, options })
    }

    pub(super) async fn write(&self, put: Result<Put>) -> Result<Outcome<PutResult>> {
        let Put { key, value, options } = put?;
        self.shared.space.driver.put(&key, value, options).await
    }
}

pub(super) struct Put {
    pub(super) key: Key,
    pub(super) value: Value,
    pub(super) options: PutOptions,
}
