//! Options of patch, expire and delete.

use crate::{Expiry, Kind, Lifespan, Projection, Record, Refresh, Returning, Ttl, Version};

/// What a patch makes of an absent key (P2).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Create {
    /// Expiry and cap of the new entry.
    pub lifespan: Lifespan,
    /// The record that the patch is applied to.
    pub initial: Record,
}

impl Create {
    /// Creates with this lifespan from an empty record.
    #[must_use]
    pub fn new(lifespan: impl Into<Lifespan>) -> Self {
        Self { lifespan: lifespan.into(), initial: Record::new() }
    }

    /// Creates from this record.
    #[must_use]
    pub fn with_initial(mut self, initial: Record) -> Self {
        self.initial = initial;
        self
    }
}

/// Options of [`TtlStore::patch`](crate::TtlStore::patch).
///
/// ```
/// use ttl_core::{Create, PatchOptions, Ttl};
///
/// // A counter that starts with its first increment and ends an hour later.
/// let counter = PatchOptions::new().with_create(Create::new(Ttl::hours(1)));
/// # let _ = counter;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PatchOptions {
    /// What to make of an absent key; `None`: nothing, the answer is [`Outcome::Absent`](crate::Outcome::Absent).
    /// With `if_version` an absent key stays absent all the same.
    pub create: Option<Create>,
    /// How the patch refreshes the deadline; the slack does not count, because the patch writes anyway (R5).
    pub refresh: Option<Refresh>,
    /// Only if the live entry has this version.
    pub if_version: Option<Version>,
    /// Which metadata to report.
    pub returning: Returning,
}

impl PatchOptions {
    /// Patches a live entry, creates none, keeps the deadline.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an entry of an absent key.
    #[must_use]
    pub fn with_create(mut self, create: Create) -> Self {
        self.create = Some(create);
        self
    }

    /// Refreshes the deadline, or does not.
    #[must_use]
    pub fn with_refresh(mut self, refresh: impl Into<Option<Refresh>>) -> Self {
        self.refresh = refresh.into();
        self
    }

    /// Only if the live entry has this version.
    #[must_use]
    pub const fn with_if_version(mut self, version: Version) -> Self {
        self.if_version = Some(version);
        self
    }

    /// Reports this metadata.
    #[must_use]
    pub const fn with_returning(mut self, returning: Returning) -> Self {
        self.returning = returning;
        self
    }
}

/// How an expire changes the deadline of a live entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryChange {
    /// To this; [`Expiry::Never`] makes the entry persistent (or lets it live until its cap), an instant in
    /// the past ends it.
    Set(Expiry),
    /// To so much after the present deadline; a persistent entry stays as it is (X3).
    Extend(Ttl),
}

/// When an expire may change the deadline (X2). A persistent entry counts as infinitely late.
///
/// A guard that does not hold is no refusal: the entry lives, and the outcome reports its deadline with
/// `changed: false`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// Always.
    #[default]
    Always,
    /// Only if the new deadline is later than the present one.
    IfLater,
    /// Only if the new deadline is sooner than the present one.
    IfSooner,
    /// Only if the entry has a deadline.
    IfExpiring,
    /// Only if the entry has none.
    IfPersistent,
}

/// Options of [`TtlStore::expire`](crate::TtlStore::expire).
///
/// ```
/// use ttl_core::{ExpireOptions, ExpiryChange, Guard, Ttl};
///
/// // A touch: half an hour from now, never sooner than before.
/// let (change, options) = (ExpiryChange::Set(Ttl::minutes(30).into()), ExpireOptions::new().with_guard(Guard::IfLater));
/// # let _ = (change, options);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpireOptions {
    /// When the deadline may change.
    pub guard: Guard,
    /// Only if the live entry has this version: a lease renewal (X8).
    pub if_version: Option<Version>,
}

impl ExpireOptions {
    /// Unguarded, whatever the version.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if this guard holds.
    #[must_use]
    pub const fn with_guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Only if the live entry has this version.
    #[must_use]
    pub const fn with_if_version(mut self, version: Version) -> Self {
        self.if_version = Some(version);
        self
    }
}

/// Options of [`TtlStore::delete`](crate::TtlStore::delete).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// Which part of the deleted value to hand back: with [`Projection::All`] the delete is a take, which of many
    /// callers one gets. [`Projection::Nothing`] hands back no entry.
    pub projection: Projection,
    /// The kind that the caller expects; the other one is [`ErrorKind::WrongKind`](crate::ErrorKind::WrongKind)
    /// and stays.
    pub kind: Option<Kind>,
    /// Only if the live entry has this version.
    pub if_version: Option<Version>,
}

impl DeleteOptions {
    /// Deletes whatever is there and hands nothing back.
    #[must_use]
    pub const fn new() -> Self {
        Self { projection: Projection::Nothing, kind: None, if_version: None }
    }

    /// Deletes and hands the whole value back.
    #[must_use]
    pub const fn take() -> Self {
        Self { projection: Projection::All, kind: None, if_version: None }
    }

    /// Hands this part back.
    #[must_use]
    pub fn with_projection(mut self, projection: Projection) -> Self {
        self.projection = projection;
        self
    }

    /// Expects this kind.
    #[must_use]
    pub const fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Only if the live entry has this version.
    #[must_use]
    pub const fn with_if_version(mut self, version: Version) -> Self {
        self.if_version = Some(version);
        self
    }
}

impl Default for DeleteOptions {
    fn default() -> Self {
        Self::new()
    }
}
