//! The store that `Migrate` makes.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use ttl_core::driver::{Context, each, unsupported_changes};
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Capabilities, ChangeStream, Entry, Error, ErrorKind, Key, Outcome, Page, Patch, Result, TtlStore, Value,
    forward_ttl_store,
};

use super::bring::Pair;
use super::claim;
use super::config::Migrate;
use crate::layer::Layer;

/// The maximum number of concurrent writes of a batch.
const CONCURRENCY: usize = 64;

#[derive(Debug)]
struct MigrateStore {
    pair: Pair,
    capabilities: Capabilities,
}

impl Layer for Migrate {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        let pair = self.pair(&inner)?;
        let capabilities = pair.capabilities();
        Ok(Arc::new(MigrateStore { pair, capabilities }))
    }
}

impl MigrateStore {
    fn with_context<T>(&self, operation: &'static str, key: &Key, result: Result<T>) -> Result<T> {
        Context::new(self.capabilities.backend).with_key(operation, key, result)
    }

    async fn put_one(&self, key: &Key, value: Value, options: &PutOptions) -> Result<Outcome<PutResult>> {
        let put = async {
            self.capabilities.check_put(options)?;
            // Invalid input is refused before the entry is moved.
            options.lifespan.resolve(self.now())?;
            if self.capabilities.max_value_bytes != u64::MAX {
                self.capabilities.check_size(value.size_bytes())?;
            }
            if claim::is_claim(&value) {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "the value has the form of a claim of this layer",
                ));
            }
            self.pair.put(key, value, options).await
        };
        self.with_context("put", key, put.await)
    }

    async fn delete_one(&self, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let delete = async {
            self.capabilities.check_delete(options)?;
            self.pair.delete(key, options).await
        };
        self.with_context("delete", key, delete.await)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for MigrateStore {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn now(&self) -> SystemTime {
        self.pair.new.now()
    }

    forward_ttl_store!(self, self => no_sync);

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.with_context("get", key, self.capabilities.check_get(&options))?;
        self.with_context("get", key, self.pair.get(key, &options).await)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.put_one(key, value, &options).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        let expire = async {
            self.capabilities.check_expire(&options)?;
            if let ExpiryChange::Set(expiry) = change {
                expiry.resolve(self.now())?;
            }
            self.pair.expire(key, change, &options).await
        };
        self.with_context("expire", key, expire.await)
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let patched = async {
            self.capabilities.check_patch(patch, &options)?;
            if let Some(create) = &options.create {
                create.lifespan.resolve(self.now())?;
            }
            self.pair.patch(key, patch, &options).await
        };
        self.with_context("patch", key, patched.await)
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.delete_one(key, &options).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let context = Context::new(self.capabilities.backend);
        context.without_key("scan", self.capabilities.check_scan(&options))?;
        context.without_key("scan", self.pair.scan(&options).await)
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        if let Err(error) = self.capabilities.check_get(&options) {
            return keys.iter().map(|key| self.with_context("get", key, Err(error.clone()))).collect();
        }
        let results = self.pair.get_many(keys, &options).await;
        Context::new(self.capabilities.backend).with_keys("get", keys, results)
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let items = items.into_iter().map(|item| (item.key.clone(), item)).collect();
        let put = async |item: PutItem| self.put_one(&item.key, item.value, &item.options).await;
        each(CONCURRENCY, items, put).await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        let items = keys.iter().map(|key| (key, key)).collect();
        each(CONCURRENCY, items, async |key: &Key| self.delete_one(key, &options).await).await
    }

    async fn changes(&self) -> Result<ChangeStream> {
        Err(unsupported_changes(&self.capabilities))
    }
}
