//! `MemoryStore` as a `TtlStore`, and its own methods.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use ttl_core::driver::{SyncStore, unsupported_changes};
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Capabilities, ChangeStream, Entry as Answer, Key, Outcome, Page, Patch, Result, TtlStore, Value,
};

use crate::CONTEXT;
use crate::inner::MemoryStore;

impl MemoryStore {
    /// Returns the number of entries in the store: live entries, and expired entries that are not reclaimed
    /// yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.table.read().entries.len()).sum()
    }

    /// Returns whether the store holds no entries, not even expired ones.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the heap memory, in bytes, of the entries that [`len`](Self::len) counts: keys, values and the
    /// store's overhead. For blobs it is accurate to a few percent; for records it is an estimate.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.table.read().bytes()).sum()
    }

    /// Reclaims all entries that have expired by now and returns their number.
    ///
    /// It processes all shards before it returns, at most 1024 entries per acquisition of a lock. Calling it
    /// is optional, see [`Reclaim`](crate::Reclaim).
    #[expect(clippy::must_use_candidate, reason = "called for its effect, not for the count")]
    pub fn sweep(&self) -> usize {
        self.0.sweep()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("entries", &self.len()).field("bytes", &self.bytes()).finish()
    }
}

impl SyncStore for MemoryStore {
    fn get(&self, key: &Key, options: &GetOptions) -> Result<Option<Answer>> {
        CONTEXT.with_key("get", key, self.0.get(key, options))
    }

    fn put(&self, key: &Key, value: Value, options: &PutOptions) -> Result<Outcome<PutResult>> {
        CONTEXT.with_key("put", key, self.0.put(key, value, options))
    }

    fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: &ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        CONTEXT.with_key("expire", key, self.0.expire(key, change, options))
    }

    fn patch(&self, key: &Key, patch: &Patch, options: &PatchOptions) -> Result<Outcome<PatchResult>> {
        CONTEXT.with_key("patch", key, self.0.patch(key, patch, options))
    }

    fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Answer>>> {
        CONTEXT.with_key("delete", key, self.0.delete(key, options))
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities
    }

    fn now(&self) -> SystemTime {
        self.0.time.system_time()
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Answer>> {
        SyncStore::get(self, key, &options)
    }

    fn as_sync(&self) -> Option<&dyn SyncStore> {
        Some(self)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        SyncStore::put(self, key, value, &options)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        SyncStore::expire(self, key, change, &options)
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        SyncStore::patch(self, key, patch, &options)
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Answer>>> {
        SyncStore::delete(self, key, &options)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        CONTEXT.without_key("scan", self.0.scan(&options))
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Answer>>> {
        CONTEXT.with_keys("get", keys, keys.iter().map(|key| self.0.get(key, &options)))
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let put = |PutItem { key, value, options, .. }: PutItem| {
            CONTEXT.with_key("put", &key, self.0.put(&key, value, &options))
        };
        items.into_iter().map(put).collect()
    }

    async fn delete_many(
        &self,
        keys: &[Key],
        options: DeleteOptions,
    ) -> Vec<Result<Outcome<Option<Answer>>>> {
        CONTEXT.with_keys("delete", keys, keys.iter().map(|key| self.0.delete(key, &options)))
    }

    async fn changes(&self) -> Result<ChangeStream> {
        Err(unsupported_changes(&self.0.capabilities))
    }
}
