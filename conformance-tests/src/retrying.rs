//! The store that cases call. It repeats calls that failed with a retryable error, within a limit.
//!
//! `Timeout`, `Unavailable` and `Contention` promise that nothing changed. They are allowed for an overloaded
//! server, so the case goes on. The calls are counted and printed with the verdict of the case.
//! `OutcomeUnknown` is returned to the case and recorded: a case that fails after it is run again.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Capabilities, ChangeStream, Entry, Error, ErrorKind, Key, Outcome, Page, Patch, Result, TtlStore, Value,
    async_trait, forward_ttl_store,
};

use crate::calls::Calls;
use crate::watch;

/// The maximum number of attempts of a call.
const ATTEMPTS: u32 = 200;

/// The maximum time for which a call is repeated.
const PATIENCE: Duration = Duration::from_secs(60);

/// The maximum wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_millis(64);

/// A store under test.
#[derive(Debug)]
pub(crate) struct RetryingStore {
    inner: Arc<dyn TtlStore>,
    calls: Arc<Calls>,
    again: Again,
}

/// The calls that are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// None: the case checks errors itself, and expects writes with an unknown outcome.
    Never,
    /// Calls that fail because the server is busy.
    Alone,
    /// These, and calls that return `Contention`, which is allowed only during concurrent writes.
    Racing,
}

impl RetryingStore {
    pub(crate) fn new(inner: &Arc<dyn TtlStore>, calls: &Arc<Calls>, again: Again) -> Self {
        Self { inner: Arc::clone(inner), calls: Arc::clone(calls), again }
    }

    /// Returns whether a call that failed with this error is repeated.
    fn repeats(&self, error: &Error) -> bool {
        match self.again {
            Again::Never => false,
            Again::Alone => error.is_retryable() && error.kind() != ErrorKind::Contention,
            Again::Racing => error.is_retryable(),
        }
    }

    /// Returns the error kind if a read is repeated because its refresh failed. The refresh may have been
    /// applied, which does not matter, because the repeated read refreshes again.
    fn repeats_refresh(&self, entry: Option<&Entry>) -> Option<ErrorKind> {
        let error = entry?.refresh_error.as_ref()?;
        let unknown = error.kind() == ErrorKind::OutcomeUnknown && self.again != Again::Never;
        (self.repeats(error) || unknown).then(|| error.kind())
    }

    fn unread(&self, result: &Result<Option<Entry>>) -> Option<ErrorKind> {
        match result {
            Ok(entry) => self.repeats_refresh(entry.as_ref()),
            Err(error) => self.repeats(error).then(|| error.kind()),
        }
    }

    fn failed<T>(&self, result: &Result<T>) -> Option<ErrorKind> {
        let error = result.as_ref().err()?;
        if error.kind() == ErrorKind::OutcomeUnknown && self.again != Again::Never {
            self.calls.note_unknown();
        }
        self.repeats(error).then(|| error.kind())
    }

    /// Makes one call. A call that exceeds the limit fails the case and never returns.
    async fn once<T>(&self, operation: &'static str, call: impl Future<Output = T>) -> T {
        let _watched = watch::begin(&self.calls.case, operation);
        self.calls.count_call();
        match tokio::time::timeout(self.calls.limit, call).await {
            Ok(answer) => {
                if self.again == Again::Racing {
                    // A store in memory never waits. Without this, one task would end before the next one
                    // begins.
                    tokio::task::yield_now().await;
                }
                answer
            }
            Err(_) => {
                self.calls.note_hang(operation);
                pending().await
            }
        }
    }

    /// Repeats a call until `failed` returns `None` or the limit is reached.
    async fn one<T, F>(
        &self,
        operation: &'static str,
        failed: impl Fn(&Result<T>) -> Option<ErrorKind>,
        call: impl Fn() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut patience = Patience::new();
        loop {
            let result = self.once(operation, call()).await;
            match failed(&result) {
                Some(kind) if patience.wait().await => self.calls.count_retry(kind),
                _ => return result,
            }
        }
    }

    /// Makes a batch call, and repeats the failed items in their order, like [`RetryingStore::one`].
    async fn many<I: Clone, T, F>(
        &self,
        operation: &'static str,
        items: &[I],
        failed: impl Fn(&Result<T>) -> Option<ErrorKind>,
        call: impl Fn(Vec<I>) -> F,
    ) -> Vec<Result<T>>
    where
        F: Future<Output = Vec<Result<T>>>,
    {
        let mut results = self.once(operation, call(items.to_vec())).await;
        let mut patience = Patience::new();
        // A batch that returns another number of results fails the case.
        while results.len() == items.len() {
            let failures = results.iter().enumerate().filter_map(|(at, result)| Some((at, failed(result)?)));
            let failures: Vec<(usize, ErrorKind)> = failures.collect();
            if failures.is_empty() || !patience.wait().await {
                break;
            }
            let again: Vec<I> = failures.iter().map(|(at, _)| items[*at].clone()).collect();
            let answers = self.once(operation, call(again)).await;
            if answers.len() != failures.len() {
                return answers;
            }
            for ((at, kind), answer) in failures.into_iter().zip(answers) {
                self.calls.count_retry(kind);
                results[at] = answer;
            }
        }
        results
    }
}

/// The limits on repeating a call.
#[derive(Debug)]
struct Patience {
    since: Instant,
    attempts: u32,
}

impl Patience {
    fn new() -> Self {
        Self { since: Instant::now(), attempts: 1 }
    }

    /// Waits, longer each time. Returns false without a wait if the limit is reached.
    async fn wait(&mut self) -> bool {
        if self.attempts >= ATTEMPTS || self.since.elapsed() >= PATIENCE {
            return false;
        }
        let wait = Duration::from_millis(1 << self.attempts.min(10)).min(LONGEST_WAIT);
        self.attempts += 1;
        tokio::time::sleep(wait).await;
        true
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for RetryingStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn now(&self) -> SystemTime {
        self.inner.now()
    }

    forward_ttl_store!(self, self => no_sync);

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.one("get", |result| self.unread(result), || self.inner.get(key, options.clone())).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        let put = || self.inner.put(key, value.clone(), options.clone());
        self.one("put", |result| self.failed(result), put).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        let expire = || self.inner.expire(key, change, options.clone());
        self.one("expire", |result| self.failed(result), expire).await
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let call = || self.inner.patch(key, patch, options.clone());
        self.one("patch", |result| self.failed(result), call).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let delete = || self.inner.delete(key, options.clone());
        self.one("delete", |result| self.failed(result), delete).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.one("scan", |result| self.failed(result), || self.inner.scan(options.clone())).await
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let call = |keys: Vec<Key>| {
            let options = options.clone();
            async move { self.inner.get_many(&keys, options).await }
        };
        self.many("get_many", keys, |result| self.unread(result), call).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let call = |items| self.inner.put_many(items);
        self.many("put_many", &items, |result| self.failed(result), call).await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        let call = |keys: Vec<Key>| {
            let options = options.clone();
            async move { self.inner.delete_many(&keys, options).await }
        };
        self.many("delete_many", keys, |result| self.failed(result), call).await
    }

    async fn changes(&self) -> Result<ChangeStream> {
        self.one("changes", |result| self.failed(result), || self.inner.changes()).await
    }
}
