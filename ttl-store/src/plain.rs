//! The methods of `Store` on plain keys: every expiry is explicit, and nothing is refreshed automatically.

use std::time::Duration;

use ttl_core::options::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, Fields, GetOptions, Guard, PatchOptions,
    Projection, PutItem, PutOptions, Returning,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Deadline, Entry, Expiry, Key, Lifespan, Outcome, Patch, Record, Result, Ttl, Value, Version};

use crate::batch::{Batch, BatchResults};
use crate::keys::KeyPages;
use crate::space::{done, found, met, unreported};
use crate::{Item, Store};

/// Operations on plain keys.
impl Store {
    /// Returns the value, or `None` if there is no live entry.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey).
    /// * The backend's failures.
    pub fn get(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<Value>>> + Send {
        let item = self.get_item(key, Returning::empty());
        async move { Ok(item.await?.map(|item| item.value)) }
    }

    /// Returns the value with this metadata, or `None` if there is no live entry.
    ///
    /// # Errors
    /// The errors of [`Store::get`].
    pub fn get_item(
        &self,
        key: impl AsRef<str>,
        returning: Returning,
    ) -> impl Future<Output = Result<Option<Item<Value>>>> + Send {
        let (key, options) = (self.key(key), GetOptions::new().with_returning(returning));
        async move {
            let Some(entry) = self.space.driver.get(&key?, options).await? else { return Ok(None) };
            let Entry { value, deadline, version, created_at, refresh_error, .. } = entry;
            let value = value.ok_or_else(|| unreported("value"))?;
            Ok(Some(Item { value, deadline, version, created_at, refresh_error }))
        }
    }

    /// Returns the named fields of a record, without those that it does not have, or `None` if there is no
    /// live entry.
    ///
    /// # Errors
    /// * The errors of [`Store::get`].
    /// * [`ErrorKind::InvalidField`](ttl_core::ErrorKind::InvalidField) for an invalid field name.
    /// * [`ErrorKind::WrongKind`](ttl_core::ErrorKind::WrongKind) for a blob.
    pub fn get_fields(
        &self,
        key: impl AsRef<str>,
        names: impl IntoIterator<Item = impl Into<Box<str>>>,
    ) -> impl Future<Output = Result<Option<Record>>> + Send {
        let (key, names) = (self.key(key), Fields::new(names));
        async move {
            let (key, options) = (key?, GetOptions::new().with_projection(Projection::Fields(names?)));
            let Some(entry) = self.space.driver.get(&key, options).await? else { return Ok(None) };
            entry.value.ok_or_else(|| unreported("value"))?.into_record().map(Some)
        }
    }

    /// Returns whether there is a live entry.
    ///
    /// # Errors
    /// The errors of [`Store::get`].
    pub fn contains(&self, key: impl AsRef<str>) -> impl Future<Output = Result<bool>> + Send {
        let key = self.key(key);
        async move { self.space.is_there(key, GetOptions::nothing()).await }
    }

    /// Returns the deadline of the entry: [`Deadline::NEVER`] if it is persistent, or `None` if there is no
    /// live entry.
    ///
    /// # Errors
    /// The errors of [`Store::get`].
    pub fn deadline(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<Deadline>>> + Send {
        let key = self.key(key);
        async move { self.space.deadline(key).await }
    }

    /// Returns the remaining lifetime of the entry by the store's clock: [`Duration::MAX`] if it is
    /// persistent, or `None` if there is no live entry.
    ///
    /// # Errors
    /// The errors of [`Store::get`].
    pub fn remaining(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<Duration>>> + Send {
        let key = self.key(key);
        async move { self.space.remaining(key).await }
    }

    /// Stores the value with this lifespan, which replaces the deadline of a live entry (E5).
    ///
    /// ```
    /// # async fn show(store: ttl_store::Store) -> ttl_store::Result<()> {
    /// use ttl_store::{Expiry, Lifespan, Ttl};
    ///
    /// store.put("greeting", "hello", Ttl::minutes(5)).await?;
    /// store.put("settings", "{}", Expiry::Never).await?;
    /// store.put("upload", vec![1, 2, 3], Lifespan::from(Ttl::minutes(5)).with_max_lifetime(Ttl::hours(1))).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey),
    ///   [`ErrorKind::InvalidExpiry`](ttl_core::ErrorKind::InvalidExpiry) and
    ///   [`ErrorKind::TooLarge`](ttl_core::ErrorKind::TooLarge). Nothing was changed.
    /// * The backend's failures, [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) among
    ///   them.
    pub fn put(
        &self,
        key: impl AsRef<str>,
        value: impl Into<Value>,
        lifespan: impl Into<Lifespan>,
    ) -> impl Future<Output = Result<PutResult>> + Send {
        let put = self.put_if(key, value, lifespan, Condition::Always);
        async move { done(put.await?) }
    }

    /// Stores the value if there is no live entry. Returns [`Outcome::Refused`] if there is one (C1).
    ///
    /// # Errors
    /// The errors of [`Store::put`].
    pub fn create(
        &self,
        key: impl AsRef<str>,
        value: impl Into<Value>,
        lifespan: impl Into<Lifespan>,
    ) -> impl Future<Output = Result<Outcome<PutResult>>> + Send {
        self.put_if(key, value, lifespan, Condition::IfAbsent)
    }

    /// Stores the value if there is a live entry. Returns [`Outcome::Absent`] if there is none.
    ///
    /// # Errors
    /// The errors of [`Store::put`].
    pub fn replace(
        &self,
        key: impl AsRef<str>,
        value: impl Into<Value>,
        lifespan: impl Into<Lifespan>,
    ) -> impl Future<Output = Result<Outcome<PutResult>>> + Send {
        self.put_if(key, value, lifespan, Condition::IfPresent)
    }

    /// Stores the value if the live entry still has this version, and returns the new version.
    ///
    /// # Errors
    /// The errors of [`Store::put`].
    pub fn compare_and_swap(
        &self,
        key: impl AsRef<str>,
        version: Version,
        value: impl Into<Value>,
        lifespan: impl Into<Lifespan>,
    ) -> impl Future<Output = Result<Outcome<PutResult>>> + Send {
        self.put_if(key, value, lifespan, Condition::IfVersion(version))
    }

    fn put_if(
        &self,
        key: impl AsRef<str>,
        value: impl Into<Value>,
        lifespan: impl Into<Lifespan>,
        condition: Condition,
    ) -> impl Future<Output = Result<Outcome<PutResult>>> + Send {
        let returning = if matches!(condition, Condition::IfVersion(_)) {
            Returning::VERSION
        } else {
            Returning::empty()
        };
        let options = PutOptions::new(lifespan).with_condition(condition).with_returning(returning);
        let (key, value) = (self.key(key), value.into());
        async move { self.space.driver.put(&key?, value, options).await }
    }

    /// Deletes the entry. Returns whether there was a live one.
    ///
    /// # Errors
    /// The errors of [`Store::get`].
    pub fn delete(&self, key: impl AsRef<str>) -> impl Future<Output = Result<bool>> + Send {
        let key = self.key(key);
        async move { self.space.delete(key, DeleteOptions::new()).await }
    }

    /// Deletes the entry and returns its value. Of many callers, only one receives it.
    ///
    /// # Errors
    /// The errors of [`Store::get`].
    pub fn take(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<Value>>> + Send {
        let key = self.key(key);
        async move {
            let taken = found(self.space.driver.delete(&key?, DeleteOptions::take()).await?)?;
            taken
                .map(|entry| entry.and_then(|entry| entry.value).ok_or_else(|| unreported("value")))
                .transpose()
        }
    }

    /// Stores the value as [`Store::put`] does and returns the replaced value, or `None` if there was no live
    /// entry (C5).
    ///
    /// # Errors
    /// * The errors of [`Store::put`].
    /// * [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) if the store does not support
    ///   conditions.
    pub fn swap(
        &self,
        key: impl AsRef<str>,
        value: impl Into<Value>,
        lifespan: impl Into<Lifespan>,
    ) -> impl Future<Output = Result<Option<Value>>> + Send {
        let (key, value, options) = (self.key(key), value.into(), PutOptions::new(lifespan).with_previous());
        async move { Ok(done(self.space.driver.put(&key?, value, options).await?)?.previous) }
    }

    /// Stores the value if there is no live entry, and returns `None`. Otherwise returns the existing value
    /// (C1, C5).
    ///
    /// # Errors
    /// The errors of [`Store::swap`].
    pub fn create_or_get(
        &self,
        key: impl AsRef<str>,
        value: impl Into<Value>,
        lifespan: impl Into<Lifespan>,
    ) -> impl Future<Output = Result<Option<Value>>> + Send {
        let options = PutOptions::new(lifespan).with_condition(Condition::IfAbsent).with_previous();
        let (key, value) = (self.key(key), value.into());
        async move { met(self.space.driver.put(&key?, value, options).await?) }
    }

    /// Changes fields of a live record, all or none, in order (P1), and keeps its deadline. Returns `None` if
    /// there is no live entry.
    ///
    /// # Errors
    /// * The error that building the patch recorded.
    /// * [`ErrorKind::InvalidField`](ttl_core::ErrorKind::InvalidField) for a patch with bounds, which needs
    ///   [`Store::patch_within`].
    /// * [`ErrorKind::WrongKind`](ttl_core::ErrorKind::WrongKind),
    ///   [`ErrorKind::WrongFieldType`](ttl_core::ErrorKind::WrongFieldType) and
    ///   [`ErrorKind::Overflow`](ttl_core::ErrorKind::Overflow). Nothing was changed.
    /// * The backend's failures.
    pub fn patch(
        &self,
        key: impl AsRef<str>,
        patch: Patch,
    ) -> impl Future<Output = Result<Option<PatchResult>>> + Send {
        let key = self.key(key);
        async move { found(self.space.patch_without_bounds(key, patch, PatchOptions::new()).await?) }
    }

    /// Changes fields of a live record as [`Store::patch`] does, if every sum stays within its bounds (P7).
    /// If a sum does not, returns [`Outcome::Refused`] with the current fields. Returns [`Outcome::Absent`]
    /// if there is no live entry.
    ///
    /// # Errors
    /// The errors of [`Store::patch`]; bounds are allowed.
    pub fn patch_within(
        &self,
        key: impl AsRef<str>,
        patch: Patch,
    ) -> impl Future<Output = Result<Outcome<PatchResult>>> + Send {
        let (key, options) = (self.key(key), PatchOptions::new().with_returning(Returning::DEADLINE));
        async move { self.space.patch(key, patch, options).await }
    }

    /// Changes fields of a live record and keeps its deadline. If there is no live entry, creates one as
    /// `create` specifies.
    ///
    /// # Errors
    /// * The errors of [`Store::patch`].
    /// * [`ErrorKind::InvalidExpiry`](ttl_core::ErrorKind::InvalidExpiry).
    pub fn patch_or_create(
        &self,
        key: impl AsRef<str>,
        patch: Patch,
        create: Create,
    ) -> impl Future<Output = Result<PatchResult>> + Send {
        let (key, options) = (self.key(key), PatchOptions::new().with_create(create));
        async move { done(self.space.patch_without_bounds(key, patch, options).await?) }
    }

    /// Changes fields as [`Store::patch_or_create`] does, if every sum stays within its bounds (P7). If a sum
    /// does not, returns [`Outcome::Refused`] with the current fields, or with `None` if there is no live
    /// entry and nothing was created.
    ///
    /// # Errors
    /// The errors of [`Store::patch_or_create`]; bounds are allowed.
    pub fn patch_within_or_create(
        &self,
        key: impl AsRef<str>,
        patch: Patch,
        create: Create,
    ) -> impl Future<Output = Result<Outcome<PatchResult>>> + Send {
        let options = PatchOptions::new().with_create(create).with_returning(Returning::DEADLINE);
        let key = self.key(key);
        async move { self.space.patch(key, patch, options).await }
    }

    /// Moves the deadline to `ttl` from now, unless it is already later. Returns `None` if there is no live
    /// entry.
    ///
    /// # Errors
    /// The errors of [`Store::get`].
    pub fn touch(
        &self,
        key: impl AsRef<str>,
        ttl: Ttl,
    ) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        let options = ExpireOptions::new().with_guard(Guard::IfLater);
        self.expire(key, ExpiryChange::Set(ttl.into()), options)
    }

    /// Adds to the deadline. A persistent entry does not change (X3). Returns `None` if there is no live
    /// entry.
    ///
    /// # Errors
    /// * The errors of [`Store::get`].
    /// * [`ErrorKind::InvalidExpiry`](ttl_core::ErrorKind::InvalidExpiry) if the new deadline would be more
    ///   than 20 years away.
    pub fn extend_by(
        &self,
        key: impl AsRef<str>,
        by: Ttl,
    ) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        self.expire(key, ExpiryChange::Extend(by), ExpireOptions::new())
    }

    /// Sets the deadline exactly, later or sooner than before. Returns `None` if there is no live entry.
    ///
    /// # Errors
    /// The errors of [`Store::extend_by`].
    pub fn set_expiry(
        &self,
        key: impl AsRef<str>,
        expiry: impl Into<Expiry>,
    ) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        self.expire(key, ExpiryChange::Set(expiry.into()), ExpireOptions::new())
    }

    /// Removes the deadline. Returns `None` if there is no live entry.
    ///
    /// # Errors
    /// The errors of [`Store::get`].
    pub fn persist(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        self.expire(key, ExpiryChange::Set(Expiry::Never), ExpireOptions::new())
    }

    fn expire(
        &self,
        key: impl AsRef<str>,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        let key = self.key(key);
        async move { self.space.expire(key, change, options).await }
    }

    /// Reads many values. Returns one result for each key, in order (B1). An invalid key fails individually.
    pub fn get_many(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> impl Future<Output = BatchResults<Option<Value>>> + Send {
        let (sent, batch) = Batch::split(keys.into_iter().map(|key| self.key(key)));
        async move {
            let answers = self.space.driver.get_many(&sent, GetOptions::new()).await;
            batch.merge(
                answers.into_iter().map(|entry| {
                    entry?.map(|entry| entry.value.ok_or_else(|| unreported("value"))).transpose()
                }),
            )
        }
    }

    /// Stores many values with this lifespan. Returns one result for each item, in order (B1). An invalid
    /// item fails individually.
    pub fn put_many<K: AsRef<str>, V: Into<Value>>(
        &self,
        items: impl IntoIterator<Item = (K, V)>,
        lifespan: impl Into<Lifespan>,
    ) -> impl Future<Output = BatchResults<PutResult>> + Send {
        let options = PutOptions::new(lifespan);
        let (sent, batch) = Batch::split(
            items.into_iter().map(|(key, value)| Ok(PutItem::new(self.key(key)?, value, options.clone()))),
        );
        async move {
            let answers = self.space.driver.put_many(sent).await;
            batch.merge(answers.into_iter().map(|outcome| done(outcome?)))
        }
    }

    /// Deletes many entries. Returns for each key, in order, whether there was a live entry (B1). An invalid
    /// key fails individually.
    pub fn delete_many(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> impl Future<Output = BatchResults<bool>> + Send {
        let (sent, batch) = Batch::split(keys.into_iter().map(|key| self.key(key)));
        async move {
            let answers = self.space.driver.delete_many(&sent, DeleteOptions::new()).await;
            batch.merge(answers.into_iter().map(|outcome| Ok(found(outcome?)?.is_some())))
        }
    }

    /// Lists plain keys, page by page. The keys of collections and leases are not included.
    pub fn keys(&self) -> KeyPages {
        KeyPages::new(self.space.clone())
    }

    /// Returns a plain key as it is stored, for use with the driver itself.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey) if the key is empty or longer than
    /// [`Key::MAX_BYTES`] (one byte less if it begins with `@`).
    pub fn key(&self, key: impl AsRef<str>) -> Result<Key> {
        self.space.key(key)
    }
}
