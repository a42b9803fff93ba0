//! A store that records its calls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use ttl_core::driver::{CasBackend, CasStore, Stored};
use ttl_store::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_store::results::{ExpireResult, PatchResult, PutResult};
use ttl_store::{
    Capabilities, Clock, Deadline, Entry, Error, ErrorKind, Key, ManualClock, Outcome, Page, Patch, Result,
    Store, Ttl, TtlStore, Value, Version, async_trait,
};

use crate::toy::Toy;

pub(crate) const TTL: Ttl = Ttl::seconds(60);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) page: String,
    pub(crate) hits: i64,
}

pub(crate) fn session(page: &str) -> Session {
    Session { page: page.to_owned(), hits: 1 }
}

/// A call of the store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    Get(String, GetOptions),
    Put(String, PutOptions),
    Expire(String, ExpiryChange, ExpireOptions),
    Patch(String, PatchOptions),
    Delete(String, DeleteOptions),
    Scan(ScanOptions),
    GetMany(Vec<String>, GetOptions),
    PutMany(Vec<(String, PutOptions)>),
    DeleteMany(Vec<String>, DeleteOptions),
}

/// A store in memory, with the handles of the test.
#[derive(Clone, Debug)]
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    recorder: Arc<Recorder>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_capabilities(|capabilities| capabilities)
    }

    pub(crate) fn with_capabilities(change: impl FnOnce(Capabilities) -> Capabilities) -> Self {
        let clock = Arc::new(ManualClock::new());
        let inner = CasStore::new(Shelf { toy: Toy::default(), clock: Arc::clone(&clock) });
        let capabilities = change(inner.capabilities());
        let recorder =
            Arc::new(Recorder { inner, capabilities, calls: Mutex::default(), fault: Mutex::default() });
        let store = Store::from(Arc::clone(&recorder) as Arc<dyn TtlStore>);
        Self { store, clock, recorder }
    }

    /// Returns the calls since the last look.
    pub(crate) fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.recorder.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the only call since the last look.
    pub(crate) fn call(&self) -> Call {
        let mut calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.remove(0)
    }

    /// Makes the refreshes of later gets fail with this error.
    pub(crate) fn fail_refreshes(&self, kind: ErrorKind) {
        *self.recorder.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(kind);
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Returns every stored key.
    pub(crate) async fn stored_keys(&self) -> Vec<String> {
        let page = self.recorder.inner.scan(ScanOptions::new("")).await.unwrap();
        page.items.into_iter().map(|item| item.key.into_string()).collect()
    }
}

#[derive(Debug)]
struct Recorder {
    inner: CasStore<Shelf>,
    capabilities: Capabilities,
    calls: Mutex<Vec<Call>>,
    fault: Mutex<Option<ErrorKind>>,
}

impl Recorder {
    fn note(&self, call: Call) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    fn fault(&self) -> Option<ErrorKind> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spoil(&self, entry: Entry) -> Entry {
        match self.fault() {
            Some(kind) => entry.with_refresh_error(Error::new(kind, "the test wants it so")),
            None => entry,
        }
    }
}

fn texts(keys: &[Key]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for Recorder {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn now(&self) -> SystemTime {
        self.inner.now()
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.note(Call::Get(key.to_string(), options.clone()));
        Ok(self.inner.get(key, options).await?.map(|entry| self.spoil(entry)))
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.note(Call::Put(key.to_string(), options.clone()));
        self.inner.put(key, value, options).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.note(Call::Expire(key.to_string(), change, options.clone()));
        // An expire that names a version is the refresh of a typed read.
        if let (Some(kind), true) = (self.fault(), options.if_version.is_some()) {
            return Err(Error::new(kind, "the test wants it so"));
        }
        self.inner.expire(key, change, options).await
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        self.note(Call::Patch(key.to_string(), options.clone()));
        self.inner.patch(key, patch, options).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.note(Call::Delete(key.to_string(), options.clone()));
        self.inner.delete(key, options).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.capabilities.check_scan(&options)?;
        self.note(Call::Scan(options.clone()));
        self.inner.scan(options).await
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        self.note(Call::GetMany(texts(keys), options.clone()));
        let entries = self.inner.get_many(keys, options).await;
        entries.into_iter().map(|entry| Ok(entry?.map(|entry| self.spoil(entry)))).collect()
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let asked = items.iter().map(|item| (item.key.to_string(), item.options.clone())).collect();
        self.note(Call::PutMany(asked));
        self.inner.put_many(items).await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        self.note(Call::DeleteMany(texts(keys), options.clone()));
        self.inner.delete_many(keys, options).await
    }

    ttl_store::forward_ttl_store!(self, self.inner => no_sync changes);
}

/// The toy of the documentation of ttl-core, with a manual clock.
#[derive(Debug)]
struct Shelf {
    toy: Toy,
    clock: Arc<ManualClock>,
}

#[async_trait]
impl CasBackend for Shelf {
    type Stamp = (Version, Deadline);

    fn capabilities(&self) -> Capabilities {
        Capabilities::new("shelf")
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    async fn load(&self, key: &Key) -> Result<Option<(Stored, Self::Stamp)>> {
        self.toy.load(key).await
    }

    async fn swap(&self, key: &Key, seen: Option<&Self::Stamp>, next: Option<&Stored>) -> Result<bool> {
        self.toy.swap(key, seen, next).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Result<Stored>)>> {
        self.toy.list(prefix, after, limit).await
    }
}
