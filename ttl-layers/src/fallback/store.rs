//! The store that `Fallback` makes.

use std::sync::Arc;

use async_trait::async_trait;
use ttl_core::driver::{Context, unsupported_changes};
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, Guard, PatchOptions, PutItem, PutOptions,
    ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Capabilities, ChangeStream, Deadline, Entry, Error, Expiry, Key, Outcome, Page, Patch, Result, TtlStore,
    Value, forward_ttl_store,
};

use super::config::Fallback;
use super::lifetime::{is_plain, secondary_options};
use crate::batch::{Checked, in_order};
use crate::layer::Layer;
use crate::outage::is_out;

#[derive(Debug)]
struct FallbackStore {
    primary: Arc<dyn TtlStore>,
    settings: Fallback,
    capabilities: Capabilities,
}

impl Layer for Fallback {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        let capabilities = capabilities(&inner.capabilities(), &self.secondary.capabilities());
        Ok(Arc::new(FallbackStore { primary: inner, settings: self.clone(), capabilities }))
    }
}

/// Returns the capabilities of the primary store, less those that an entry of the secondary store lacks. Changes
/// are not reported, because a read can return an entry of either store.
fn capabilities(primary: &Capabilities, secondary: &Capabilities) -> Capabilities {
    let mut both = primary
        .with_resolution(primary.resolution.max(secondary.resolution))
        .with_created_at(primary.created_at && secondary.created_at)
        .with_changes(false)
        .with_unique_versions(primary.unique_versions && secondary.unique_versions)
        .with_reads_cost_writes(primary.reads_cost_writes || secondary.reads_cost_writes);
    both.reclaims_within = primary.reclaims_within.zip(secondary.reclaims_within).map(|(a, b)| a.max(b));
    both
}

impl FallbackStore {
    /// Adds the context to the error of a check.
    fn checked<T>(&self, operation: &'static str, key: &Key, result: Result<T>) -> Result<T> {
        Context::new(self.capabilities.backend).with_key(operation, key, result)
    }

