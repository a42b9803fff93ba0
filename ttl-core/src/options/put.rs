//! Options of put.

#[cfg(doc)]
use crate::Expiry;
use crate::options::{Refresh, Returning};
use crate::{Key, Lifespan, Value, Version};

/// The condition under which a put writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    #[default]
    Always,
    /// Only if there is no live entry, otherwise [`Outcome::Refused`](crate::Outcome::Refused). Of many
    /// concurrent callers exactly one wins (C1).
    IfAbsent,
    /// Only if there is a live entry, otherwise [`Outcome::Absent`](crate::Outcome::Absent).
    IfPresent,
    /// Only if the live entry has this version. Otherwise [`Outcome::Refused`](crate::Outcome::Refused), or
    /// [`Outcome::Absent`](crate::Outcome::Absent) if there is no live entry. Of many concurrent callers with
    /// the same version one wins, if its write changes the value (C2).
    IfVersion(Version),
}

/// The effect of a put on the deadline of a live entry. A new entry always gets the deadline of the lifespan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExistingDeadline {
    /// Replaces it with the lifespan's expiry, including [`Expiry::Never`] (E5).
    #[default]
    Replace,
    /// Keeps it (E5).
    Keep,
    /// Refreshes it (R2). The slack is ignored, because the put writes anyway (R5).
    Refresh(Refresh),
}

/// Options of [`TtlStore::put`](crate::TtlStore::put). There is no default expiry: every put specifies one
/// (E5).
///
/// ```
/// use ttl_core::options::{Condition, PutOptions};
/// use ttl_core::Ttl;
///
/// let once = PutOptions::new(Ttl::hours(24)).with_condition(Condition::IfAbsent);
/// # let _ = once;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutOptions {
    /// The expiry and the cap of a new entry; see [`ExistingDeadline`] for a live entry.
    pub lifespan: Lifespan,
    /// The treatment of a live entry's deadline.
    pub existing_deadline: ExistingDeadline,
    /// The condition of the put.
    pub condition: Condition,
    /// The metadata to return.
    pub returning: Returning,
    /// Whether to return the value of the live entry that the put found (C5); see
    /// [`PutResult::previous`](crate::results::PutResult::previous).
    pub previous: bool,
}

impl PutOptions {
    /// Creates options of an unconditional put that replaces the deadline.
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

    /// Sets the treatment of a live entry's deadline.
    #[must_use]
    pub const fn with_existing_deadline(mut self, existing_deadline: ExistingDeadline) -> Self {
        self.existing_deadline = existing_deadline;
        self
    }

    /// Sets the condition.
    #[must_use]
    pub const fn with_condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// Sets the metadata to return.
    #[must_use]
    pub const fn with_returning(mut self, returning: Returning) -> Self {
        self.returning = returning;
        self
    }

    /// Requests the value of the live entry that the put found (C5): the replaced value, or the value of the
    /// entry that refused the put.
    ///
    /// Requires [`Capabilities::conditions`](crate::Capabilities::conditions). It costs nothing extra in
    /// memory and on DynamoDB, the bytes of the response on Redis, and a read on CQL.
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
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Value,
    /// The options of this item.
    pub options: PutOptions,
}

impl PutItem {
    /// Creates an item.
    #[must_use]
    pub fn new(key: Key, value: impl Into<Value>, options: PutOptions) -> Self {
        Self { key, value: value.into(), options }
    }
}
