//! Builders of collections. They reject an invalid configuration before anything is sent.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ttl_core::{Error, ErrorKind, RefreshPolicy, Result, Ttl, TtlStore};

use crate::collection::{CheckPatch, Collection, checked};
use crate::driver::Driver;
use crate::format::{AsRecord, Format};
use crate::place::{Place, Shape};
use crate::space::Space;

/// Builds a [`Collection`]; see [`Store::records`](crate::Store::records),
/// [`Store::blobs`](crate::Store::blobs) and [`Store::counters`](crate::Store::counters).
///
/// ```
/// # use ttl_store::{Actions, ErrorKind, Json, RefreshPolicy, Ttl};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ttl_store::Result<()> {
/// # let store = ttl_store::connect("memory:").await?;
/// let policy = RefreshPolicy::on(Actions::FETCH)?.with_slack(Ttl::seconds(30));
/// let carts = store
///     .blobs::<Vec<String>, _>("carts", Ttl::minutes(30), Json)
///     .refresh(policy)
///     .max_lifetime(Ttl::hours(12))
///     .build()?;
/// assert_eq!(carts.max_lifetime(), Some(Ttl::hours(12)));
///
/// let invalid = store.counters("a:b", Ttl::minutes(1)).build();
/// assert_eq!(invalid.unwrap_err().kind(), ErrorKind::InvalidConfig);
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder makes nothing before build is called"]
pub struct CollectionBuilder<T, F> {
    driver: Driver,
    shape: Shape,
    name: String,
    ttl: Ttl,
    max: Option<Ttl>,
    policy: RefreshPolicy,
    format: F,
    check: Option<CheckPatch>,
    value: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> CollectionBuilder<T, AsRecord> {
    /// Rejects patches that do not fit the type, before anything is sent. Such a patch names a field that the
    /// struct does not have, or sets a field to a value of the wrong type.
    ///
    /// Without this check, a patch may write fields that the type does not know. A misspelled field name then
    /// makes later reads fail.
    ///
    /// Not checked are amounts, elements of lists, and fields that are unset. The field names of maps, enums
    /// and structs with `#[serde(flatten)]` are not checked either.
    ///
    /// ```
    /// # use ttl_store::{ErrorKind, Patch, Store, Ttl};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Session { page: String, hits: u32 }
    /// # async fn show(store: Store) -> ttl_store::Result<()> {
    /// let sessions = store.records::<Session>("sessions", Ttl::minutes(30)).check_patches().build()?;
    /// let misspelled = sessions.patch("abc", Patch::new().set("pge", "/cart")).await;
    /// assert_eq!(misspelled.unwrap_err().kind(), ErrorKind::InvalidField);
    /// # Ok(())
    /// # }
    /// ```
    pub fn check_patches(mut self) -> Self {
        self.check = Some(checked::check::<T>);
        self
    }
}

impl<T, F: Format<T>> CollectionBuilder<T, F> {
    pub(crate) fn new(driver: Driver, shape: Shape, name: String, ttl: Ttl, format: F) -> Self {
        let policy = RefreshPolicy::default();
        Self { driver, shape, name, ttl, max: None, policy, format, check: None, value: PhantomData }
    }

    /// Sets the lifetime of an entry after it was created or refreshed. Replaces the TTL that the builder was
    /// created with.
    pub const fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets which operations restart the lifetime. Defaults to `on(UPDATE)`: writing again restarts it,
    /// reading does not.
    pub const fn refresh(mut self, policy: RefreshPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the cap: the maximum lifetime of an entry after its creation, however often it is refreshed,
    /// extended or rewritten (R4). Only a put after a delete starts a new lifetime.
    pub const fn max_lifetime(mut self, max: Ttl) -> Self {
        self.max = Some(max);
        self
    }

    /// Builds the collection. Sends nothing to the backend.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidConfig`] if the name is empty, is longer than 128 bytes or contains a `:`, or if
    ///   the cap is shorter than the TTL.
    /// * [`ErrorKind::InvalidPolicy`] if the policy's slack is not shorter than the TTL.
    /// * [`ErrorKind::Unsupported`] if the collection needs caps or patches and the store does not support
    ///   them.
    pub fn build(self) -> Result<Collection<T, F>> {
        let place = Place::collection(self.shape, &self.name)?;
        self.policy.check(self.ttl)?;
        if let Some(max) = self.max.filter(|max| *max < self.ttl) {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("the cap ({max}) must not be shorter than the TTL ({})", self.ttl),
            ));
        }
        let capabilities = self.driver.capabilities();
        for (needed, offered, name) in
            [(self.max.is_some(), capabilities.caps, "caps"), (F::NEEDS_PATCH, capabilities.patch, "patch")]
        {
            if needed && !offered {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "this store does not offer {name}, which the collection needs; choose another backend"
                    ),
                )
                .with_operation("build")
                .with_backend(capabilities.backend));
            }
        }
        let space = Space { driver: self.driver, place };
        Ok(Collection::new(space, self.ttl, self.max, self.policy, self.format, self.check))
    }
}

impl<T, F> fmt::Debug for CollectionBuilder<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectionBuilder")
            .field("shape", &self.shape)
            .field("name", &self.name)
            .field("ttl", &self.ttl)
            .field("max", &self.max)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
