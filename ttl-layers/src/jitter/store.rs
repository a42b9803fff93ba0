//! The store that `Jitter` makes.

use std::sync::Arc;

use async_trait::async_trait;
use ttl_core::options::{ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Entry, Key, Outcome, Patch, Result, TtlStore, Value, forward_ttl_store};

use super::config::Jitter;
use crate::layer::Layer;

#[derive(Debug)]
struct JitterStore {
    inner: Arc<dyn TtlStore>,
    settings: Jitter,
}

impl Layer for Jitter {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        self.check()?;
        Ok(Arc::new(JitterStore { inner, settings: *self }))
    }
}

impl JitterStore {
    fn get_options(&self, key: &Key, mut options: GetOptions) -> GetOptions {
        options.refresh = options.refresh.map(|refresh| self.settings.refresh(key, refresh));
        options
    }

    fn put_options(&self, key: &Key, options: PutOptions) -> PutOptions {
        self.settings.put(key, options, || self.inner.now())
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for JitterStore {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.inner.get(key, self.get_options(key, options)).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.inner.put(key, value, self.put_options(key, options)).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        let change = match change {
            ExpiryChange::Set(expiry) => {
                ExpiryChange::Set(self.settings.expiry(key, expiry, || self.inner.now()))
            }
            ExpiryChange::Extend(by) => ExpiryChange::Extend(by),
        };
        self.inner.expire(key, change, options).await
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let options = self.settings.patch(key, options, || self.inner.now());
        self.inner.patch(key, patch, options).await
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let options = match keys.first() {
            Some(first) => self.get_options(first, options),
            None => options,
        };
        self.inner.get_many(keys, options).await
    }

    async fn put_many(&self, mut items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        for item in &mut items {
            item.options = self.put_options(&item.key, item.options.clone());
        }
        self.inner.put_many(items).await
    }

    forward_ttl_store!(self, self.inner => no_sync capabilities now delete scan delete_many changes);
}
