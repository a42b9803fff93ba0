//! The store that `ReadOnly` makes.

use std::sync::Arc;

use async_trait::async_trait;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Entry, Error, ErrorKind, Key, Outcome, Patch, Result, TtlStore, Value, forward_ttl_store};

use super::config::ReadOnly;
use crate::layer::Layer;

#[derive(Debug)]
struct ReadOnlyStore {
    inner: Arc<dyn TtlStore>,
}

impl Layer for ReadOnly {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        Ok(Arc::new(ReadOnlyStore { inner }))
    }
}

impl ReadOnlyStore {
    fn refuse(&self, operation: &'static str, key: &Key) -> Error {
        Error::new(
            ErrorKind::PermissionDenied,
            "the layer ReadOnly refuses writes: expected a read; write through a store without this layer",
        )
        .with_operation(operation)
        .with_backend(self.inner.capabilities().backend)
        .with_key(key)
    }

    /// Adds the error of the refresh that was not made.
    fn unrefreshed(&self, key: &Key, entry: Entry) -> Entry {
        entry.with_refresh_error(self.refuse("get", key))
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for ReadOnlyStore {
    async fn get(&self, key: &Key, mut options: GetOptions) -> Result<Option<Entry>> {
        let refreshes = options.refresh.take().is_some();
        let entry = self.inner.get(key, options).await?;
        Ok(if refreshes { entry.map(|entry| self.unrefreshed(key, entry)) } else { entry })
    }

    async fn put(&self, key: &Key, _: Value, _: PutOptions) -> Result<Outcome<PutResult>> {
        Err(self.refuse("put", key))
    }

    async fn expire(&self, key: &Key, _: ExpiryChange, _: ExpireOptions) -> Result<Outcome<ExpireResult>> {
        Err(self.refuse("expire", key))
    }

    async fn patch(&self, key: &Key, _: &Patch, _: PatchOptions) -> Result<Outcome<PatchResult>> {
        Err(self.refuse("patch", key))
    }

    async fn delete(&self, key: &Key, _: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        Err(self.refuse("delete", key))
    }

    async fn get_many(&self, keys: &[Key], mut options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let refreshes = options.refresh.take().is_some();
        let results = self.inner.get_many(keys, options).await;
        if !refreshes {
            return results;
        }
        let unrefreshed = |(key, result): (&Key, Result<Option<Entry>>)| {
            Ok(result?.map(|entry| self.unrefreshed(key, entry)))
        };
        keys.iter().zip(results).map(unrefreshed).collect()
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        items.iter().map(|item| Err(self.refuse("put", &item.key))).collect()
    }

    async fn delete_many(&self, keys: &[Key], _: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        keys.iter().map(|key| Err(self.refuse("delete", key))).collect()
    }

    forward_ttl_store!(self, self.inner => no_sync capabilities now scan changes);
}
