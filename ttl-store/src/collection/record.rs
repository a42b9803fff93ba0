//! Field operations of a collection of records.

use serde::Serialize;
use serde::de::DeserializeOwned;
use ttl_core::options::{Create, Fields, GetOptions, PatchOptions, Projection, Returning};
use ttl_core::results::PatchResult;
use ttl_core::{Actions, Key, Outcome, Patch, Record, Result, Value, Version};

use super::Collection;
use crate::format::{AsRecord, Format};
use crate::space::{done, found, note_refresh_error, unreported};

impl<T: Serialize + DeserializeOwned> Collection<T, AsRecord> {
    /// Returns the named fields of the entry, without those that the entry does not have, or `None` if there
    /// is no live entry. A hit refreshes if the policy names READ.
    ///
    /// ```
    /// # use ttl_store::{Patch, Records};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Session { page: String, hits: u32 }
    /// # async fn show(sessions: Records<Session>) -> ttl_store::Result<()> {
    /// #[derive(serde::Deserialize)]
    /// struct Seen {
    ///     hits: u32,
    /// }
    ///
    /// if let Some(fields) = sessions.get_fields("abc", ["hits"]).await? {
    ///     let seen: Seen = fields.deserialize()?;
    ///     println!("{} hits", seen.hits);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey),
    ///   [`ErrorKind::InvalidField`](ttl_core::ErrorKind::InvalidField) for an invalid field name, and
    ///   [`ErrorKind::TooLarge`](ttl_core::ErrorKind::TooLarge) for more than [`Fields::MAX`] names. Nothing
    ///   was sent.
    /// * The backend's failures.
    pub fn get_fields(
        &self,
        key: impl AsRef<str>,
        names: impl IntoIterator<Item = impl Into<Box<str>>>,
    ) -> impl Future<Output = Result<Option<Record>>> + Send {
        let call = self.key(key).and_then(|key| match Fields::new(names) {
            Ok(fields) => Ok((key, fields)),
            Err(error) => Err(self.shared.space.explain(error, "get", &key)),
        });
        let refresh = self.refresh(Actions::READ);
        async move {
            let (key, fields) = call?;
            let options = GetOptions::new().with_projection(Projection::Fields(fields)).with_refresh(refresh);
            let Some(entry) = self.shared.space.driver.get(&key, options).await? else { return Ok(None) };
            note_refresh_error(entry.refresh_error.as_ref());
            entry.value.ok_or_else(|| unreported("value"))?.into_record().map(Some)
        }
    }

    /// Changes fields of a live entry, all or none, in order (P1). Returns `None` if there is no live entry.
    /// Refreshes if the policy names an action of the patch's operations.
    ///
    /// A patch may name fields that the type does not have, unless
    /// [`CollectionBuilder::check_patches`](crate::CollectionBuilder::check_patches) was called.
    ///
    /// ```
    /// # use ttl_store::{Patch, Records};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Session { page: String, hits: u32 }
    /// # async fn show(sessions: Records<Session>) -> ttl_store::Result<()> {
    /// let patch = Patch::new().set("page", "/cart").append("items", "book").increment("hits", 1);
    /// if let Some(outcome) = sessions.patch("abc", patch).await? {
    ///     println!("{:?} hits", outcome.fields.get("hits"));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey), the error that building the patch
    ///   recorded, and [`ErrorKind::InvalidField`](ttl_core::ErrorKind::InvalidField) for a patch with
    ///   bounds, which needs [`Collection::patch_within`]. Nothing was sent.
    /// * [`ErrorKind::WrongKind`](ttl_core::ErrorKind::WrongKind),
    ///   [`ErrorKind::WrongFieldType`](ttl_core::ErrorKind::WrongFieldType),
    ///   [`ErrorKind::Overflow`](ttl_core::ErrorKind::Overflow),
    ///   [`ErrorKind::TooLarge`](ttl_core::ErrorKind::TooLarge),
    ///   [`ErrorKind::Contention`](ttl_core::ErrorKind::Contention) and
    ///   [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported). Nothing was changed.
    /// * The backend's failures, [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) among
    ///   them.
    pub fn patch(
        &self,
        key: impl AsRef<str>,
        patch: Patch,
    ) -> impl Future<Output = Result<Option<PatchResult>>> + Send {
        let (key, options) = (self.checked(key, &patch), self.patch_options(&patch));
        async move { found(self.shared.space.patch_without_bounds(key, patch, options).await?) }
    }

