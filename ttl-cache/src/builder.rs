//! The builder of a cache. It rejects an invalid configuration before anything is sent.

use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use ttl_core::codec::Codec;
use ttl_core::{Error, ErrorKind, Result, Ttl, TtlStore};

use crate::cache::Cache;
use crate::core::Core;
use crate::key::Keys;
use crate::near::NearCache;
use crate::settings::{Coordination, Near, OnOutage, Settings};

/// Builds a [`Cache`]. Every setting has a default.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use ttl_cache::{Cache, Near};
/// use ttl_core::Ttl;
/// use ttl_core::codec::Json;
/// use ttl_memory::MemoryStore;
///
/// # fn main() -> ttl_core::Result<()> {
/// let pages: Cache<String, String> = Cache::builder(Arc::new(MemoryStore::default()), "pages", Ttl::hours(1), Json)
///     .fresh_for(Ttl::minutes(5))
///     .soft_timeout(Duration::from_millis(200))
///     .near(Near::new(1_000))
///     .build()?;
/// # let _ = pages;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder makes nothing before build is called"]
pub struct CacheBuilder<K, V> {
    store: Arc<dyn TtlStore>,
    codec: Arc<dyn Codec<V>>,
    settings: Settings,
    key: PhantomData<fn(K) -> V>,
}

impl<K: Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> CacheBuilder<K, V> {
    pub(crate) fn new(
        store: Arc<dyn TtlStore>,
        name: String,
        ttl: Ttl,
        codec: impl Codec<V> + 'static,
    ) -> Self {
        let settings = Settings::new(name, ttl);
        Self { store, codec: Arc::new(codec), settings, key: PhantomData }
    }

    /// Sets the time after which a value is stale, counted from the beginning of its load. It is returned until
    /// the TTL ends, and the first call that finds it stale begins a refresh. Defaults to the TTL: a value is
    /// never stale.
    pub const fn fresh_for(mut self, fresh_for: Ttl) -> Self {
        self.settings.fresh_for = Some(fresh_for);
        self
    }

    /// Sets how long a call waits for the refresh of a stale value before it returns the stale one. Defaults to
    /// zero: it returns the stale value at once. A failed refresh also leads to the stale value.
    pub const fn soft_timeout(mut self, timeout: Duration) -> Self {
        self.settings.soft_timeout = timeout;
        self
    }

    /// Sets how long a call waits in all, for its own load or that of others. It then returns a stale value that
    /// it found or, if the store has not answered, a near copy that [`OnOutage`] allows. Otherwise it fails with
    /// [`CacheError::WaitTimeout`](crate::CacheError::WaitTimeout). The load goes on. No limit by default; longer
    /// than the soft timeout.
    pub const fn hard_timeout(mut self, timeout: Duration) -> Self {
        self.settings.hard_timeout = Some(timeout);
        self
    }

    /// Sets the maximum duration of a load. A longer one is dropped. This is also the time after which the key
    /// of a process that died is free. Defaults to 10 seconds.
    pub const fn load_timeout(mut self, timeout: Ttl) -> Self {
        self.settings.load_timeout = timeout;
        self
    }

    /// Sets how long all processes wait after a failed refresh before the next one. It prolongs nothing: the
    /// stale value expires at its deadline. Defaults to one second.
    pub const fn retry_pause(mut self, pause: Ttl) -> Self {
        self.settings.retry_pause = pause;
        self
    }

    /// Sets the lifetime of a stored absence of a value (see
    /// [`Cache::find_or_load`]). Defaults to the TTL.
    pub const fn absent_ttl(mut self, ttl: Ttl) -> Self {
        self.settings.absent_ttl = Some(ttl);
        self
    }

    /// Refreshes values before they are stale, at random and the more likely the closer the end and the slower
    /// the load (`XFetch`). 1 is the usual `factor`; a larger one refreshes earlier. Defaults to 0: off.
    ///
    /// The rule: Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", 2015.
    pub const fn early_refresh(mut self, factor: f64) -> Self {
        self.settings.early_refresh = factor;
        self
    }

    /// Shortens each lifetime by a random share of at most `share`, so that entries do not expire together.
    /// Never makes one longer. Defaults to 0.
    pub const fn jitter(mut self, share: f64) -> Self {
        self.settings.jitter = share;
        self
    }

    /// Sets the version of the value's type. Increase it with a change that old programs cannot read.
    ///
    /// A value of a lower version is loaded again and replaced. A value of a higher version is not replaced:
    /// the old program loads for itself and does not store the result. So both can run side by side.
    pub const fn schema_version(mut self, version: u32) -> Self {
        self.settings.schema = version;
        self
    }

