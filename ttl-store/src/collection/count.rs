//! Counters: numbers that are added to, and end.

use ttl_core::{Actions, Create, Patch, PatchOptions, Result};

use super::Collection;
use crate::format::AsCount;
use crate::space::done;

impl Collection<i64, AsCount> {
    /// Adds 1 and answers the sum; see [`Counters::add`](Collection::add).
    ///
    /// # Errors
    /// As [`Counters::add`](Collection::add).
    pub fn increment(&self, key: impl AsRef<str>) -> impl Future<Output = Result<i64>> + Send {
        self.add(key, 1)
    }

    /// Adds to the number and answers the sum, in one atomic step: N acknowledged additions add up (P6). Where no
    /// live entry is, one is made that starts from 0 and lives for the collection's TTL. Refreshes if the policy
    /// names ARITHMETIC; by default it does not, so that a window that has begun ends on time.
    ///
    /// A negative number subtracts.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey);
    /// [`ErrorKind::Overflow`](ttl_core::ErrorKind::Overflow), [`ErrorKind::Contention`](ttl_core::ErrorKind::Contention):
    /// nothing was changed. The backend's failures, [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown)
    /// among them.
    pub fn add(&self, key: impl AsRef<str>, by: i64) -> impl Future<Output = Result<i64>> + Send {
        let key = self.key(key);
        let options = PatchOptions::new()
            .with_refresh(self.refresh(Actions::ARITHMETIC))
            .with_create(Create::new(self.lifespan(self.ttl)));
        self.added(key, by, options)
    }

    async fn added(&self, key: Result<ttl_core::Key>, by: i64, options: PatchOptions) -> Result<i64> {
        let key = key?;
        let patch = Patch::new().increment(AsCount::FIELD, by);
        let outcome = done(self.shared.space.patch(Ok(key.clone()), patch, options).await?)?;
        AsCount::number(&outcome.fields).map_err(|error| self.shared.space.explain(error, "add", &key))
    }
}
