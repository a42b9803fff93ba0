//! The capabilities of a store, which applications and the conformance suite can query in advance.

use std::time::Duration;

use crate::options::{
    Condition, DeleteOptions, ExpireOptions, GetOptions, PatchOptions, Projection, PutOptions, Returning,
    ScanOptions,
};
use crate::{Error, ErrorKind, Expiry, Lifespan, Patch, Result};

/// The capabilities of a store, and their limits (H1). A declared capability works. An operation that
/// requires a missing one returns [`ErrorKind::Unsupported`] and changes nothing.
///
/// [`Capabilities::new`] declares the whole contract except [`changes`](Capabilities::changes). A driver
/// removes the capabilities that it lacks.
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
    /// The longest time for which an entry can remain visible after its deadline. An entry never disappears
    /// early (E2).
    pub resolution: Duration,
    /// The longest time until the store reclaims the space of an expired entry without any traffic; `None` if
    /// there is no guarantee.
    pub reclaims_within: Option<Duration>,
    /// Whether the store keeps entries. If not, every read is a miss, and every entry is gone as soon as it is
    /// written; see [`NullStore`](crate::driver::NullStore).
    pub stores: bool,
    /// The largest value, in bytes: the length of a blob, or of a record's canonical text.
    pub max_value_bytes: u64,
    /// Conditions of puts, `if_version` of the other writes, and deletes that depend on the entry. The latter
    /// are takes, of which only one may win (C1), and deletes that expect a kind (V3).
    pub conditions: bool,
    /// Atomic [`TtlStore::patch`](crate::TtlStore::patch).
    pub patch: bool,
    /// Caps: [`Lifespan::cap`](crate::Lifespan::cap) and [`GetOptions::cap`].
    pub caps: bool,
    /// [`TtlStore::scan`](crate::TtlStore::scan).
    pub scan: bool,
    /// [`Returning::CREATED_AT`] (V7). A store that patches with a put, as the provided
    /// [`TtlStore::patch`](crate::TtlStore::patch) does, cannot offer it, because a put resets the creation
    /// time.
    pub created_at: bool,
    /// [`TtlStore::changes`](crate::TtlStore::changes) (N1). Off by default, because few backends report
    /// changes.
    pub changes: bool,
    /// Whether every write produces a version that was never used before. If not, a version recurs when its
    /// value recurs.
    pub unique_versions: bool,
    /// Whether a plain read causes a write in the backend.
    pub reads_cost_writes: bool,
    /// Whether the store compresses values. Values that do not compress, such as encrypted ones, are then a
    /// waste of time.
    pub compresses_values: bool,
}

impl Capabilities {
    /// Creates the capabilities of a store with the whole contract except [`changes`](Self::changes): a
    /// resolution of 1 ms, values of any size, and no guarantee about reclaiming.
    #[must_use]
    pub const fn new(backend: &'static str) -> Self {
        Self {
            backend,
            resolution: Duration::from_millis(1),
            reclaims_within: None,
            stores: true,
            max_value_bytes: u64::MAX,
            conditions: true,
            patch: true,
            caps: true,
            scan: true,
            created_at: true,
            changes: false,
            unique_versions: true,
            reads_cost_writes: false,
            compresses_values: false,
        }
    }

    /// Sets the resolution.
    #[must_use]
    pub const fn with_resolution(mut self, resolution: Duration) -> Self {
        self.resolution = resolution;
        self
    }

    /// Sets the time within which the store reclaims the space of expired entries.
    #[must_use]
    pub const fn with_reclaims_within(mut self, within: Duration) -> Self {
        self.reclaims_within = Some(within);
        self
    }

    /// Sets whether the store keeps entries.
    #[must_use]
    pub const fn with_stores(mut self, stores: bool) -> Self {
        self.stores = stores;
        self
    }

    /// Sets the largest size of a value, in bytes.
    #[must_use]
    pub const fn with_max_value_bytes(mut self, bytes: u64) -> Self {
        self.max_value_bytes = bytes;
        self
    }

    /// Sets whether the store offers conditions.
    #[must_use]
    pub const fn with_conditions(mut self, conditions: bool) -> Self {
        self.conditions = conditions;
        self
    }

    /// Sets whether the store offers patches.
    #[must_use]
    pub const fn with_patch(mut self, patch: bool) -> Self {
        self.patch = patch;
        self
    }

    /// Sets whether the store offers caps.
    #[must_use]
    pub const fn with_caps(mut self, caps: bool) -> Self {
        self.caps = caps;
        self
    }

