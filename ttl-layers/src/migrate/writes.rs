//! Writes: the entry is moved, and the new store does the rest.
//!
//! Another caller's claim can be in the new store for a moment, although the old store has no entry any more. It must
//! not count as an entry. So a write either returns what it replaced or
//! removed, or names the version of the entry that it is made for.

use futures_timer::Delay;
use ttl_core::driver::{MAX_ATTEMPTS, back_off, contention};
use ttl_core::options::{
    Condition, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, PatchOptions,
    Projection, PutOptions, Returning,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Entry, Error, ErrorKind, Key, Outcome, Patch, Result, Value, Version};

use super::bring::{Brought, Pair, is_immovable, unreported};
use super::claim;

impl Pair {
    /// Moves the entry before a write to the new store.
    async fn clear(&self, key: &Key) -> Result<()> {
        match self.bring(key).await? {
            Brought::Nothing | Brought::Moved => Ok(()),
            Brought::Copied(error) => Err(error),
        }
    }

    /// Moves the entry before a write that replaces or removes it. Returns whether one remains in the old store
    /// that cannot be moved.
    async fn clear_or_keep(&self, key: &Key) -> Result<bool> {
        match self.clear(key).await {
            Ok(()) => Ok(false),
            Err(error) if is_immovable(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Returns whether the new store has no entry. The claim of another caller is none, and is removed.
    pub(super) async fn is_vacant(&self, key: &Key) -> Result<bool> {
        Ok(self.present(key).await?.is_none())
    }

    /// Returns the version of the entry in the new store. The claim of another caller is no entry, and is removed: the
    /// old store has none, so the claim never becomes one.
    async fn present(&self, key: &Key) -> Result<Option<Version>> {
        let read = GetOptions::new().with_returning(Returning::VERSION);
        let Some(entry) = self.new.get(key, read).await? else { return Ok(None) };
        let version = entry.version.ok_or_else(unreported)?;
        if entry.value.as_ref().is_some_and(claim::is_claim) {
            let _ = self.new.delete(key, DeleteOptions::new().with_if_version(version)).await?;
            return Ok(None);
        }
        Ok(Some(version))
    }

    /// Makes a call on the new store that a claim can only fail, and repeats it without the claim. With `refusable`, a
    /// refusal can be due to a claim too.
    async fn past_claims<T, F: Future<Output = Result<Outcome<T>>>>(
        &self,
        key: &Key,
        refusable: bool,
        call: impl Fn() -> F,
    ) -> Result<Outcome<T>> {
        for attempt in 0..MAX_ATTEMPTS {
            let result = call().await;
            let is_open = match &result {
                Ok(outcome) => refusable && outcome.is_refused(),
                Err(error) => error.kind() == ErrorKind::WrongKind,
            };
            if !is_open || !self.is_vacant(key).await? {
                return result;
            }
            Delay::new(back_off(attempt)).await;
        }
        Err(contention())
    }

    pub(super) async fn put(
        &self,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Outcome<PutResult>> {
        let replaces = options.existing_deadline == ExistingDeadline::Replace;
        // An entry that cannot be moved can only be replaced as a whole and unseen.
        let remains = if options.condition == Condition::Always && replaces && !options.previous {
            self.clear_or_keep(key).await?
        } else {
            self.clear(key).await?;
            false
        };
        let outcome = match options.condition {
            Condition::Always if replaces => self.put_over(key, value, options).await?,
            Condition::Always | Condition::IfPresent => self.put_named(key, value, options).await?,
            Condition::IfAbsent | Condition::IfVersion(_) => {
                self.past_claims(key, true, || self.new.put(key, value.clone(), options.clone())).await?
            }
        };
        if remains {
            self.drop_immovable(key).await?;
        }
        Ok(outcome)
    }

    /// Puts over whatever the new store has.
    async fn put_over(&self, key: &Key, value: Value, options: &PutOptions) -> Result<Outcome<PutResult>> {
        let outcome = match self.new.put(key, value.clone(), options.clone().with_previous()).await {
            // The present entry cannot be read, so it is not a claim.
            Err(error) if error.kind() == ErrorKind::Corrupt && !options.previous => {
                return self.new.put(key, value, options.clone()).await;
            }
            outcome => outcome?,
        };
        Ok(outcome.map(|mut meta| {
            if meta.previous.as_ref().is_some_and(claim::is_claim) {
                (meta.created, meta.previous) = (true, None);
            }
            meta.previous = meta.previous.filter(|_| options.previous);
            meta
        }))
    }

    /// Puts for the version of the present entry, or for its absence.
    async fn put_named(&self, key: &Key, value: Value, options: &PutOptions) -> Result<Outcome<PutResult>> {
        for attempt in 0..MAX_ATTEMPTS {
            let condition = match self.present(key).await? {
                Some(version) => Condition::IfVersion(version),
                None if options.condition == Condition::IfPresent => return Ok(Outcome::Absent),
                None => Condition::IfAbsent,
            };
            let outcome = self.new.put(key, value.clone(), options.clone().with_condition(condition)).await?;
            if outcome.is_applied() {
                return Ok(outcome);
            }
            Delay::new(back_off(attempt)).await;
        }
        Err(contention())
    }

    /// Deletes an entry from the old store that cannot be moved, after it was replaced or removed.
    async fn drop_immovable(&self, key: &Key) -> Result<bool> {
        let dropped = self.old.delete(key, DeleteOptions::new()).await;
        dropped.map(|outcome| outcome.is_applied()).map_err(|error| {
            Error::new(
                ErrorKind::OutcomeUnknown,
                "the call was made in the new store, but the entry of the old store may remain; repeat it",
            )
            .with_source(error)
        })
    }

    pub(super) async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: &ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.clear(key).await?;
        if options.if_version.is_some() {
            return self.past_claims(key, true, || self.new.expire(key, change, options.clone())).await;
        }
        for attempt in 0..MAX_ATTEMPTS {
            let Some(version) = self.present(key).await? else { return Ok(Outcome::Absent) };
            let outcome = self.new.expire(key, change, options.clone().with_if_version(version)).await?;
            if !outcome.is_refused() {
                return Ok(outcome);
            }
            Delay::new(back_off(attempt)).await;
        }
        Err(contention())
    }

    pub(super) async fn patch(
        &self,
        key: &Key,
        patch: &Patch,
        options: &PatchOptions,
    ) -> Result<Outcome<PatchResult>> {
        self.clear(key).await?;
        // A claim is a blob, and no caller names its version. Bounds can refuse a patch as well.
        let refusable = options.if_version.is_some();
        self.past_claims(key, refusable, || self.new.patch(key, patch, options.clone())).await
    }

    pub(super) async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let is_plain = *options == DeleteOptions::new();
        if is_plain && self.clear_or_keep(key).await? {
            // The new store first: a delete that fails there has changed nothing.
            let removed = self.remove(key, options).await?;
            let dropped = self.drop_immovable(key).await?;
            return Ok(if dropped { Outcome::Applied(None) } else { removed });
        }
        if !is_plain {
            self.clear(key).await?;
        }
        self.remove(key, options).await
    }

    /// Deletes from the new store.
    async fn remove(&self, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let hides = options.projection == Projection::Nothing && options.if_version.is_none();
        let mut named = options.clone();
        if hides {
            // Only the value shows whether a claim was removed.
            named.projection = Projection::All;
        }
        match self.past_claims(key, true, || self.new.delete(key, named.clone())).await {
            // The entry cannot be read, so it is not a claim.
            Err(error) if error.kind() == ErrorKind::Corrupt && hides => {
                self.new.delete(key, options.clone()).await
            }
            Ok(Outcome::Applied(Some(entry))) if entry.value.as_ref().is_some_and(claim::is_claim) => {
                Ok(Outcome::Absent)
            }
            result => result.map(|outcome| outcome.map(|entry| entry.filter(|_| !hides))),
        }
    }
}
