//! `Driver`: the store behind all calls. A call has no boxed future if the store never waits.

use std::ops::Deref;
use std::sync::Arc;

use ttl_core::options::{DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Entry, Key, Outcome, Patch, Result, TtlStore, Value};

/// A handle to a store. Its methods shadow those of the trait.
#[derive(Clone, Debug)]
pub(crate) struct Driver(pub(crate) Arc<dyn TtlStore>);

impl Driver {
    #[inline]
    pub(crate) async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        match self.0.as_sync() {
            Some(store) => store.get(key, &options),
            None => self.0.get(key, options).await,
        }
    }

    #[inline]
    pub(crate) async fn put(
        &self,
        key: &Key,
        value: Value,
        options: PutOptions,
    ) -> Result<Outcome<PutResult>> {
        match self.0.as_sync() {
            Some(store) => store.put(key, value, &options),
            None => self.0.put(key, value, options).await,
        }
    }

    #[inline]
    pub(crate) async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        match self.0.as_sync() {
            Some(store) => store.expire(key, change, &options),
            None => self.0.expire(key, change, options).await,
        }
    }

    #[inline]
    pub(crate) async fn patch(
        &self,
        key: &Key,
        patch: &Patch,
        options: PatchOptions,
    ) -> Result<Outcome<PatchResult>> {
        match self.0.as_sync() {
            Some(store) => store.patch(key, patch, &options),
            None => self.0.patch(key, patch, options).await,
        }
    }

    #[inline]
    pub(crate) async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        match self.0.as_sync() {
            Some(store) => store.delete(key, &options),
            None => self.0.delete(key, options).await,
        }
    }
}

impl Deref for Driver {
    type Target = Arc<dyn TtlStore>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
