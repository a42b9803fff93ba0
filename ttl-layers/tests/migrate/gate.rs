//! A store that stops before one of its calls until it is told to continue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use tokio::sync::Semaphore;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Capabilities, Entry, Key, Outcome, Page, Patch, Result, TtlStore, Value, async_trait};

/// The gate that the calls to both stores pass, in their order.
#[derive(Debug)]
pub(crate) struct Gate {
    before: usize,
    passed: AtomicUsize,
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    /// Creates a gate that is closed before the call of this number, counted from 0.
    pub(crate) fn before(call: usize) -> Arc<Self> {
        let [reached, open] = [Semaphore::new(0), Semaphore::new(0)];
        Arc::new(Self { before: call, passed: AtomicUsize::new(0), reached, open })
    }

    /// Returns the number of calls so far.
    pub(crate) fn count(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }

    /// Waits until a call has reached the gate.
    pub(crate) async fn reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }

    async fn pass(&self) {
        if self.passed.fetch_add(1, Ordering::SeqCst) == self.before {
            self.reached.add_permits(1);
            self.open.acquire().await.unwrap().forget();
        }
    }
}

/// A store whose calls pass a gate.
#[derive(Debug)]
pub(crate) struct Gated {
    pub(crate) inner: Arc<dyn TtlStore>,
    pub(crate) gate: Arc<Gate>,
}

#[async_trait]
impl TtlStore for Gated {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn now(&self) -> SystemTime {
        self.inner.now()
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.gate.pass().await;
        self.inner.get(key, options).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.gate.pass().await;
        self.inner.put(key, value, options).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.gate.pass().await;
        self.inner.expire(key, change, options).await
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        self.gate.pass().await;
        self.inner.patch(key, patch, options).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.gate.pass().await;
        self.inner.delete(key, options).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.gate.pass().await;
        self.inner.scan(options).await
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        self.gate.pass().await;
        self.inner.get_many(keys, options).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        self.gate.pass().await;
        self.inner.put_many(items).await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        self.gate.pass().await;
        self.inner.delete_many(keys, options).await
    }
}
