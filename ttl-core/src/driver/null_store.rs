//! `NullStore`: a store that keeps nothing.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use super::{Context, SharedClock, unsupported_changes};
use crate::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use crate::results::{ExpireResult, PatchResult, PutResult};
use crate::rules::perform;
use crate::{
    Capabilities, ChangeStream, Clock, Entry, Error, ErrorKind, Key, Outcome, Page, Patch, Result,
    SystemClock, TtlStore, Value,
};

const BACKEND: &str = "null";

/// A store that keeps nothing, for programs that run with caching or sessions disabled.
///
/// Every read is a miss. Every put and every creating patch is applied, and its entry is gone at once. Invalid
/// input is refused as by any other store. [`Capabilities::stores`] is denied, so the suite skips the cases that
/// need an entry.
///
/// [`Capabilities::conditions`] is denied too: of two callers that create the same entry, both would win. So a
/// lease is [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) instead of granted to everybody. A limit
/// that counts with patches always counts from the beginning, and never refuses.
///
/// ```
/// use ttl_core::driver::NullStore;
/// use ttl_core::options::{GetOptions, PutOptions};
/// use ttl_core::{Key, Ttl, TtlStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let (store, key) = (NullStore::new(), Key::new("page")?);
/// assert!(store.put(&key, "<html>".into(), PutOptions::new(Ttl::hours(1))).await?.is_applied());
/// assert!(store.get(&key, GetOptions::new()).await?.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct NullStore {
    clock: SharedClock,
}

impl NullStore {
    /// Creates a store with the system clock.
    #[must_use]
    pub fn new() -> Self {
        Self { clock: SharedClock(Arc::new(SystemClock::new())) }
    }

    /// Sets the clock, for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = SharedClock(clock);
        self
    }

    fn put_one(&self, key: &Key, value: &Value, options: &PutOptions) -> Result<Outcome<PutResult>> {
        let put = || {
            self.capabilities().check_put(options)?;
            perform::put(self.now(), None, value, options).map(|(_, outcome)| outcome)
        };
        Context::new(BACKEND).with_key("put", key, put())
    }
}

impl Default for NullStore {
    fn default() -> Self {
        Self::new()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for NullStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(BACKEND).with_stores(false).with_conditions(false)
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    crate::forward_ttl_store!(self, self => no_sync);

    async fn get(&self, _: &Key, _: GetOptions) -> Result<Option<Entry>> {
        Ok(None)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.put_one(key, &value, &options)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        let expire = || {
            self.capabilities().check_expire(&options)?;
            perform::expire(self.now(), None, change, &options).map(|(_, outcome)| outcome)
        };
        Context::new(BACKEND).with_key("expire", key, expire())
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let patched = || {
            let capabilities = self.capabilities();
            capabilities.check_patch(patch, &options)?;
            perform::patch(self.now(), None, patch, &options, &capabilities).map(|(_, outcome)| outcome)
        };
        Context::new(BACKEND).with_key("patch", key, patched())
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        Context::new(BACKEND).with_key("delete", key, self.capabilities().check_delete(&options))?;
        Ok(Outcome::Absent)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        if options.cursor.is_some() {
            let error =
                Error::new(ErrorKind::InvalidCursor, "this store returns no cursors; restart the scan");
            return Err(error.with_operation("scan").with_backend(BACKEND));
        }
        Ok(Page::new(Vec::new(), None))
    }

    async fn get_many(&self, keys: &[Key], _: GetOptions) -> Vec<Result<Option<Entry>>> {
        keys.iter().map(|_| Ok(None)).collect()
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        items.iter().map(|item| self.put_one(&item.key, &item.value, &item.options)).collect()
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        let check =
            |key| Context::new(BACKEND).with_key("delete", key, self.capabilities().check_delete(&options));
        keys.iter().map(|key| check(key).map(|()| Outcome::Absent)).collect()
    }

    async fn changes(&self) -> Result<ChangeStream> {
        Err(unsupported_changes(&self.capabilities()))
    }
}
