//! Counters: numbers with a lifetime that can be added to.

use ttl_core::options::{Create, PatchOptions, Returning};
use ttl_core::results::PatchResult;
use ttl_core::{Actions, Bounds, Key, Outcome, Patch, Result};

use super::Collection;
use crate::format::AsCount;
use crate::item::Item;
use crate::space::done;

impl Collection<i64, AsCount> {
    /// Adds 1 and returns the sum; see [`Counters::add`](Collection::add).
    ///
    /// # Errors
    /// The errors of [`Counters::add`](Collection::add).
    pub fn increment(&self, key: impl AsRef<str>) -> impl Future<Output = Result<i64>> + Send {
        self.add(key, 1)
    }

    /// Adds to the number and returns the sum, in one atomic step: N acknowledged additions add up (P6). If
    /// there is no live entry, creates one that starts from 0 and lives for the collection's TTL. Refreshes
    /// if the policy names ARITHMETIC. By default it does not, so a window that has begun ends on time.
    ///
    /// A negative number subtracts.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey).
    /// * [`ErrorKind::Overflow`](ttl_core::ErrorKind::Overflow) and
    ///   [`ErrorKind::Contention`](ttl_core::ErrorKind::Contention). Nothing was changed.
    /// * [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) for a fraction that another writer stored. The
    ///   addition was applied nevertheless, see [`Counters`](crate::Counters).
    /// * The backend's failures, [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) among
    ///   them.
    pub fn add(&self, key: impl AsRef<str>, by: i64) -> impl Future<Output = Result<i64>> + Send {
        let (key, options) = (self.key(key), self.adding());
        async move {
            let key = key?;
            let patch = Patch::new().increment(AsCount::FIELD, by);
            let outcome = done(self.shared.space.patch(Ok(key.clone()), patch, options).await?)?;
            self.counted(&key, &outcome)
        }
    }

    /// Adds to the number as [`Counters::add`](Collection::add) does, if the sum stays within these bounds,
    /// both inclusive: `..=5`, `0..` or `0..=100`. This enforces a limit in one atomic step: a refused
    /// addition is not counted.
    ///
    /// [`Outcome::Applied`] contains the sum, and the deadline at which the window ends. [`Outcome::Refused`]
    /// contains the current number and its deadline, both as of one instant. It contains `None` if there is
    /// no live entry and the first addition alone would exceed the bounds; nothing is created then. A refusal
    /// changes nothing and refreshes nothing (P7).
    ///
    /// Cost:
    /// * Memory: a lock.
    /// * Redis: one request.
    /// * DynamoDB: one request, and one more if an entry is created.
    /// * CQL: a read and a transaction; only the read for a refusal.
    ///
    /// ```
    /// use ttl_store::{Outcome, Ttl};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> ttl_store::Result<()> {
    /// let store = ttl_store::connect("memory:").await?;
    /// // Five calls a minute: the window begins with the first and does not slide.
    /// let calls = store.counters("calls", Ttl::minutes(1)).build()?;
    /// for n in 1..=5 {
    ///     let passed = calls.add_within("ada", 1, ..=5).await?;
    ///     assert_eq!(passed.applied().map(|item| item.value), Some(n));
    /// }
    /// match calls.add_within("ada", 1, ..=5).await? {
    ///     Outcome::Refused(Some(full)) => {
    ///         let wait = full.deadline.and_then(|deadline| deadline.remaining(store.now()));
    ///         println!("{} calls were made, come back in {wait:?}", full.value);
    ///     }
    ///     other => panic!("the sixth call is refused: {other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// * The errors of [`Counters::add`](Collection::add).
    /// * [`ErrorKind::InvalidField`](ttl_core::ErrorKind::InvalidField) for bounds that are reversed or more
    ///   than [`Bounds::LARGEST`] from zero. Nothing was sent.
    pub fn add_within(
        &self,
        key: impl AsRef<str>,
        by: i64,
        bounds: impl Into<Bounds>,
    ) -> impl Future<Output = Result<Outcome<Item<i64>>>> + Send {
        let (key, options) =
            (self.key(key), self.adding().with_returning(self.returning | Returning::DEADLINE));
        let patch = Patch::new().increment_within(AsCount::FIELD, by, bounds);
        async move {
            let key = key?;
            let outcome = self.shared.space.patch(Ok(key.clone()), patch, options).await?;
            outcome.try_map(|counted| {
                let value = self.counted(&key, &counted)?;
                let PatchResult { deadline, version, created_at, .. } = counted;
                Ok(Item { value, deadline, version, created_at, refresh_error: None })
            })
        }
    }

    fn adding(&self) -> PatchOptions {
        PatchOptions::new()
            .with_refresh(self.refresh(Actions::ARITHMETIC))
            .with_create(Create::new(self.lifespan(self.ttl)))
    }

    fn counted(&self, key: &Key, outcome: &PatchResult) -> Result<i64> {
        AsCount::number(&outcome.fields).map_err(|error| self.shared.space.explain(error, "add", key))
    }
}
