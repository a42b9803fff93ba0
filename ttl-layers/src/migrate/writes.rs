//! Writes: the entry is moved, and the new store does the rest.
//!
//! When the old store has no entry, another caller's claim means that there is no entry at all. It can still be
//! in the new store for a moment, and must not count as an entry. So a write either returns what it replaced or
//! removed, or names the version of the entry that it is made for.

use futures_timer::Delay;
use ttl_core::driver::{MAX_ATTEMPTS, back_off, contention};
use ttl_core::options::{
    Condition, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, PatchOptions,
    Projection, PutOptions, Returning,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Entry, Error, ErrorKind, Key, Outcome, Patch, Result, Value, Version};

use super::bring::{Brought, Pair, is_immovable};
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

    /// Returns whether the new store has no entry, and removes the claim of another caller, if there is one. The old
    /// store must have no entry.
    pub(super) async fn is_vacant(&self, key: &Key) -> Result<bool> {
        match self.present(key).await? {
            Present::Claim(version) => {
                let options = DeleteOptions::new().with_if_version(version);
                self.new.delete(key, options).await.map(|_| true)
            }
            Present::Nothing => Ok(true),
            Present::Entry(_) => Ok(false),
        }
    }

    async fn present(&self, key: &Key) -> Result<Present> {
        let read = GetOptions::new().with_returning(Returning::VERSION);
        let Some(entry) = self.new.get(key, read).await? else { return Ok(Present::Nothing) };
        Ok(match (entry.value, entry.version) {
            (Some(value), Some(version)) if claim::is_claim(&value) => Present::Claim(version),
            (_, Some(version)) => Present::Entry(version),
            (_, None) => {
                return Err(Error::new(ErrorKind::Backend, "the new store did not return the version"));
            }
        })
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
            Condition::IfAbsent | Condition::IfVersion(_) => self.put_if(key, value, options).await?,
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

    /// Puts with a condition that a claim can only fail.
    async fn put_if(&self, key: &Key, value: Value, options: &PutOptions) -> Result<Outcome<PutResult>> {
        for attempt in 0..MAX_ATTEMPTS {
            let outcome = self.new.put(key, value.clone(), options.clone()).await?;
            if !outcome.is_refused() || !self.is_vacant(key).await? {
                return Ok(outcome);
            }
            Delay::new(back_off(attempt)).await;
        }
        Err(contention())
    }

    /// Puts for the version of the present entry, or for its absence.
    async fn put_named(&self, key: &Key, value: Value, options: &PutOptions) -> Result<Outcome<PutResult>> {
        for attempt in 0..MAX_ATTEMPTS {
            let condition = match self.present(key).await? {
                Present::Entry(version) => Condition::IfVersion(version),
                Present::Claim(version) => {
                    let _ = self.new.delete(key, DeleteOptions::new().with_if_version(version)).await?;
                    continue;
                }
                Present::Nothing if options.condition == Condition::IfPresent => return Ok(Outcome::Absent),
                Present::Nothing => Condition::IfAbsent,
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
        for attempt in 0..MAX_ATTEMPTS {
            let mut named = options.clone();
            match (self.present_unless(key, options.if_version).await?, options.if_version) {
                (_, Some(_)) => {}
                (Present::Entry(version), None) => named.if_version = Some(version),
                (Present::Nothing | Present::Claim(_), None) => return Ok(Outcome::Absent),
            }
            let outcome = self.new.expire(key, change, named).await?;
            let is_final = match options.if_version {
                None => !outcome.is_refused(),
                Some(_) => !outcome.is_refused() || !self.is_vacant(key).await?,
            };
            if is_final {
                return Ok(outcome);
            }
            Delay::new(back_off(attempt)).await;
        }
        Err(contention())
    }

    /// Returns what the new store has, unless the caller names a version anyway.
    async fn present_unless(&self, key: &Key, version: Option<Version>) -> Result<Present> {
        if version.is_some() { Ok(Present::Nothing) } else { self.present(key).await }
    }

    pub(super) async fn patch(
        &self,
        key: &Key,
        patch: &Patch,
        options: &PatchOptions,
    ) -> Result<Outcome<PatchResult>> {
        self.clear(key).await?;
        for attempt in 0..MAX_ATTEMPTS {
            // A claim is a blob, and has a version that nobody names.
            let outcome = self.new.patch(key, patch, options.clone()).await;
            let suspicious = match &outcome {
                Ok(outcome) => outcome.is_refused() && options.if_version.is_some(),
                Err(error) => error.kind() == ErrorKind::WrongKind,
            };
            if !suspicious || !self.is_vacant(key).await? {
                return outcome;
            }
            Delay::new(back_off(attempt)).await;
        }
        Err(contention())
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
        for attempt in 0..MAX_ATTEMPTS {
            let mut named = options.clone();
            let hides = options.projection == Projection::Nothing && options.if_version.is_none();
            if hides {
                // Only the value shows whether a claim was removed.
                named.projection = Projection::All;
            }
            let outcome = match self.new.delete(key, named).await {
                // The entry cannot be read, so it is not a claim.
                Err(error) if error.kind() == ErrorKind::Corrupt && hides => {
                    return self.new.delete(key, options.clone()).await;
                }
                outcome => outcome,
            };
            let suspicious = match &outcome {
                Ok(Outcome::Applied(Some(entry))) if entry.value.as_ref().is_some_and(claim::is_claim) => {
                    return Ok(Outcome::Absent);
                }
                Ok(outcome) => outcome.is_refused(),
                Err(error) => error.kind() == ErrorKind::WrongKind,
            };
            if !suspicious || !self.is_vacant(key).await? {
                return outcome.map(|outcome| outcome.map(|entry| entry.filter(|_| !hides)));
            }
            Delay::new(back_off(attempt)).await;
        }
        Err(contention())
    }
}

/// What the new store has under a key.
enum Present {
    Nothing,
    Entry(Version),
    Claim(Version),
}
