//! Builders of collections: they refuse what cannot work before anything is sent.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ttl_core::{Error, ErrorKind, RefreshPolicy, Result, Ttl, TtlStore};

use crate::collection::{CheckPatch, Collection, checked};
use crate::format::{AsRecord, Format};
use crate::place::{Place, Shape};
use crate::space::Space;

/// Makes a [`Collection`]; see [`Store::records`](crate::Store::records), [`Store::blobs`](crate::Store::blobs) and
/// [`Store::counters`](crate::Store::counters).
#[must_use = "a builder makes nothing before build is called"]
pub struct CollectionBuilder<T, F> {
    driver: Arc<dyn TtlStore>,
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
    /// Refuses patches that do not fit the type, before anything is sent: a name that is no field of the struct, or a
    /// value set to a field that cannot hold it. Without this a patch is free: it may hold fields that the type does not
    /// know, and a misspelled one makes later reads fail.
    ///
    /// Not checked: amounts, elements of lists, fields that are unset, and the names of maps, enums and structs with
    /// `#[serde(flatten)]`.
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
    pub(crate) fn new(driver: Arc<dyn TtlStore>, shape: Shape, name: String, ttl: Ttl, format: F) -> Self {
        let policy = RefreshPolicy::default();
        Self { driver, shape, name, ttl, max: None, policy, format, check: None, value: PhantomData }
    }

    /// Sets how long an entry lives after it was created or refreshed, instead of what the builder began with.
    pub const fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// Which operations start the lifetime again, instead of the default `on(UPDATE)`: writing again does, reading
    /// does not.
    pub const fn refresh(mut self, policy: RefreshPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// A cap: no entry lives longer than this after its creation, however often it is refreshed, extended or
    /// written again (R4). Only delete and put start a new lifetime.
    pub const fn max_lifetime(mut self, max: Ttl) -> Self {
        self.max = Some(max);
        self
    }

    /// The collection. Nothing is sent.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidConfig`]: the name is empty, longer than 128 bytes or holds a `:`; or the cap is
    ///   shorter than the TTL.
    /// * [`ErrorKind::InvalidPolicy`]: the policy's slack is not shorter than the TTL.
    /// * [`ErrorKind::Unsupported`]: the store has no caps, or no patches, where the collection needs them.
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
