//! `Defaults`: a shared lifetime and policy for many collections of one store.

use ttl_core::{RefreshPolicy, Result, Ttl};

use crate::builder::CollectionBuilder;
use crate::format::{AsBlob, AsCount, AsRecord};
use crate::{Codec, Format, Leases, Store};

/// Creates collections that share a lifetime, a refresh policy and a cap. Each setting can be changed on a
/// collection's builder.
///
/// ```
/// # use ttl_store::{Actions, Json, RefreshPolicy, Store, Ttl};
/// # fn show(store: Store) -> ttl_store::Result<()> {
/// let app = store
///     .with_defaults(Ttl::minutes(30))
///     .refresh(RefreshPolicy::on(Actions::FETCH | Actions::WRITES)?)
///     .max_lifetime(Ttl::hours(12));
/// let carts = app.blobs::<Vec<String>, _>("carts", Json).build()?;
/// let drafts = app.blobs::<String, _>("drafts", Json).ttl(Ttl::hours(2)).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "defaults make nothing by themselves"]
pub struct Defaults {
    store: Store,
    ttl: Ttl,
    policy: Option<RefreshPolicy>,
    max: Option<Ttl>,
}

impl Store {
    /// Returns defaults for collections. `ttl` is the lifetime of an entry after it was created or refreshed.
    pub fn with_defaults(&self, ttl: Ttl) -> Defaults {
        Defaults { store: self.clone(), ttl, policy: None, max: None }
    }
}

impl Defaults {
    /// Sets the refresh policy, as [`CollectionBuilder::refresh`] does.
    pub const fn refresh(mut self, policy: RefreshPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Sets the cap, as [`CollectionBuilder::max_lifetime`] does.
    pub const fn max_lifetime(mut self, max: Ttl) -> Self {
        self.max = Some(max);
        self
    }

    /// Creates a builder for a collection of structs, as [`Store::records`] does.
    pub fn records<T>(&self, name: impl Into<String>) -> CollectionBuilder<T, AsRecord>
    where
        AsRecord: Format<T>,
    {
        self.apply(self.store.records(name, self.ttl))
    }

    /// Creates a builder for a collection of blobs, as [`Store::blobs`] does.
    pub fn blobs<T, C: Codec<T>>(
        &self,
        name: impl Into<String>,
        codec: C,
    ) -> CollectionBuilder<T, AsBlob<C>> {
        self.apply(self.store.blobs(name, self.ttl, codec))
    }

    /// Creates a builder for a collection of counters, as [`Store::counters`] does.
    pub fn counters(&self, name: impl Into<String>) -> CollectionBuilder<i64, AsCount> {
        self.apply(self.store.counters(name, self.ttl))
    }

    /// Creates leases with the default lifetime, as [`Store::leases`] does. Policy and cap do not apply: only
    /// its holder renews a lease.
    ///
    /// # Errors
    /// The errors of [`Store::leases`].
    pub fn leases(&self, name: impl AsRef<str>) -> Result<Leases> {
        self.store.leases(name, self.ttl)
    }

    fn apply<T, F: Format<T>>(&self, builder: CollectionBuilder<T, F>) -> CollectionBuilder<T, F> {
        let builder = match self.policy {
            Some(policy) => builder.refresh(policy),
            None => builder,
        };
        match self.max {
            Some(max) => builder.max_lifetime(max),
            None => builder,
        }
    }
}
