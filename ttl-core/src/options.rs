//! What each operation takes beside the key: one struct an operation, which can grow without breaking callers.

use std::num::NonZeroUsize;

use crate::{Cursor, Expiry, Key, Kind, Lifespan, Record, Refresh, Select, Ttl, Value, Version, Want};

/// Options of [`TtlStore::get`](crate::TtlStore::get).
///
/// ```
/// use ttl_core::{GetOptions, Kind, Refresh, Ttl, Want};
///
/// let sliding = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::minutes(30)));
/// let peek = GetOptions::nothing().with_want(Want::DEADLINE);
/// # let _ = (sliding, peek, Kind::Blob);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GetOptions {
    /// Which part of the value to read.
    pub select: Select,
    /// The kind that the caller expects; the other one is [`ErrorKind::WrongKind`](crate::ErrorKind::WrongKind).
    pub kind: Option<Kind>,
    /// Which metadata to report.
    pub want: Want,
    /// How this read refreshes the deadline; `None`: not at all (a peek).
    pub refresh: Option<Refresh>,
}

impl GetOptions {
    /// The whole value, no metadata, no refresh.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only whether the entry is there.
    #[must_use]
    pub fn nothing() -> Self {
        Self::new().with_select(Select::Nothing)
    }

    /// Reads this part.
    #[must_use]
    pub fn with_select(mut self, select: Select) -> Self {
        self.select = select;
        self
    }

    /// Expects this kind.
    #[must_use]
    pub const fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Reports this metadata.
    #[must_use]
    pub const fn with_want(mut self, want: Want) -> Self {
        self.want = want;
        self
    }

    /// Refreshes the deadline, or does not.
    #[must_use]
    pub fn with_refresh(mut self, refresh: impl Into<Option<Refresh>>) -> Self {
        self.refresh = refresh.into();
        self
    }
}

/// When a put may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
pub enum OnLive {
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
    /// Expiry and hard cap of what the put creates; see [`OnLive`] for a live entry.
    pub lifespan: Lifespan,
    /// What happens to a live entry's deadline.
    pub on_live: OnLive,
    /// When the put may write.
    pub condition: Condition,
    /// Which metadata to report.
    pub want: Want,
}

impl PutOptions {
    /// An unconditional put that replaces the deadline.
    #[must_use]
    pub fn new(lifespan: impl Into<Lifespan>) -> Self {
        Self {
            lifespan: lifespan.into(),
            on_live: OnLive::default(),
            condition: Condition::default(),
            want: Want::default(),
        }
    }

    /// Treats a live entry's deadline like this.
    #[must_use]
    pub const fn with_on_live(mut self, on_live: OnLive) -> Self {
        self.on_live = on_live;
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
    pub const fn with_want(mut self, want: Want) -> Self {
        self.want = want;
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

/// What a patch makes of an absent key (P2).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Create {
    /// Expiry and hard cap of the new entry.
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
    pub want: Want,
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
    pub const fn with_want(mut self, want: Want) -> Self {
        self.want = want;
        self
    }
}

/// How an expire changes the deadline of a live entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpiryChange {
    /// To this; [`Expiry::Never`] makes the entry persistent (or lets it live until its hard cap), an instant in
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
#[non_exhaustive]
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
    /// Which part of the deleted value to hand back: with [`Select::All`] the delete is a take, which of many
    /// callers one gets. [`Select::Nothing`] hands back no entry.
    pub select: Select,
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
        Self { select: Select::Nothing, kind: None, if_version: None }
    }

    /// Deletes and hands the whole value back.
    #[must_use]
    pub const fn take() -> Self {
        Self { select: Select::All, kind: None, if_version: None }
    }

    /// Hands this part back.
    #[must_use]
    pub fn with_select(mut self, select: Select) -> Self {
        self.select = select;
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

/// Options of [`TtlStore::scan`](crate::TtlStore::scan).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanOptions {
    /// What the keys begin with, literally (S2); empty for all.
    pub prefix: String,
    /// How many entries a page holds; only the last page holds fewer (S1).
    pub limit: NonZeroUsize,
    /// Where to go on: the [`Page::next`](crate::Page::next) of the page before.
    pub cursor: Option<Cursor>,
    /// Which part of the values to read. Entries of the other kind are listed without a value where fields are
    /// asked for.
    pub select: Select,
    /// Which metadata to report.
    pub want: Want,
}

impl ScanOptions {
    /// The entries a page holds, unless said otherwise.
    pub const DEFAULT_LIMIT: NonZeroUsize = NonZeroUsize::new(100).unwrap();

    /// The keys that begin with this, without their values, from the start, 100 a page.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            limit: Self::DEFAULT_LIMIT,
            cursor: None,
            select: Select::Nothing,
            want: Want::default(),
        }
    }

    /// With pages of so many entries.
    #[must_use]
    pub const fn with_limit(mut self, limit: NonZeroUsize) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on after a page.
    #[must_use]
    pub fn with_cursor(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.cursor = cursor.into();
        self
    }

    /// Reads this part of the values.
    #[must_use]
    pub fn with_select(mut self, select: Select) -> Self {
        self.select = select;
        self
    }

    /// Reports this metadata.
    #[must_use]
    pub const fn with_want(mut self, want: Want) -> Self {
        self.want = want;
        self
    }
}
