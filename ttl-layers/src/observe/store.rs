//! The store that `Observe` makes.

use std::sync::Arc;

use async_trait::async_trait;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Entry, Key, Outcome, Page, Patch, Result, TtlStore, Value, forward_ttl_store};

use super::call::{Call, Observer};
use super::config::Observe;
use super::names::{BatchOperation, batch};
use super::tally::{Put, Tally};
use crate::layer::Layer;

#[derive(Debug)]
struct ObserveStore {
    inner: Arc<dyn TtlStore>,
    observer: Observer,
}

impl Layer for Observe {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        self.check()?;
        self.describe();
        let observer = Observer::new(self, inner.capabilities().backend);
        Ok(Arc::new(ObserveStore { inner, observer }))
    }
}

impl ObserveStore {
    fn put_part(&self, value: &Value, options: &PutOptions) -> Put {
        Put::new(self.observer.settings().measured, value, options)
    }

    fn batch(&self, operation: BatchOperation, keys: usize) -> Call<'_> {
        self.observer.call(batch(operation, keys), keys)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for ObserveStore {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        let refreshes = options.refresh.is_some();
        let call = self.observer.keyed("get", key);
        call.observe(self.inner.get(key, options), |tally, result| tally.get(result, refreshes)).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        let put = self.put_part(&value, &options);
        let call = self.observer.keyed("put", key);
        call.observe(self.inner.put(key, value, options), |tally, result| tally.put(result, put)).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        let call = self.observer.keyed("expire", key);
        call.observe(self.inner.expire(key, change, options), Tally::expire).await
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let refreshes = options.refresh.is_some();
        let call = self.observer.keyed("patch", key);
        call.observe(self.inner.patch(key, patch, options), |tally, result| tally.patch(result, refreshes))
            .await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let call = self.observer.keyed("delete", key);
        call.observe(self.inner.delete(key, options), Tally::delete).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.observer.call("scan", 1).observe(self.inner.scan(options), Tally::scan).await
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let refreshes = options.refresh.is_some();
        let call = self.batch(BatchOperation::Get, keys.len());
        let count = |tally: &mut Tally, results: &Vec<_>| {
            results.iter().for_each(|result| tally.get(result, refreshes));
        };
        call.observe(self.inner.get_many(keys, options), count).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let puts: Vec<Put> = items.iter().map(|item| self.put_part(&item.value, &item.options)).collect();
        let call = self.batch(BatchOperation::Put, puts.len());
        let count = |tally: &mut Tally, results: &Vec<_>| {
            results.iter().zip(puts).for_each(|(result, put)| tally.put(result, put));
        };
        call.observe(self.inner.put_many(items), count).await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        let call = self.batch(BatchOperation::Delete, keys.len());
        let count = |tally: &mut Tally, results: &Vec<_>| {
            results.iter().for_each(|result| tally.delete(result));
        };
        call.observe(self.inner.delete_many(keys, options), count).await
    }

    forward_ttl_store!(self, self.inner => no_sync capabilities now changes);
}
