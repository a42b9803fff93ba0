//! Options of patch, expire and delete.

use crate::options::{Projection, Refresh, Returning};
use crate::{Expiry, Kind, Lifespan, Record, Ttl, Version};

/// The entry that a patch creates if the key is absent (P2).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Create {
    /// The expiry and the cap of the new entry.
    pub lifespan: Lifespan,
    /// The record that the patch is applied to.
    pub initial: Record,
}

impl Create {
    /// Creates options for a new entry that starts as an empty record.
    #[must_use]
    pub fn new(lifespan: impl Into<Lifespan>) -> Self {
        Self { lifespan: lifespan.into(), initial: Record::new() }
    }

    /// Sets the record that the patch is applied to.
    #[must_use]
    pub fn with_initial(mut self, initial: Record) -> Self {
        self.initial = initial;
        self
    }
}

/// Options of [`TtlStore::patch`](crate::TtlStore::patch).
///
/// ```
/// use ttl_core::options::{Create, PatchOptions};
/// use ttl_core::Ttl;
///
/// // A counter that starts with its first increment and ends an hour later.
/// let counter = PatchOptions::new().with_create(Create::new(Ttl::hours(1)));
/// # let _ = counter;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PatchOptions {
    /// The entry to create if the key is absent; `None` creates nothing, and the result is
    /// [`Outcome::Absent`](crate::Outcome::Absent). If `if_version` is set, an absent key stays absent in
    /// either case.
    pub create: Option<Create>,
    /// The refresh of the deadline. Its slack is ignored, because the patch writes anyway (R5).
    pub refresh: Option<Refresh>,
    /// The version that the live entry must have.
    pub if_version: Option<Version>,
    /// The metadata to return.
    pub returning: Returning,
}

impl PatchOptions {
    /// Creates options that patch a live entry, create none and keep the deadline.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the entry to create if the key is absent.
    #[must_use]
    pub fn with_create(mut self, create: Create) -> Self {
        self.create = Some(create);
        self
    }

    /// Sets the refresh of the deadline; `None` keeps the deadline.
    #[must_use]
    pub fn with_refresh(mut self, refresh: impl Into<Option<Refresh>>) -> Self {
        self.refresh = refresh.into();
        self
    }

    /// Sets the version that the live entry must have.
    #[must_use]
    pub const fn with_if_version(mut self, version: Version) -> Self {
        self.if_version = Some(version);
        self
    }

    /// Sets the metadata to return.
    #[must_use]
    pub const fn with_returning(mut self, returning: Returning) -> Self {
        self.returning = returning;
        self
    }
}

/// The change of a live entry's deadline by an expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryChange {
    /// Sets the deadline. [`Expiry::Never`] makes the entry persistent, or lets it live until its cap. An
    /// instant in the past ends the entry.
    Set(Expiry),
    /// Moves the deadline this far past the present one. A persistent entry is unchanged (X3).
    Extend(Ttl),
}

/// The condition under which an expire changes the deadline (X2). A persistent entry counts as infinitely
/// late.
///
/// A guard that does not hold is not a refusal. The entry lives on, and the outcome reports its deadline with
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
    /// Only if the entry has no deadline.
    IfPersistent,
}

/// Options of [`TtlStore::expire`](crate::TtlStore::expire).
///
/// ```
/// use ttl_core::options::{ExpireOptions, ExpiryChange, Guard};
/// use ttl_core::Ttl;
///
/// // A touch: half an hour from now, but never sooner than before.
/// let (change, options) = (ExpiryChange::Set(Ttl::minutes(30).into()), ExpireOptions::new().with_guard(Guard::IfLater));
/// # let _ = (change, options);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpireOptions {
    /// The condition under which the deadline changes.
    pub guard: Guard,
    /// The version that the live entry must have, as for the renewal of a lease (X8).
    pub if_version: Option<Version>,
}

impl ExpireOptions {
    /// Creates options without a guard and for any version.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the guard.
    #[must_use]
    pub const fn with_guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Sets the version that the live entry must have.
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
    /// The part of the deleted value to return. With [`Projection::All`] the delete is a take: only one of
    /// many concurrent callers gets the value. With [`Projection::Nothing`] no entry is returned.
    pub projection: Projection,
    /// The expected kind. An entry of the other kind is not deleted, and the result is
    /// [`ErrorKind::WrongKind`](crate::ErrorKind::WrongKind).
    pub kind: Option<Kind>,
    /// The version that the live entry must have.
    pub if_version: Option<Version>,
}

impl DeleteOptions {
    /// Creates options that delete any entry and return nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { projection: Projection::Nothing, kind: None, if_version: None }
    }

    /// Creates options that delete the entry and return the whole value.
    #[must_use]
    pub const fn take() -> Self {
        Self { projection: Projection::All, kind: None, if_version: None }
    }

    /// Sets the part of the value to return.
    #[must_use]
    pub fn with_projection(mut self, projection: Projection) -> Self {
        self.projection = projection;
        self
    }

    /// Sets the expected kind.
    #[must_use]
    pub const fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Sets the version that the live entry must have.
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
