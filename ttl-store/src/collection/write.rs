//! Writes of whole values: put and its conditions, delete, take.

use ttl_core::{
    Condition, DeleteOptions, ExistingDeadline, Expiry, Key, Outcome, PutOptions, PutResult, Result,
    Returning, Value, Version,
};

use super::Collection;
use crate::format::Format;
use crate::space::{done, found, unreported};

impl<T, F: Format<T>> Collection<T, F> {
    /// Stores the value. A new entry lives for the collection's TTL; a live one is refreshed if the policy names
    /// UPDATE (it does by default), else keeps its deadline (R8).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey),
    /// [`ErrorKind::InvalidField`](ttl_core::ErrorKind::InvalidField) and
    /// [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) for what cannot be stored, and
    /// [`ErrorKind::TooLarge`](ttl_core::ErrorKind::TooLarge): in all of these nothing was changed. The backend's
    /// failures, [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) among them.
    pub fn put<K: AsRef<str>>(
        &self,
        key: K,
        value: &T,
    ) -> impl Future<Output = Result<PutResult>> + Send + use<'_, K, T, F> {
        let put = self.encoded(key, value, self.put_options());
        async move { done(self.write(put).await?) }
    }

    /// Stores the value with this expiry, whatever the policy says: it always replaces the deadline (E5). The
    /// collection's cap holds all the same.
    ///
    /// # Errors
    /// As [`Collection::put`]; [`ErrorKind::InvalidExpiry`](ttl_core::ErrorKind::InvalidExpiry) for an instant more
    /// than 20 years away.
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

    /// Stores the value if no live entry is there; [`Outcome::Refused`] if one is. Of many callers exactly one
    /// wins (C1).
    ///
    /// # Errors
    /// As [`Collection::put`]; [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) by a store without
    /// conditions.
    pub fn create<K: AsRef<str>>(
        &self,
        key: K,
        value: &T,
    ) -> impl Future<Output = Result<Outcome<PutResult>>> + Send + use<'_, K, T, F> {
        let put = self.encoded(key, value, self.put_options().with_condition(Condition::IfAbsent));
        async move { self.write(put).await }
    }

    /// Stores the value if a live entry is there; [`Outcome::Absent`] if none is. The deadline goes as with
    /// [`Collection::put`]. So a session that has ended is not brought back by a late save.
    ///
    /// # Errors
    /// As [`Collection::create`].
    pub fn replace<K: AsRef<str>>(
        &self,
        key: K,
        value: &T,
    ) -> impl Future<Output = Result<Outcome<PutResult>>> + Send + use<'_, K, T, F> {
        let put = self.encoded(key, value, self.put_options().with_condition(Condition::IfPresent));
        async move { self.write(put).await }
    }

    /// Stores the value if the live entry still has this version, and reports the new one; [`Outcome::Refused`] if
    /// it has another, [`Outcome::Absent`] if there is none. The deadline goes as with [`Collection::put`].
    ///
    /// A version may recur when the same value recurs, see
    /// [`Capabilities::unique_versions`](ttl_core::Capabilities::unique_versions).
    ///
    /// ```
    /// # use ttl_store::{Counters, Outcome, Returning};
    /// # async fn show(counters: Counters) -> ttl_store::Result<()> {
    /// if let Some(item) = counters.get_item("stock", Returning::VERSION).await?
    ///     && let Some(version) = item.version
    /// {
    ///     let outcome = counters.compare_and_swap("stock", version, &(item.value / 2)).await?;
    ///     assert!(!outcome.is_refused(), "someone else wrote in between: read again");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Collection::create`].
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

    /// Deletes the entry; whether a live one was there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey); the backend's failures,
    /// [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) among them.
    pub fn delete(&self, key: impl AsRef<str>) -> impl Future<Output = Result<bool>> + Send {
        let key = self.key(key);
        async move { self.shared.space.delete(key, DeleteOptions::new()).await }
    }

    /// Deletes the entry if it still has this version.
    ///
    /// # Errors
    /// As [`Collection::delete`]; [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) by a store without
    /// conditions.
    pub fn delete_if(
        &self,
        key: impl AsRef<str>,
        version: Version,
    ) -> impl Future<Output = Result<Outcome<()>>> + Send {
        let (key, options) = (self.key(key), DeleteOptions::new().with_if_version(version));
        async move { Ok(self.shared.space.driver.delete(&key?, options).await?.map(|_| ())) }
    }

    /// Deletes the entry and hands its value back. Of many takers one gets it: what one-time tokens need.
    ///
    /// # Errors
    /// As [`Collection::delete`]; [`ErrorKind::WrongKind`](ttl_core::ErrorKind::WrongKind) for an entry of the other
    /// kind, which stays. [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) for a value that does not fit the type:
    /// it is gone nevertheless, because deleting and reading are one step.
    pub fn take(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<T>>> + Send {
        let (key, options) = (self.key(key), DeleteOptions::take().with_kind(F::KIND));
        async move {
            let key = key?;
            let taken = found(self.shared.space.driver.delete(&key, options).await?)?;
            let entry = taken.map(|entry| entry.ok_or_else(|| unreported("value"))).transpose()?;
            Ok(entry.map(|entry| self.item("take", &key, entry)).transpose()?.map(|item| item.value))
        }
    }

    /// A put that needs nothing more of the program's own types.
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