    /// Sets whether the store offers scans.
    #[must_use]
    pub const fn with_scan(mut self, scan: bool) -> Self {
        self.scan = scan;
        self
    }

    /// Sets whether the store reports creation times.
    #[must_use]
    pub const fn with_created_at(mut self, created_at: bool) -> Self {
        self.created_at = created_at;
        self
    }

    /// Sets whether the store reports changes.
    #[must_use]
    pub const fn with_changes(mut self, changes: bool) -> Self {
        self.changes = changes;
        self
    }

    /// Sets whether versions never recur.
    #[must_use]
    pub const fn with_unique_versions(mut self, unique: bool) -> Self {
        self.unique_versions = unique;
        self
    }

    /// Sets whether a plain read causes a write in the backend.
    #[must_use]
    pub const fn with_reads_cost_writes(mut self, cost: bool) -> Self {
        self.reads_cost_writes = cost;
        self
    }

    /// Sets whether the store compresses values.
    #[must_use]
    pub const fn with_compresses_values(mut self, compresses: bool) -> Self {
        self.compresses_values = compresses;
        self
    }

    /// Checks that the store has the capabilities that a get requires.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], with the name of the missing capability.
    #[inline]
    pub fn check_get(&self, options: &GetOptions) -> Result<()> {
        self.demand(self.caps || !options.cap, "get", "caps")?;
        self.check_want(options.returning, "get")
    }

    /// Checks that the store has the capabilities that a put requires.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], with the name of the missing capability.
    pub fn check_put(&self, options: &PutOptions) -> Result<()> {
        let conditional = options.condition != Condition::Always || options.previous;
        self.demand(self.conditions || !conditional, "put", "conditions")?;
        self.check_want(options.returning, "put")?;
        self.check_lifespan(&options.lifespan, "put")
    }

    /// Checks that the store has the capabilities that a patch requires, and that the patch is valid.
    ///
    /// # Errors
    /// * [`ErrorKind::Unsupported`], with the name of the missing capability
    /// * the error of the patch if it was built from invalid input
    pub fn check_patch(&self, patch: &Patch, options: &PatchOptions) -> Result<()> {
        self.demand(self.patch, "patch", "patch")?;
        self.demand(self.conditions || options.if_version.is_none(), "patch", "conditions")?;
        self.check_want(options.returning, "patch")?;
        if let Some(create) = &options.create {
            self.check_lifespan(&create.lifespan, "patch")?;
        }
        patch.operations().map(|_| ())
    }

    /// Checks that the store has the capabilities that an expire requires.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], with the name of the missing capability.
    pub fn check_expire(&self, options: &ExpireOptions) -> Result<()> {
        self.demand(self.conditions || options.if_version.is_none(), "expire", "conditions")
    }

    /// Checks that the store has the capabilities that a delete requires.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], with the name of the missing capability.
    pub fn check_delete(&self, options: &DeleteOptions) -> Result<()> {
        let plain = options.if_version.is_none()
            && options.kind.is_none()
            && options.projection == Projection::Nothing;
        self.demand(self.conditions || plain, "delete", "conditions")
    }

    /// Checks that the store offers scans, and has the other capabilities that a scan requires.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], with the name of the missing capability.
    pub fn check_scan(&self, options: &ScanOptions) -> Result<()> {
        self.demand(self.scan, "scan", "scan")?;
        self.check_want(options.returning, "scan")
    }

    /// Checks that a value is no larger than [`Capabilities::max_value_bytes`] (V4).
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] if it is larger.
    pub fn check_size(&self, bytes: usize) -> Result<()> {
        if u64::try_from(bytes).is_ok_and(|bytes| bytes <= self.max_value_bytes) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TooLarge,
            format!("the value has {bytes} bytes: expected at most {} on this store", self.max_value_bytes),
        )
        .with_backend(self.backend))
    }

    #[inline]
    fn check_want(&self, returning: Returning, operation: &'static str) -> Result<()> {
        self.demand(self.created_at || !returning.contains(Returning::CREATED_AT), operation, "created_at")
    }

    fn check_lifespan(&self, lifespan: &Lifespan, operation: &'static str) -> Result<()> {
        self.demand(self.caps || lifespan.cap == Expiry::Never, operation, "caps")
    }

    fn demand(&self, holds: bool, operation: &'static str, capability: &'static str) -> Result<()> {
        if holds {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "this store does not offer {capability}; check capabilities(), or choose another backend"
            ),
        )
        .with_operation(operation)
        .with_backend(self.backend))
    }
}