    /// Sets what a call does if the store is out. Defaults to [`OnOutage::Fail`].
    pub const fn on_outage(mut self, on_outage: OnOutage) -> Self {
        self.settings.on_outage = on_outage;
        self
    }

    /// Sets how many loads run at the same time in this process while the store is out. Defaults to 8.
    pub const fn outage_loads(mut self, count: usize) -> Self {
        self.settings.outage_loads = count;
        self
    }

    /// Sets who takes part in the promises of the cache. Defaults to [`Coordination::AllProcesses`].
    pub const fn coordination(mut self, coordination: Coordination) -> Self {
        self.settings.coordination = coordination;
        self
    }

    /// Sets whether [`Cache::clear`] works. It needs the generation of the cache in every read, in the same
    /// batch: no request more, except on CQL, which reads two rows at the same time. Defaults to `true`. All
    /// programs that share the cache must agree.
    pub const fn clearable(mut self, clearable: bool) -> Self {
        self.settings.clearable = clearable;
        self
    }

    /// Adds a near cache. None by default.
    pub const fn near(mut self, near: Near) -> Self {
        self.settings.near = Some(near);
        self
    }

    /// Builds the cache. Sends nothing to the store.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidConfig`] if the name is empty, is longer than 128 bytes or contains a `:`, or if a
    ///   setting contradicts another. The text names the setting.
    /// * [`ErrorKind::Unsupported`] if the store has no conditions. A store that stores nothing (`null:`) needs
    ///   none: every call loads.
    pub fn build(self) -> Result<Cache<K, V>> {
        let Self { store, codec, mut settings, key: _ } = self;
        let keys = Keys::new(&settings.name)?;
        check(&settings)?;
        let capabilities = store.capabilities();
        if !capabilities.stores {
            // Nothing that a process could see is stored, so there is nothing to coordinate.
            settings.coordination = Coordination::ThisProcess;
        }
        if settings.coordinates_processes() && !capabilities.conditions {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this store has no conditions, so processes cannot agree on one load; choose another backend, or \
                 Coordination::ThisProcess",
            )
            .with_operation("build")
            .with_backend(capabilities.backend));
        }
        let near = settings.near.map(|near| NearCache::new(&near));
        Ok(Cache::new(Core::new(store, keys, codec, settings), near))
    }
}

impl<K: Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    /// Creates a builder. `name` separates the entries of this cache from all others of the store. `ttl` is the
    /// lifetime of a value, counted from the beginning of its load.
    pub fn builder(
        store: Arc<dyn TtlStore>,
        name: impl Into<String>,
        ttl: Ttl,
        codec: impl Codec<V> + 'static,
    ) -> CacheBuilder<K, V> {
        CacheBuilder::new(store, name.into(), ttl, codec)
    }
}

fn check(settings: &Settings) -> Result<()> {
    let invalid = |problem: String| Err(Error::new(ErrorKind::InvalidConfig, problem));
    if let Some(fresh_for) = settings.fresh_for.filter(|fresh_for| *fresh_for > settings.ttl) {
        return invalid(format!(
            "invalid value for `fresh_for`: expected at most the TTL ({}), found {fresh_for}",
            settings.ttl
        ));
    }
    if !(0.0..=0.9).contains(&settings.jitter) {
        return invalid(format!("invalid value for `jitter`: expected 0 to 0.9, found {}", settings.jitter));
    }
    if !(0.0..=100.0).contains(&settings.early_refresh) {
        return invalid(format!(
            "invalid value for `early_refresh`: expected 0 to 100, found {}",
            settings.early_refresh
        ));
    }
    if settings.outage_loads == 0 {
        return invalid("invalid value for `outage_loads`: expected at least 1, found 0".to_owned());
    }
    if settings.hard_timeout.is_some_and(|hard| hard <= settings.soft_timeout) {
        return invalid("invalid value for `hard_timeout`: expected more than the soft timeout".to_owned());
    }
    if let Some(near) = &settings.near {
        if near.max_entries == 0 || near.max_bytes == Some(0) {
            return invalid(
                "invalid value for `near`: expected room for at least 1 entry and 1 byte".to_owned(),
            );
        }
    } else if settings.on_outage.serves_stale() {
        return invalid("`on_outage` serves stale copies, which needs `near`".to_owned());
    }
    Ok(())
}

impl<K, V> fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
