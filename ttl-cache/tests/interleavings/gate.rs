//! A gate that one task reaches and stops at, and a store whose calls pass it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use ttl_core::options::{DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PutItem, PutOptions};
use ttl_core::results::{ExpireResult, PutResult};
use ttl_core::{Entry, Key, Outcome, Result, TtlStore, Value, async_trait, forward_ttl_store};

/// A place that is passed several times, and closed the first time that a number is reached.
#[derive(Debug)]
pub(crate) struct Gate {
    closed_at: usize,
    passed: AtomicUsize,
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    /// Creates a gate that is closed at the pass of this number, counted from 0.
    pub(crate) fn closed_at(pass: usize) -> Arc<Self> {
        let [reached, open] = [Semaphore::new(0), Semaphore::new(0)];
        Arc::new(Self { closed_at: pass, passed: AtomicUsize::new(0), reached, open })
    }

    /// Waits until a task has reached the closed gate.
    pub(crate) async fn reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }

    pub(crate) async fn pass(&self) {
        if self.passed.fetch_add(1, Ordering::SeqCst) == self.closed_at {
            self.reached.add_permits(1);
            self.open.acquire().await.unwrap().forget();
        }
    }
}

/// A store whose calls pass a gate before and after they are made.
#[derive(Debug)]
pub(crate) struct Gated {
    pub(crate) inner: Arc<dyn TtlStore>,
    pub(crate) gate: Arc<Gate>,
}

impl Gated {
    async fn through<T>(&self, call: impl Future<Output = T> + Send) -> T {
        self.gate.pass().await;
        let result = call.await;
        self.gate.pass().await;
        result
    }
}

#[async_trait]
impl TtlStore for Gated {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.through(self.inner.get(key, options)).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.through(self.inner.put(key, value, options)).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.through(self.inner.expire(key, change, options)).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.through(self.inner.delete(key, options)).await
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        self.through(self.inner.get_many(keys, options)).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        self.through(self.inner.put_many(items)).await
    }

    forward_ttl_store!(self, self.inner => capabilities now patch scan delete_many changes);
}
