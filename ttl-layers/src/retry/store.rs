//! The store that `Retry` makes.

use std::sync::Arc;

use async_trait::async_trait;
use futures_timer::Delay;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Entry, Key, Outcome, Page, Patch, Result, TtlStore, Value, forward_ttl_store};

use super::config::Retry;
use crate::batch::{in_order, missing};
use crate::layer::Layer;

#[derive(Debug)]
struct RetryStore {
    inner: Arc<dyn TtlStore>,
    settings: Retry,
}

impl Layer for Retry {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        self.check()?;
        Ok(Arc::new(RetryStore { inner, settings: self.clone() }))
    }
}

fn is_retryable<T>(result: &Result<T>) -> bool {
    result.as_ref().is_err_and(ttl_core::Error::is_retryable)
}

/// Returns the positions of the items to repeat, in their order.
fn reads_to_repeat<T>(results: &[Result<T>]) -> Vec<usize> {
    (0..results.len()).filter(|at| is_retryable(&results[*at])).collect()
}

/// Returns the positions of the writes to repeat, in their order.
fn writes_to_repeat<'a, T>(results: &[Result<T>], key: impl Fn(usize) -> &'a Key) -> Vec<usize> {
    in_order(results.len(), key, |at| is_retryable(&results[at]))
}

impl RetryStore {
    /// Decides about a repetition after a failed attempt, and waits before it. `attempt` counts from 0.
    async fn repeats(&self, attempt: u32) -> bool {
        let Retry { attempts, shared, .. } = &self.settings;
        if attempt + 1 >= *attempts {
            shared.count_exhausted();
            return false;
        }
        if !self.settings.take() {
            return false;
        }
        let wait = self.settings.wait(attempt);
        if !wait.is_zero() {
            Delay::new(wait).await;
        }
        true
    }

    /// Returns a share of the budget after a success at the first attempt.
    fn reward(&self, attempt: u32, succeeded: bool) {
        if attempt == 0 && succeeded {
            self.settings.shared.give_back();
        }
    }

    async fn one<T, F: Future<Output = Result<T>>>(&self, call: impl Fn() -> F) -> Result<T> {
        let mut attempt = 0;
        loop {
            let result = call().await;
            if !is_retryable(&result) || !self.repeats(attempt).await {
                self.reward(attempt, result.is_ok());
                return result;
            }
            attempt += 1;
        }
    }

    /// Makes a batch call, and repeats the items at the positions that `to_repeat` returns.
    async fn many<I: Clone, T, F: Future<Output = Vec<Result<T>>>>(
        &self,
        items: &[I],
        first: impl Future<Output = Vec<Result<T>>>,
        to_repeat: impl Fn(&[Result<T>]) -> Vec<usize>,
        call: impl Fn(Vec<I>) -> F,
    ) -> Vec<Result<T>> {
        let mut results = first.await;
        let mut attempt = 0;
        loop {
            // Without one result for each item, a failed item cannot be identified.
            let failed = if results.len() == items.len() { to_repeat(&results) } else { Vec::new() };
            if failed.is_empty() || !self.repeats(attempt).await {
                self.reward(attempt, results.iter().any(Result::is_ok));
                return results;
            }
            attempt += 1;
            let again = failed.iter().map(|at| items[*at].clone()).collect();
            let mut repeated = call(again).await.into_iter();
            for at in failed {
                results[at] = repeated.next().unwrap_or_else(|| Err(missing()));
            }
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for RetryStore {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.one(|| self.inner.get(key, options.clone())).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.one(|| self.inner.put(key, value.clone(), options.clone())).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.one(|| self.inner.expire(key, change, options.clone())).await
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        self.one(|| self.inner.patch(key, patch, options.clone())).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.one(|| self.inner.delete(key, options.clone())).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.one(|| self.inner.scan(options.clone())).await
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let options = &options;
        let first = self.inner.get_many(keys, options.clone());
        let call = |keys: Vec<Key>| async move { self.inner.get_many(&keys, options.clone()).await };
        self.many(keys, first, reads_to_repeat, call).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let first = self.inner.put_many(items.clone());
        let to_repeat = |results: &[_]| writes_to_repeat(results, |at| &items[at].key);
        self.many(&items, first, to_repeat, |items| self.inner.put_many(items)).await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        let options = &options;
        let first = self.inner.delete_many(keys, options.clone());
        let call = |keys: Vec<Key>| async move { self.inner.delete_many(&keys, options.clone()).await };
        self.many(keys, first, |results| writes_to_repeat(results, |at| &keys[at]), call).await
    }

    forward_ttl_store!(self, self.inner => no_sync capabilities now changes);
}
