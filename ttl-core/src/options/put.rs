//! Options of put.

#[cfg(doc)]
use crate::Expiry;
use crate::{Key, Lifespan, Refresh, Returning, Value, Version};

/// When a put may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    #[default]
    Always,
    /// Only if no live entry is there, else [`Outcome::Refused`](crate::Outcome::Refused). Of many concurrent
    /// callers exactly one wins (C1).
    IfAbsent,
    /// Only if a live entry is there, else [`Outcome::Absent`](crate::Outcome::Absent).
    IfPresent,
    /// Only if the live entry has this version, else [`Outcome::Refused`](crate::Outcome::Refused), or
    /// [`Outcome::Absent`](crate::Outcome::Absent) without a live entry. Of many concurrent callers with the same
    /// version one wins, if its write changes the value (C2).
    IfVersion(Version),
}

/// What a put does to the deadline of a live entry. An absent one always gets the lifespan's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExistingDeadline {
    /// Replaces it by the lifespan's expiry, [`Expiry::Never`] included (E5).
    #[default]
    Replace,
    /// Keeps it (E5).
    Keep,
    /// Refreshes it (R2); the slack does not count, because the put writes anyway (R5).
    Refresh(Refresh),
}

/// Options of [`TtlStore::put`](crate::TtlStore::put). There is no default expiry: a put says how long (E5).
///
/// ```
/// use ttl_core::{Condition, PutOptions, Ttl};
///
/// let once = PutOptions::new(Ttl::hours(24)).with_condition(Condition::IfAbsent);
/// # let _ = once;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutOptions {
    /// Expiry and cap of what the put creates; see [`ExistingDeadline`] for a live entry.
    pub lifespan: Lifespan,
    /// What happens to a live entry's deadline.
    pub existing_deadline: ExistingDeadline,
    /// When the put may write.
    pub condition: Condition,
    /// Which metadata to report.
    pub returning: Returning,
    /// Whether to hand back the value of the live entry that the put met (C5), see [`PutResult::previous`](crate::PutResult::previous).
    pub previous: bool,
}

impl PutOptions {
    /// An unconditional put that replaces the deadline.
    #[must_use]
    pub fn new(lifespan: impl Into<Lifespan>) -> Self {
        Self {
            lifespan: lifespan.into(),
            existing_deadline: ExistingDeadline::default(),
            condition: Condition::default(),
            returning: Returning::default(),
            previous: false,
        }
    }

    /// Treats a live entry's deadline like this.
    #[must_use]
    pub const fn with_existing_deadline(mut self, existing_deadline: ExistingDeadline) -> Self {
        self.existing_deadline = existing_deadline;
        self
    }

    /// Writes only under this condition.
    #[must_use]
    pub const fn with_condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// Reports this metadata.
    #[must_use]
    pub const fn with_returning(mut self, returning: Returning) -> Self {
        self.returning = returning;
        self
    }

    /// Hands back the value that the put met (C5): the one that it replaced, or the one that refused it.
    ///
    /// Needs [`Capabilities::conditions`](crate::Capabilities::conditions). It costs nothing more in memory and on
    /// DynamoDB, the bytes of the answer on Redis, and a read on CQL.
    #[must_use]
    pub const fn with_previous(mut self) -> Self {
        self.previous = true;
        self
    }
}

/// One put of a [`TtlStore::put_many`](crate::TtlStore::put_many).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PutItem {
    /// Where to.
    pub key: Key,
    /// What.
    pub value: Value,
    /// How; each item has its own.
    pub options: PutOptions,
}

impl PutItem {
    /// A put of this value.
    #[must_use]
    pub fn new(key: Key, value: impl Into<Value>, options: PutOptions) -> Self {
        Self { key, value: value.into(), options }
    }
}