    /// Notes the result of a removal.
    fn note_removal<'a>(&self, mut failures: impl Iterator<Item = &'a Error>) {
        if let Some(error) = failures.next() {
            self.settings.distrust();
            tracing::warn!(
                backend = self.capabilities.backend,
                "the layer Fallback could not remove or shorten an entry of the secondary store, and does not use it until \
                 its entries have expired: {error}"
            );
        }
    }

    /// Removes a key from the secondary store, before a write. Nothing is sent if it holds nothing.
    async fn remove(&self, key: &Key) {
        if self.settings.may_hold() {
            let removed = self.settings.secondary.delete(key, DeleteOptions::new()).await;
            self.note_removal(removed.err().iter());
        }
    }

    /// Shortens the entry of the secondary store before an expire, if the new deadline can be sooner.
    ///
    /// The entry is not removed, because collections refresh the entries that they read with an expire: in an
    /// outage, an entry could otherwise be read only once.
    async fn shorten(&self, key: &Key, change: ExpiryChange, guard: Guard) {
        let Fallback { secondary, max_ttl, .. } = &self.settings;
        let can_be_sooner = match change {
            ExpiryChange::Set(Expiry::After(ttl)) => ttl < *max_ttl,
            ExpiryChange::Set(Expiry::At(instant)) => {
                Deadline::at(instant) < Deadline::after(secondary.now(), *max_ttl)
            }
            ExpiryChange::Set(Expiry::Never) | ExpiryChange::Extend(_) => false,
        };
        if can_be_sooner && guard != Guard::IfLater && self.settings.may_hold() {
            let sooner = ExpireOptions::new().with_guard(Guard::IfSooner);
            let shortened = secondary.expire(key, change, sooner).await;
            self.note_removal(shortened.err().iter());
        }
    }

    /// Removes many keys with one call.
    async fn remove_many(&self, keys: &[Key]) {
        if !keys.is_empty() && self.settings.may_hold() {
            let removed = self.settings.secondary.delete_many(keys, DeleteOptions::new()).await;
            self.note_removal(removed.iter().filter_map(|removed| removed.as_ref().err()));
        }
    }

    /// Returns whether an outage can be answered by the secondary store.
    fn can_read(&self) -> bool {
        self.settings.may_hold() && self.settings.is_usable()
    }

    /// Returns the entry of the secondary store in place of an outage, or the outage if there is none.
    fn found(&self, found: Result<Option<Entry>>, refreshes: bool, outage: Error) -> Result<Option<Entry>> {
        let Ok(Some(entry)) = found else { return Err(outage) };
        self.settings.entries.count_reads(1);
        Ok(Some(if refreshes { entry.with_refresh_error(outage) } else { entry }))
    }

    /// Returns the item to put into the secondary store; `None` if only the primary can answer.
    ///
    /// # Errors
    /// The error of invalid input, which the primary may not have checked: an open circuit hides it.
    fn secondary_item(&self, item: &PutItem) -> Result<Option<PutItem>> {
        let PutItem { key, value, options, .. } = item;
        let check = || {
            self.capabilities.check_size(value.size_bytes())?;
            options.lifespan.resolve(self.primary.now())
        };
        self.checked("put", key, check())?;
        if !is_plain(options) || !self.settings.is_usable() {
            return Ok(None);
        }
        let options = secondary_options(options, self.settings.max_ttl, self.settings.secondary.now());
        Ok(options.map(|options| PutItem::new(key.clone(), value.clone(), options)))
    }

    /// Returns the result of the secondary store in place of an outage, or the outage if it failed too.
    fn written(&self, put: Result<Outcome<PutResult>>, outage: &Error) -> Result<Outcome<PutResult>> {
        match put {
            Ok(Outcome::Applied(done)) => {
                self.settings.entries.count_writes(1);
                Ok(Outcome::Applied(done))
            }
            Ok(Outcome::Absent | Outcome::Refused(_)) | Err(_) => Err(outage.clone()),
        }
    }

    async fn put_secondary(&self, item: PutItem, outage: &Error) -> Result<Outcome<PutResult>> {
        self.settings.expect_entries();
        let put = self.settings.secondary.put(&item.key, item.value, item.options).await;
        self.settings.expect_entries();
        self.written(put, outage)
    }

    /// Writes the items that the primary store lost into the secondary store, as one batch.
    ///
    /// An item is only written if the later items with the same key are written too. Otherwise it would hide a
    /// newer value of the primary.
    async fn put_many_secondary(&self, items: &[PutItem], results: &mut [Result<Outcome<PutResult>>]) {
        let mut lost = Vec::with_capacity(items.len());
        for (item, result) in items.iter().zip(results.iter_mut()) {
            let checked = if is_out(result) { self.secondary_item(item) } else { Ok(None) };
            lost.push(checked.unwrap_or_else(|error| {
                *result = Err(error);
                None
            }));
        }
        let written = in_order(items.len(), |at| &items[at].key, |at| lost[at].is_some());
        let batch: Vec<PutItem> = written.iter().filter_map(|at| lost[*at].take()).collect();
        if batch.is_empty() {
            return;
        }
        self.settings.expect_entries();
        let put = self.settings.secondary.put_many(batch).await;
        self.settings.expect_entries();
        for (at, put) in written.into_iter().zip(put) {
            if let Err(outage) = &results[at] {
                results[at] = self.written(put, outage);
            }
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for FallbackStore {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn get(&self, key: &Key, mut options: GetOptions) -> Result<Option<Entry>> {
        self.checked("get", key, self.capabilities.check_get(&options))?;
        match self.primary.get(key, options.clone()).await {
            Err(outage) if outage.is_outage() && self.can_read() => {
                let refreshes = options.refresh.take().is_some();
                self.found(self.settings.secondary.get(key, options).await, refreshes, outage)
            }
            answer => answer,
        }
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.checked("put", key, self.capabilities.check_put(&options))?;
        self.remove(key).await;
        match self.primary.put(key, value.clone(), options.clone()).await {
            Err(outage) if outage.is_outage() => {
                match self.secondary_item(&PutItem::new(key.clone(), value, options))? {
                    Some(item) => self.put_secondary(item, &outage).await,
                    None => Err(outage),
                }
            }
            answer => answer,
        }
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.shorten(key, change, options.guard).await;
        let answer = self.primary.expire(key, change, options).await;
        if !is_out(&answer) {
            self.remove(key).await;
        }
        answer
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        self.checked("patch", key, self.capabilities.check_patch(patch, &options))?;
        self.remove(key).await;
        self.primary.patch(key, patch, options).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.remove(key).await;
        self.primary.delete(key, options).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        Context::new(self.capabilities.backend)
            .without_key("scan", self.capabilities.check_scan(&options))?;
        self.primary.scan(options).await
    }

    async fn get_many(&self, keys: &[Key], mut options: GetOptions) -> Vec<Result<Option<Entry>>> {
        if let Err(error) = self.capabilities.check_get(&options) {
            return keys.iter().map(|key| self.checked("get", key, Err(error.clone()))).collect();
        }
        let mut results = self.primary.get_many(keys, options.clone()).await;
        let lost: Vec<usize> =
            (0..results.len().min(keys.len())).filter(|at| is_out(&results[*at])).collect();
        if lost.is_empty() || !self.can_read() {
            return results;
        }
        let refreshes = options.refresh.take().is_some();
        let asked: Vec<Key> = lost.iter().map(|at| keys[*at].clone()).collect();
        let found = self.settings.secondary.get_many(&asked, options).await;
        for (at, found) in lost.into_iter().zip(found) {
            if let Err(outage) = &results[at] {
                results[at] = self.found(found, refreshes, outage.clone());
            }
        }
        results
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let checked = |item: PutItem| {
            self.checked("put", &item.key, self.capabilities.check_put(&item.options)).map(|()| item)
        };
        let Checked { passed, refused } = Checked::new(items.into_iter().map(checked));
        if passed.is_empty() {
            return refused.merge(Vec::new());
        }
        let keys: Vec<Key> = passed.iter().map(|item| item.key.clone()).collect();
        self.remove_many(&keys).await;
        let mut results = self.primary.put_many(passed.clone()).await;
        // Without one result for each item, a lost item cannot be identified.
        if results.len() == passed.len() && results.iter().any(is_out) {
            self.put_many_secondary(&passed, &mut results).await;
        }
        refused.merge(results)
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        self.remove_many(keys).await;
        self.primary.delete_many(keys, options).await
    }

    async fn changes(&self) -> Result<ChangeStream> {
        Err(unsupported_changes(&self.capabilities))
    }

    forward_ttl_store!(self, self.primary => no_sync now);
}
