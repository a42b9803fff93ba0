//! Puts and patches: what they store is encoded.

use futures_timer::Delay;
use ttl_core::driver::{MAX_ATTEMPTS, back_off, contention};
use ttl_core::options::{Condition, Create, ExistingDeadline, PatchOptions, PutOptions, Refresh, Returning};
use ttl_core::results::{PatchResult, PutResult};
use ttl_core::{Entry, Key, Lifespan, Outcome, Patch, Result, TtlStore, Value, Version, rules};

use super::read::{reported, whole};
use super::store::TranslatedStore;
use super::translation::{Rewrite, Translation};

impl<T: Translation> TranslatedStore<T> {
    /// Stores a value under a key of the inner store.
    pub(super) async fn write(
        &self,
        key: &Key,
        value: Value,
        options: PutOptions,
    ) -> Result<Outcome<PutResult>> {
        let limits = self.capabilities();
        limits.check_put(&options)?;
        let value = self.translation.encode(key, value, &limits)?;
        let outcome = self.inner.put(key, value, options).await?;
        self.decode_previous(key, outcome)
    }

    /// Reads and decodes a record, applies the patch, and writes the result under the condition that the
    /// version has not changed.
    pub(super) async fn change(
        &self,
        key: &Key,
        patch: &Patch,
        options: PatchOptions,
    ) -> Result<Outcome<PatchResult>> {
        self.capabilities().check_patch(patch, &options)?;
        self.translation.check_patch(patch)?;
        if let Some(create) = &options.create {
            // Invalid input is refused regardless of the stored entry.
            create.lifespan.resolve(self.inner.now())?;
        }
        for attempt in 0..MAX_ATTEMPTS {
            // The kind is checked last: a different version is refused before it.
            let read = whole().with_returning(options.returning | Returning::VERSION);
            let done = match (self.inner.get(key, read).await?, &options.create) {
                (Some(entry), _) => self.change_stored(key, entry, patch, &options).await?,
                (None, Some(create)) if options.if_version.is_none() => {
                    self.create(key, create, patch, options.returning).await?
                }
                (None, _) => Some(Outcome::Absent),
            };
            if let Some(done) = done {
                return Ok(done);
            }
            Delay::new(back_off(attempt)).await;
        }
        Err(contention())
    }

    /// Patches an entry that was read. Returns `None` on a conflict.
    async fn change_stored(
        &self,
        key: &Key,
        entry: Entry,
        patch: &Patch,
        options: &PatchOptions,
    ) -> Result<Option<Outcome<PatchResult>>> {
        let (value, version) = reported(&entry)?;
        if options.if_version.is_some_and(|expected| expected != version) {
            return Ok(Some(Outcome::Refused(None)));
        }
        let stored = value.into_record()?;
        let mut record = self.translation.decode(key, stored.clone().into())?.into_record()?;
        let fields = patch.to_fields()?;
        let Some(effects) = rules::apply(&mut record, patch)? else {
            let found = PutResult::new(false)
                .with_created_at(entry.created_at)
                .with_deadline(entry.deadline)
                .with_version(entry.version.filter(|_| options.returning.contains(Returning::VERSION)));
            let found = PatchResult::new(&found, record.project(&fields), Vec::new());
            return Ok(Some(Outcome::Refused(Some(found))));
        };
        let limits = self.capabilities();
        let written = match self.translation.rewrite(key, &stored, &record, patch, &limits)? {
            Rewrite::Patch(inner) => self.patch_version(key, &inner, version, options).await?,
            Rewrite::Put(inner) => {
                self.put_version(key, inner, version, options.refresh, options.returning).await?
            }
        };
        Ok(written
            .map(|written| Outcome::Applied(PatchResult::new(&written, record.project(&fields), effects))))
    }

    /// Patches the stored record if it has this version. Returns `None` if it has another one or is gone.
    async fn patch_version(
        &self,
        key: &Key,
        patch: &Patch,
        version: Version,
        options: &PatchOptions,
    ) -> Result<Option<PutResult>> {
        let inner = PatchOptions::new()
            .with_if_version(version)
            .with_refresh(options.refresh)
            .with_returning(options.returning);
        let done = self.inner.patch(key, patch, inner).await?.applied();
        Ok(done.map(|done| {
            PutResult::new(done.created)
                .with_deadline(done.deadline)
                .with_version(done.version)
                .with_created_at(done.created_at)
        }))
    }

    /// Replaces the stored record if it has this version. Returns `None` if it has another one or is gone.
    async fn put_version(
        &self,
        key: &Key,
        value: Value,
        version: Version,
        refresh: Option<Refresh>,
        returning: Returning,
    ) -> Result<Option<PutResult>> {
        // The lifespan is not used, because this put cannot create an entry.
        let options = PutOptions::new(Lifespan::persistent())
            .with_condition(Condition::IfVersion(version))
            .with_existing_deadline(refresh.map_or(ExistingDeadline::Keep, ExistingDeadline::Refresh))
            .with_returning(returning);
        Ok(self.inner.put(key, value, options).await?.applied())
    }

    /// Creates the entry of a patch. Returns `None` if another writer has created one.
    async fn create(
        &self,
        key: &Key,
        create: &Create,
        patch: &Patch,
        returning: Returning,
    ) -> Result<Option<Outcome<PatchResult>>> {
        let mut record = create.initial.clone();
        let Some(effects) = rules::apply(&mut record, patch)? else {
            return Ok(Some(Outcome::Refused(None)));
        };
        let fields = record.project(&patch.to_fields()?);
        let value = self.translation.encode(key, record.into(), &self.capabilities())?;
        let put = PutOptions::new(create.lifespan).with_condition(Condition::IfAbsent);
        Ok(match self.inner.put(key, value, put.with_returning(returning)).await? {
            Outcome::Applied(written) => Some(Outcome::Applied(PatchResult::new(&written, fields, effects))),
            Outcome::Absent | Outcome::Refused(_) => None,
        })
    }
}
