//! The store that `Timeout` makes.

use std::sync::Arc;

use async_trait::async_trait;
use ttl_core::driver::within;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    ChangeStream, Entry, Error, ErrorKind, Key, Outcome, Page, Patch, Result, TtlStore, Value,
    forward_ttl_store,
};

use super::config::Timeout;
use crate::layer::Layer;

#[derive(Debug)]
struct TimeoutStore {
    inner: Arc<dyn TtlStore>,
    settings: Timeout,
}

impl Layer for Timeout {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        self.check()?;
        Ok(Arc::new(TimeoutStore { inner, settings: *self }))
    }
}

impl TimeoutStore {
    fn late_read(&self, operation: &'static str) -> Error {
        let limit = self.settings.limit;
        let text = format!(
            "no result within the limit of {limit:?} of the layer Timeout; retry, or raise the limit"
        );
        self.late(operation, ErrorKind::Timeout, text)
    }

    fn late_write(&self, operation: &'static str) -> Error {
        let limit = self.settings.limit;
        let text = format!(
            "no result within the limit of {limit:?} of the layer Timeout: the write may have been applied, now or \
             later; read the entry before you decide how to proceed"
        );
        self.late(operation, ErrorKind::OutcomeUnknown, text)
    }

    fn late(&self, operation: &'static str, kind: ErrorKind, text: String) -> Error {
        let backend = self.inner.capabilities().backend;
        Error::new(kind, text).with_operation(operation).with_backend(backend)
    }

    async fn write<T>(
        &self,
        operation: &'static str,
        key: &Key,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let late = || Err(self.late_write(operation).with_key(key));
        within(self.settings.limit, call).await.unwrap_or_else(late)
    }

    async fn batch<'a, T>(
        &self,
        late: impl Fn() -> Error,
        keys: impl IntoIterator<Item = &'a Key>,
        call: impl Future<Output = Vec<Result<T>>>,
    ) -> Vec<Result<T>> {
        match within(self.settings.limit, call).await {
            Some(results) => results,
            None => keys.into_iter().map(|key| Err(late().with_key(key))).collect(),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for TimeoutStore {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        let late = || Err(self.late_read("get").with_key(key));
        within(self.settings.limit, self.inner.get(key, options)).await.unwrap_or_else(late)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.write("put", key, self.inner.put(key, value, options)).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.write("expire", key, self.inner.expire(key, change, options)).await
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        self.write("patch", key, self.inner.patch(key, patch, options)).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.write("delete", key, self.inner.delete(key, options)).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let late = || Err(self.late_read("scan"));
        within(self.settings.limit, self.inner.scan(options)).await.unwrap_or_else(late)
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        self.batch(|| self.late_read("get"), keys, self.inner.get_many(keys, options)).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
        self.batch(|| self.late_write("put"), &keys, self.inner.put_many(items)).await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        self.batch(|| self.late_write("delete"), keys, self.inner.delete_many(keys, options)).await
    }

    /// Limits the call, not the stream.
    async fn changes(&self) -> Result<ChangeStream> {
        let late = || Err(self.late_read("changes"));
        within(self.settings.limit, self.inner.changes()).await.unwrap_or_else(late)
    }

    forward_ttl_store!(self, self.inner => no_sync capabilities now);
}
