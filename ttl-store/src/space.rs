//! The shared base of plain keys and collections: a driver, a place for keys, and calls that take raw keys.

use std::time::{Duration, SystemTime};

use ttl_core::options::{DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Returning};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Deadline, Error, ErrorKind, Key, Outcome, Patch, Result, TtlStore as _, Value};

use crate::driver::Driver;
use crate::place::Place;

/// A driver, and the place of the keys in it.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) driver: Driver,
    pub(crate) place: Place,
}

impl Space {
    pub(crate) fn key(&self, key: impl AsRef<str>) -> Result<Key> {
        self.place.seal(key.as_ref()).map_err(|error| error.with_backend(self.driver.capabilities().backend))
    }

    /// Adds operation, backend and key to the error.
    pub(crate) fn explain(&self, error: Error, operation: &'static str, key: &Key) -> Error {
        error.with_operation(operation).with_backend(self.driver.capabilities().backend).with_key(key)
    }

    pub(crate) async fn is_there(&self, key: Result<Key>, options: GetOptions) -> Result<bool> {
        let entry = self.driver.get(&key?, options).await?;
        Ok(entry.inspect(|entry| note_refresh_error(entry.refresh_error.as_ref())).is_some())
    }

    pub(crate) async fn deadline(&self, key: Result<Key>) -> Result<Option<Deadline>> {
        let options = GetOptions::nothing().with_returning(Returning::DEADLINE);
        let entry = self.driver.get(&key?, options).await?;
        entry.map(|entry| entry.deadline.ok_or_else(|| unreported("deadline"))).transpose()
    }

    pub(crate) async fn remaining(&self, key: Result<Key>) -> Result<Option<Duration>> {
        let deadline = self.deadline(key).await?;
        Ok(deadline.map(|deadline| remaining(deadline, self.driver.now())))
    }

    pub(crate) async fn expire(
        &self,
        key: Result<Key>,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Option<ExpireResult>> {
        found(self.driver.expire(&key?, change, options).await?)
    }

    pub(crate) async fn patch(
        &self,
        key: Result<Key>,
        patch: Patch,
        options: PatchOptions,
    ) -> Result<Outcome<PatchResult>> {
        let key = key?;
        patch.operations().map_err(|error| self.explain(error, "patch", &key))?;
        self.driver.patch(&key, &patch, options).await
    }

    /// Patches as [`Space::patch`] does, for a caller whose result cannot express a refusal by bounds.
    pub(crate) async fn patch_without_bounds(
        &self,
        key: Result<Key>,
        patch: Patch,
        options: PatchOptions,
    ) -> Result<Outcome<PatchResult>> {
        let key = key?;
        if patch.operations().is_ok() && patch.has_bounds() {
            let error = Error::new(
                ErrorKind::InvalidField,
                "bounds can refuse this patch; call `patch_within` or `patch_within_or_create`, which return an `Outcome`",
            );
            return Err(self.explain(error, "patch", &key));
        }
        self.patch(Ok(key), patch, options).await
    }

    pub(crate) async fn delete(&self, key: Result<Key>, options: DeleteOptions) -> Result<bool> {
        Ok(found(self.driver.delete(&key?, options).await?)?.is_some())
    }
}

/// Returns the time until a deadline, in whole milliseconds, rounded down; [`Duration::MAX`] without one.
/// Deadlines are rounded up, so this is never more than the requested TTL.
pub(crate) fn remaining(deadline: Deadline, now: SystemTime) -> Duration {
    deadline
        .remaining(now)
        .map_or(Duration::MAX, |left| left - Duration::from_nanos(u64::from(left.subsec_nanos() % 1_000_000)))
}

/// Returns the payload of an unconditional write, or `None` if there was no live entry.
pub(crate) fn found<T>(outcome: Outcome<T>) -> Result<Option<T>> {
    match outcome {
        Outcome::Applied(done) => Ok(Some(done)),
        Outcome::Absent => Ok(None),
        Outcome::Refused(_) => Err(broken("refused an unconditional write")),
    }
}

/// Returns the payload of a write that always applies.
pub(crate) fn done<T>(outcome: Outcome<T>) -> Result<T> {
    found(outcome)?.ok_or_else(|| broken("found no entry in a write that creates one"))
}

/// Returns the value that a create found, or `None` if it created the entry.
pub(crate) fn met(outcome: Outcome<PutResult>) -> Result<Option<Value>> {
    match outcome {
        Outcome::Applied(_) => Ok(None),
        Outcome::Refused(Some(PutResult { previous: Some(value), .. })) => Ok(Some(value)),
        Outcome::Absent | Outcome::Refused(_) => Err(unreported("value")),
    }
}

pub(crate) fn unreported(what: &str) -> Error {
    broken(&format!("did not report the requested {what}"))
}

pub(crate) fn broken(what: &str) -> Error {
    Error::new(ErrorKind::Backend, format!("the driver {what}; run the conformance suite on it"))
}

/// Logs a failed refresh, for callers that receive only the value (R9).
pub(crate) fn note_refresh_error(error: Option<&Error>) {
    if let Some(error) = error {
        tracing::warn!(%error, "an entry was read, but its refresh failed; it may expire earlier than the policy intends");
    }
}