    /// Changes fields of a live entry as [`Collection::patch`] does, if every sum stays within its bounds
    /// (P7).
    ///
    /// If a sum does not, [`Outcome::Refused`] contains the fields that the patch names and the deadline.
    /// Nothing was changed or refreshed then. Returns [`Outcome::Absent`] if there is no live entry. One
    /// atomic step, with as many requests as without bounds.
    ///
    /// ```
    /// # use ttl_store::{Outcome, Patch, Records};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Article { stock: u32, buyers: Vec<String> }
    /// # async fn show(articles: Records<Article>) -> ttl_store::Result<()> {
    /// // Sell two articles, or none.
    /// let sale = Patch::new().increment_within("stock", -2, 0..).append("buyers", "ada");
    /// match articles.patch_within("lamp", sale).await? {
    ///     Outcome::Applied(sold) => println!("{:?} are left", sold.fields.get("stock")),
    ///     Outcome::Refused(there) => println!("too few: {there:?}"),
    ///     Outcome::Absent => println!("no such article"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`Collection::patch`]; bounds are allowed.
    pub fn patch_within(
        &self,
        key: impl AsRef<str>,
        patch: Patch,
    ) -> impl Future<Output = Result<Outcome<PatchResult>>> + Send {
        let options = self.patch_options(&patch).with_returning(self.returning | Returning::DEADLINE);
        let key = self.checked(key, &patch);
        async move { self.shared.space.patch(key, patch, options).await }
    }

    /// Changes fields if the live entry still has this version. Otherwise like [`Collection::patch_within`];
    /// bounds are allowed.
    ///
    /// [`Outcome::Refused`] contains the current fields if a bound was exceeded, and `None` if the entry has
    /// another version.
    ///
    /// # Errors
    /// The errors of [`Collection::patch_within`].
    pub fn patch_if(
        &self,
        key: impl AsRef<str>,
        version: Version,
        patch: Patch,
    ) -> impl Future<Output = Result<Outcome<PatchResult>>> + Send {
        let options = self.patch_options(&patch).with_if_version(version);
        let key = self.checked(key, &patch);
        async move { self.shared.space.patch(key, patch, options).await }
    }

    /// Changes fields of the live entry. If there is none, creates one from `initial` with the patch applied,
    /// which lives for the collection's TTL. Either way it is one atomic step.
    ///
    /// # Errors
    /// * The errors of [`Collection::patch`].
    /// * [`ErrorKind::InvalidField`](ttl_core::ErrorKind::InvalidField) if `initial` is not a JSON object.
    pub fn patch_or_create<K: AsRef<str>>(
        &self,
        key: K,
        patch: Patch,
        initial: &T,
    ) -> impl Future<Output = Result<PatchResult>> + Send + use<'_, K, T> {
        let call = self.creating(key, &patch, initial);
        async move {
            let (key, options) = call?;
            done(self.shared.space.patch_without_bounds(Ok(key), patch, options).await?)
        }
    }

    /// Changes fields as [`Collection::patch_or_create`] does, if every sum stays within its bounds (P7). The
    /// bounds apply to a new entry too. If a sum does not, [`Outcome::Refused`] contains the current fields,
    /// or `None` if there is no live entry and nothing was created.
    ///
    /// # Errors
    /// The errors of [`Collection::patch_or_create`]; bounds are allowed.
    pub fn patch_within_or_create<K: AsRef<str>>(
        &self,
        key: K,
        patch: Patch,
        initial: &T,
    ) -> impl Future<Output = Result<Outcome<PatchResult>>> + Send + use<'_, K, T> {
        let call = self.creating(key, &patch, initial);
        async move {
            let (key, options) = call?;
            let options = options.with_returning(self.returning | Returning::DEADLINE);
            self.shared.space.patch(Ok(key), patch, options).await
        }
    }

    /// Returns the key and the options of a patch that may create, so that its future does not hold the
    /// caller's types.
    fn creating(&self, key: impl AsRef<str>, patch: &Patch, initial: &T) -> Result<(Key, PatchOptions)> {
        let key = self.checked(key, patch)?;
        let initial = self.shared.format.encode(initial).and_then(Value::into_record);
        let initial = initial.map_err(|error| self.shared.space.explain(error, "patch", &key))?;
        let create = Create::new(self.lifespan(self.ttl)).with_initial(initial);
        Ok((key, self.patch_options(patch).with_create(create)))
    }

    /// Returns the key if the patch fits the type, or if the collection does not check patches.
    fn checked(&self, key: impl AsRef<str>, patch: &Patch) -> Result<Key> {
        let key = self.key(key)?;
        match self.shared.check.map_or(Ok(()), |check| check(patch)) {
            Ok(()) => Ok(key),
            Err(error) => Err(self.shared.space.explain(error, "patch", &key)),
        }
    }

    fn patch_options(&self, patch: &Patch) -> PatchOptions {
        PatchOptions::new().with_refresh(self.refresh(patch.actions())).with_returning(self.returning)
    }
}
