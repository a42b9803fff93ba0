//! The trait of every store, for Redis.

use std::time::SystemTime;

use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Capabilities, ChangeStream, Entry, Key, Outcome, Page, Patch, Result, TtlStore, Value, async_trait,
};

use crate::CONTEXT;
use crate::inner::RedisStore;
use crate::ops::batch::{delete_many, get_many, put_many};
use crate::ops::changes::changes;
use crate::ops::delete::delete;
use crate::ops::expire::expire;
use crate::ops::get::get;
use crate::ops::patch::patch;
use crate::ops::put::put;
use crate::ops::scan::scan;

#[async_trait]
impl TtlStore for RedisStore {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities
    }

    fn now(&self) -> SystemTime {
        self.0.now()
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        CONTEXT.with_key("get", key, get(&self.0, key, &options).await)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        CONTEXT.with_key("put", key, put(&self.0, key, value, &options).await)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        CONTEXT.with_key("expire", key, expire(&self.0, key, change, &options).await)
    }

    async fn patch(&self, key: &Key, changes: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        CONTEXT.with_key("patch", key, patch(&self.0, key, changes, options).await)
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        CONTEXT.with_key("delete", key, delete(&self.0, key, &options).await)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        CONTEXT.without_key("scan", scan(&self.0, &options).await)
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        CONTEXT.with_keys("get", keys, get_many(&self.0, keys, &options).await)
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let results = put_many(&self.0, &items).await;
        CONTEXT.with_keys("put", items.iter().map(|item| &item.key), results)
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        CONTEXT.with_keys("delete", keys, delete_many(&self.0, keys, &options).await)
    }

    async fn changes(&self) -> Result<ChangeStream> {
        CONTEXT.without_key("changes", changes(&self.0).await)
    }
}
