//! The trait of every store, for ScyllaDB and Cassandra in both modes.

use std::time::SystemTime;

use ttl_core::driver::each;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Capabilities, Entry, Key, Outcome, Page, Patch, Result, TtlStore, Value, async_trait};

use crate::CONTEXT;
use crate::inner::{ScyllaStore, Table};
use crate::ops::{lww, scan, strict};

/// The maximum number of concurrent requests of a batch.
const BATCH_CONCURRENCY: usize = 64;

#[async_trait]
impl TtlStore for ScyllaStore {
    fn capabilities(&self) -> Capabilities {
        self.0.inner().capabilities
    }

    fn now(&self) -> SystemTime {
        self.0.inner().now()
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        let get = async {
            match &self.0 {
                Table::Strict(table) => strict::get(table, key, &options).await,
                Table::Lww(table) => lww::get(table, key, &options).await,
            }
        };
        CONTEXT.with_key("get", key, self.0.inner().runtime.run(get).await)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        let put = async {
            match &self.0 {
                Table::Strict(table) => strict::put(table, key, &value, &options).await,
                Table::Lww(table) => lww::put(table, key, &value, &options).await,
            }
        };
        CONTEXT.with_key("put", key, self.0.inner().runtime.run(put).await)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        let expire = async {
            match &self.0 {
                Table::Strict(table) => strict::expire(table, key, change, &options).await,
                Table::Lww(table) => lww::expire(table, key, change, &options).await,
            }
        };
        CONTEXT.with_key("expire", key, self.0.inner().runtime.run(expire).await)
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let patch = async {
            match &self.0 {
                Table::Strict(table) => strict::patch(table, key, patch, options).await,
                Table::Lww(table) => lww::patch(table, patch, &options),
            }
        };
        CONTEXT.with_key("patch", key, self.0.inner().runtime.run(patch).await)
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let delete = async {
            match &self.0 {
                Table::Strict(table) => strict::delete(table, key, &options).await,
                Table::Lww(table) => lww::delete(table, key, &options).await,
            }
        };
        CONTEXT.with_key("delete", key, self.0.inner().runtime.run(delete).await)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let inner = self.0.inner();
        CONTEXT.without_key("scan", inner.runtime.run(scan(inner, &options)).await)
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let keys = keys.iter().map(|key| (key, key)).collect();
        each(BATCH_CONCURRENCY, keys, |key| self.get(key, options.clone())).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let items = items.iter().map(|item| (&item.key, item)).collect();
        each(BATCH_CONCURRENCY, items, |item: &PutItem| {
            self.put(&item.key, item.value.clone(), item.options.clone())
        })
        .await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        let keys = keys.iter().map(|key| (key, key)).collect();
        each(BATCH_CONCURRENCY, keys, |key| self.delete(key, options.clone())).await
    }
}
