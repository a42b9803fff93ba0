//! What a driver promises, so that a program and the conformance suite can ask before they act.

use std::time::Duration;

use crate::{
    Condition, DeleteOptions, Error, ErrorKind, ExpireOptions, GetOptions, Lifespan, Patch, PatchOptions,
    Projection, PutOptions, Result, Returning, ScanOptions,
};

/// What a store can do and how well (H1): what is declared works, what is denied answers
/// [`ErrorKind::Unsupported`] and changes nothing.
///
/// [`Capabilities::new`] declares the whole contract; a driver takes back what it cannot keep.
///
/// ```
/// use ttl_core::Capabilities;
///
/// let capabilities = Capabilities::new("files").with_scan(false);
/// assert!(capabilities.conditions && !capabilities.scan);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The backend's name, such as `"redis"`.
    pub backend: &'static str,
    /// How late, at most, an entry can still be seen after its deadline. Never early (E2).
    pub resolution: Duration,
    /// How late, at most, the space of an expired entry is given back without any traffic; `None`: no promise.
    pub reclaims_within: Option<Duration>,
    /// The largest value, in bytes: a blob's length, or the length of a record's canonical text.
    pub max_value_bytes: u64,
    /// Conditions of puts, `if_version` of the other writes, and deletes that look at what they delete: takes, of
    /// which one may win (C1), and those that expect a kind (V3).
    pub conditions: bool,
    /// [`TtlStore::patch`](crate::TtlStore::patch), atomic.
    pub patch: bool,
    /// Caps, [`Lifespan::max`](crate::Lifespan::max).
    pub caps: bool,
    /// [`TtlStore::scan`](crate::TtlStore::scan).
    pub scan: bool,
    /// [`Returning::CREATED_AT`] (V7). A store that patches by a put, as the provided
    /// [`TtlStore::patch`](crate::TtlStore::patch) does, cannot offer it: a put starts it anew.
    pub created_at: bool,
    /// Every write makes a version that no write made before; else a version recurs when its value recurs.
    pub unique_versions: bool,
    /// Whether a plain read makes the backend write.
    pub reads_cost_writes: bool,
}

impl Capabilities {
    /// The whole contract at a resolution of 1 ms, values of any size, no promise about reclaiming.
    #[must_use]
    pub const fn new(backend: &'static str) -> Self {
        Self {
            backend,
            resolution: Duration::from_millis(1),
            reclaims_within: None,
            max_value_bytes: u64::MAX,
            conditions: true,
            patch: true,
            caps: true,
            scan: true,
            created_at: true,
            unique_versions: true,
            reads_cost_writes: false,
        }
    }

    /// With this resolution.
    #[must_use]
    pub const fn with_resolution(mut self, resolution: Duration) -> Self {
        self.resolution = resolution;
        self
    }

    /// With a promise to give the space of expired entries back within this time.
    #[must_use]
    pub const fn with_reclaims_within(mut self, within: Duration) -> Self {
        self.reclaims_within = Some(within);
        self
    }

    /// With values of at most so many bytes.
    #[must_use]
    pub const fn with_max_value_bytes(mut self, bytes: u64) -> Self {
        self.max_value_bytes = bytes;
        self
    }

    /// With or without conditions.
    #[must_use]
    pub const fn with_conditions(mut self, conditions: bool) -> Self {
        self.conditions = conditions;
        self
    }

    /// With or without patches.
    #[must_use]
    pub const fn with_patch(mut self, patch: bool) -> Self {
        self.patch = patch;
        self
    }

    /// With or without caps.
    #[must_use]
    pub const fn with_caps(mut self, caps: bool) -> Self {
        self.caps = caps;
        self
    }

    /// With or without scans.
    #[must_use]
    pub const fn with_scan(mut self, scan: bool) -> Self {
        self.scan = scan;
        self
    }

    /// With or without the time of creation.
    #[must_use]
    pub const fn with_created_at(mut self, created_at: bool) -> Self {
        self.created_at = created_at;
        self
    }

    /// With versions that never recur, or that do.
    #[must_use]
    pub const fn with_unique_versions(mut self, unique: bool) -> Self {
        self.unique_versions = unique;
        self
    }

    /// With reads that make the backend write, or that do not.
    #[must_use]
    pub const fn with_reads_cost_writes(mut self, cost: bool) -> Self {
        self.reads_cost_writes = cost;
        self
    }

    /// Refuses what a get asks for and this store cannot do.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], naming the capability.
    #[inline]
    pub fn check_get(&self, options: &GetOptions) -> Result<()> {
        self.check_want(options.returning, "get")
    }

    /// Refuses what a put asks for and this store cannot do.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], naming the capability.
    pub fn check_put(&self, options: &PutOptions) -> Result<()> {
        let conditional = options.condition != Condition::Always || options.previous;
        self.demand(self.conditions || !conditional, "put", "conditions")?;
        self.check_want(options.returning, "put")?;
        self.check_lifespan(&options.lifespan, "put")
    }

    /// Refuses what a patch asks for and this store cannot do.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], naming the capability; the patch's own error if it was built with bad input.
    pub fn check_patch(&self, patch: &Patch, options: &PatchOptions) -> Result<()> {
        self.demand(self.patch, "patch", "patch")?;
        self.demand(self.conditions || options.if_version.is_none(), "patch", "conditions")?;
        self.check_want(options.returning, "patch")?;
        if let Some(create) = &options.create {
            self.check_lifespan(&create.lifespan, "patch")?;
        }
        patch.operations().map(|_| ())
    }

    /// Refuses what an expire asks for and this store cannot do.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], naming the capability.
    pub fn check_expire(&self, options: &ExpireOptions) -> Result<()> {
        self.demand(self.conditions || options.if_version.is_none(), "expire", "conditions")
    }

    /// Refuses what a delete asks for and this store cannot do.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], naming the capability.
    pub fn check_delete(&self, options: &DeleteOptions) -> Result<()> {
        let plain = options.if_version.is_none()
            && options.kind.is_none()
            && options.projection == Projection::Nothing;
        self.demand(self.conditions || plain, "delete", "conditions")
    }

    /// Refuses a scan if this store has none, and what it asks for and this store cannot do.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], naming the capability.
    pub fn check_scan(&self, options: &ScanOptions) -> Result<()> {
        self.demand(self.scan, "scan", "scan")?;
        self.check_want(options.returning, "scan")
    }

    /// Refuses a value above [`Capabilities::max_value_bytes`] (V4).
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`].
    pub fn check_size(&self, bytes: usize) -> Result<()> {
        if u64::try_from(bytes).is_ok_and(|bytes| bytes <= self.max_value_bytes) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TooLarge,
            format!("a value has at most {} bytes here, this one has {bytes}", self.max_value_bytes),
        )
        .with_backend(self.backend))
    }

    #[inline]
    fn check_want(&self, returning: Returning, operation: &'static str) -> Result<()> {
        self.demand(self.created_at || !returning.contains(Returning::CREATED_AT), operation, "created_at")
    }

    fn check_lifespan(&self, lifespan: &Lifespan, operation: &'static str) -> Result<()> {
        self.demand(self.caps || lifespan.max_lifetime.is_none(), operation, "caps")
    }

    fn demand(&self, holds: bool, operation: &'static str, capability: &'static str) -> Result<()> {
        if holds {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "this store does not offer {capability}; ask capabilities() before, or choose another backend"
            ),
        )
        .with_operation(operation)
        .with_backend(self.backend))
    }
}
