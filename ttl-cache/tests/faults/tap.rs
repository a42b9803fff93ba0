//! The store as one process sees it: its calls can be held, failed and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use ttl_core::options::{DeleteOptions, GetOptions, PutItem, PutOptions};
use ttl_core::results::PutResult;
use ttl_core::{
    Entry, Error, ErrorKind, Key, Outcome, Result, TtlStore, Value, async_trait, forward_ttl_store,
};
use ttl_memory::MemoryStore;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Get,
    Put,
}

/// Whether a held call has reached the store yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// The clock of a process, compared with that of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Skew {
    Ahead(Duration),
    Behind(Duration),
}

/// A call that is held, or will be.
#[derive(Debug)]
pub(crate) struct Hold {
    op: Op,
    moment: Moment,
    reached: AtomicBool,
    open: Semaphore,
}

impl Hold {
    pub(crate) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::SeqCst)
    }

    pub(crate) fn release(&self) {
        self.open.add_permits(1);
    }
}

/// The view of one process.
#[derive(Debug)]
pub(crate) struct Tap {
    inner: MemoryStore,
    skew: Skew,
    holds: Mutex<Vec<Arc<Hold>>>,
    failing: Mutex<Option<(Op, ErrorKind)>>,
    puts: AtomicUsize,
}

impl Tap {
    pub(crate) fn new(inner: MemoryStore, skew: Skew) -> Arc<Self> {
        let (holds, failing, puts) = Default::default();
        Arc::new(Self { inner, skew, holds, failing, puts })
    }

    /// Holds the next call of this kind.
    pub(crate) fn hold(&self, op: Op, moment: Moment) -> Arc<Hold> {
        let hold = Arc::new(Hold { op, moment, reached: AtomicBool::new(false), open: Semaphore::new(0) });
        self.holds.lock().push(Arc::clone(&hold));
        hold
    }

    /// Fails calls of this kind. `OutcomeUnknown` is reported after the call was applied, any other kind
    /// instead of it.
    pub(crate) fn fail(&self, op: Op, kind: ErrorKind) {
        *self.failing.lock() = Some((op, kind));
    }

    pub(crate) fn heal(&self) {
        *self.failing.lock() = None;
    }

    /// Returns the number of entries that were put, or refused, so far.
    pub(crate) fn puts(&self) -> usize {
        self.puts.load(Ordering::SeqCst)
    }

    async fn pass(&self, op: Op, moment: Moment) {
        let hold = {
            let mut holds = self.holds.lock();
            let at = holds.iter().position(|hold| hold.op == op && hold.moment == moment);
            at.map(|at| holds.remove(at))
        };
        if let Some(hold) = hold {
            hold.reached.store(true, Ordering::SeqCst);
            hold.open.acquire().await.expect("never closed").forget();
        }
    }

    fn failure(&self, op: Op) -> Option<ErrorKind> {
        self.failing.lock().filter(|(failing, _)| *failing == op).map(|(_, kind)| kind)
    }

    /// Makes one call, or `count` in a batch.
    async fn around<T>(
        &self,
        op: Op,
        count: usize,
        call: impl Future<Output = Vec<Result<T>>>,
    ) -> Vec<Result<T>> {
        self.pass(op, Moment::Before).await;
        let failure = self.failure(op);
        let error = |kind| Error::new(kind, "the test fails this call");
        let results = match failure {
            None => call.await,
            Some(kind) => {
                if kind == ErrorKind::OutcomeUnknown {
                    let _ = call.await;
                }
                (0..count).map(|_| Err(error(kind))).collect()
            }
        };
        self.pass(op, Moment::After).await;
        results
    }

    async fn around_one<T>(&self, op: Op, call: impl Future<Output = Result<T>>) -> Result<T> {
        let mut results = self.around(op, 1, async { vec![call.await] }).await;
        results.pop().expect("one call has one result")
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for Tap {
    fn now(&self) -> SystemTime {
        match self.skew {
            Skew::Ahead(by) => self.inner.now() + by,
            Skew::Behind(by) => self.inner.now() - by,
        }
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.around_one(Op::Get, self.inner.get(key, options)).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.puts.fetch_add(1, Ordering::SeqCst);
        self.around_one(Op::Put, self.inner.put(key, value, options)).await
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        self.around(Op::Get, keys.len(), self.inner.get_many(keys, options)).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        self.puts.fetch_add(items.len(), Ordering::SeqCst);
        self.around(Op::Put, items.len(), self.inner.put_many(items)).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.inner.delete(key, options).await
    }

    forward_ttl_store!(self, self.inner => no_sync capabilities expire patch scan delete_many changes);
}
