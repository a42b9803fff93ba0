//! The implementation of `TtlStore`.

use std::time::SystemTime;

use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Capabilities, Entry, Key, Outcome, Page, Patch, Result, TtlStore, Value, async_trait};

use crate::CONTEXT;
use crate::inner::DynamoStore;

#[async_trait]
impl TtlStore for DynamoStore {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities
    }

    fn now(&self) -> SystemTime {
        self.0.time()
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        CONTEXT.with_key("get", key, self.0.get(key, &options).await)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        CONTEXT.with_key("put", key, self.0.put(key, &value, &options).await)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        CONTEXT.with_key("expire", key, self.0.expire(key, change, &options).await)
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        CONTEXT.with_key("patch", key, self.0.patch(key, patch, &options).await)
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        CONTEXT.with_key("delete", key, self.0.delete(key, &options).await)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        CONTEXT.without_key("scan", self.0.scan_page(&options).await)
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        CONTEXT.with_keys("get", keys, self.0.get_many(keys, &options).await)
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        self.0.put_many(items).await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        CONTEXT.with_keys("delete", keys, self.0.delete_many(keys, &options).await)
    }
}
