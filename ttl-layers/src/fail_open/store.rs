//! The store that `FailOpen` makes.

use std::sync::Arc;

use async_trait::async_trait;
use ttl_core::driver::Context;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Capabilities, Deadline, Entry, Error, Key, Outcome, Page, Patch, Result, TtlStore, Value,
    forward_ttl_store,
};

use super::config::FailOpen;
use super::losses::Lost;
use crate::batch::{Checked, missing};
use crate::layer::Layer;

#[derive(Debug)]
struct FailOpenStore {
    inner: Arc<dyn TtlStore>,
    settings: FailOpen,
}

impl Layer for FailOpen {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        self.check()?;
        Ok(Arc::new(FailOpenStore { inner, settings: self.clone() }))
    }
}

impl FailOpenStore {
    /// Adds the context to the error of a check.
    fn checked<T>(&self, operation: &'static str, key: &Key, result: Result<T>) -> Result<T> {
        Context::new(self.inner.capabilities().backend).with_key(operation, key, result)
    }

    fn note(&self, lost: Lost, items: u64, error: &Error) {
        let FailOpen { log_interval, clock, losses } = &self.settings;
        let (operation, backend) = (lost.operation(), self.inner.capabilities().backend);
        match losses.add(lost, items, clock.now(), *log_interval) {
            Some(warning) => tracing::warn!(
                backend,
                operation,
                items,
                lost_reads = warning.reads,
                lost_writes = warning.writes,
                "the layer FailOpen hides an outage: {error}"
            ),
            None => {
                tracing::debug!(backend, operation, items, "the layer FailOpen hides an outage: {error}");
            }
        }
    }

    /// Replaces a result that was lost. `instead` fails for input that the inner store had not checked yet.
    fn one<T>(&self, lost: Lost, result: Result<T>, instead: impl FnOnce() -> Result<T>) -> Result<T> {
        match result {
            Err(error) if error.is_outage() => {
                let instead = instead()?;
                self.note(lost, 1, &error);
                Ok(instead)
            }
            other => other,
        }
    }

    /// Replaces the items of a batch that were lost. `instead` gets their positions.
    fn many<T>(
        &self,
        lost: Lost,
        mut results: Vec<Result<T>>,
        instead: impl Fn(usize) -> Result<T>,
    ) -> Vec<Result<T>> {
        let (mut items, mut first) = (0, None);
        for (at, result) in results.iter_mut().enumerate() {
            let Some(error) = result.as_ref().err().filter(|error| error.is_outage()).cloned() else {
                continue;
            };
            *result = instead(at);
            if result.is_ok() {
                items += 1;
                first.get_or_insert(error);
            }
        }
        if let Some(error) = first {
            self.note(lost, items, &error);
        }
        results
    }

    /// Returns the result of a lost put: the entry was created, and its deadline has passed.
    fn lost_put(&self, key: &Key, value: &Value, options: &PutOptions) -> Result<Outcome<PutResult>> {
        let check = || {
            self.inner.capabilities().check_size(value.size_bytes())?;
            options.lifespan.resolve(self.inner.now())
        };
        self.checked("put", key, check())?;
        let past = Deadline::from_epoch_millis(0);
        Ok(Outcome::Applied(PutResult::returning(options.returning, true, past, None)))
    }

    fn lost_expire(&self, key: &Key, change: ExpiryChange) -> Result<Outcome<ExpireResult>> {
        if let ExpiryChange::Set(expiry) = change {
            self.checked("expire", key, expiry.resolve(self.inner.now()))?;
        }
        Ok(Outcome::Absent)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for FailOpenStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities().with_conditions(false).with_patch(false)
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        let result = self.inner.get(key, options).await;
        self.one(Lost::Get, result, || Ok(None))
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.checked("put", key, self.capabilities().check_put(&options))?;
        let result = self.inner.put(key, value.clone(), options.clone()).await;
        self.one(Lost::Put, result, || self.lost_put(key, &value, &options))
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.checked("expire", key, self.capabilities().check_expire(&options))?;
        let result = self.inner.expire(key, change, options).await;
        self.one(Lost::Expire, result, || self.lost_expire(key, change))
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        // Always an error, because the capability is denied.
        self.checked("patch", key, self.capabilities().check_patch(patch, &options))?;
        self.inner.patch(key, patch, options).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.checked("delete", key, self.capabilities().check_delete(&options))?;
        let result = self.inner.delete(key, options).await;
        self.one(Lost::Delete, result, || Ok(Outcome::Absent))
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let result = self.inner.scan(options).await;
        self.one(Lost::Scan, result, || Ok(Page::default()))
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let results = self.inner.get_many(keys, options).await;
        self.many(Lost::Get, results, |_| Ok(None))
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let capabilities = self.capabilities();
        let checked = |item: PutItem| {
            self.checked("put", &item.key, capabilities.check_put(&item.options)).map(|()| item)
        };
        let Checked { passed, refused } = Checked::new(items.into_iter().map(checked));
        if passed.is_empty() {
            return refused.merge(Vec::new());
        }
        let results = self.inner.put_many(passed.clone()).await;
        let lost = |at: usize| match passed.get(at) {
            Some(item) => self.lost_put(&item.key, &item.value, &item.options),
            None => Err(missing()),
        };
        refused.merge(self.many(Lost::Put, results, lost))
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        if let Err(error) = self.capabilities().check_delete(&options) {
            return keys.iter().map(|key| self.checked("delete", key, Err(error.clone()))).collect();
        }
        let results = self.inner.delete_many(keys, options).await;
        self.many(Lost::Delete, results, |_| Ok(Outcome::Absent))
    }

    forward_ttl_store!(self, self.inner => no_sync now changes);
}
