//! Reads that refresh an entry only after it was decoded (R1).

use futures_util::StreamExt;
use futures_util::stream;
use ttl_core::driver::DeferredRefresh;
use ttl_core::options::GetOptions;
use ttl_core::{Entry, Key, Result};

use super::Collection;
use crate::Item;
use crate::format::Format;

/// The maximum number of concurrent refreshes of a batch.
const CONCURRENCY: usize = 64;

impl<T, F: Format<T>> Collection<T, F> {
    /// Reads one entry. If decoding can fail and a refresh is due, the refresh is a second request, for the
    /// version that was decoded. Reading a value that does not fit the type must not extend its lifetime.
    pub(super) async fn fetch(&self, key: Key, mut options: GetOptions) -> Result<Option<Item<T>>> {
        let refresh = self.deferred(&mut options);
        let mut entry = self.shared.space.driver.get(&key, options).await;
        if let Some(refresh) = refresh {
            entry = self.refreshed(&key, entry, refresh).await;
        }
        entry?.map(|entry| self.item("get", &key, entry)).transpose()
    }

    /// Reads many entries as [`Collection::fetch`] does: one batch, and then one request for each refresh
    /// that is due.
    pub(super) async fn fetch_many(
        &self,
        keys: &[Key],
        mut options: GetOptions,
    ) -> Vec<Result<Option<Item<T>>>> {
        let refresh = self.deferred(&mut options);
        let mut entries = self.shared.space.driver.get_many(keys, options).await;
        if let Some(refresh) = refresh {
            // One request each: a refresh names the version that was read, and a batch cannot do that.
            let refreshes: Vec<_> =
                keys.iter().zip(entries).map(|(key, entry)| self.refreshed(key, entry, refresh)).collect();
            entries = stream::iter(refreshes).buffered(CONCURRENCY).collect().await;
        }
        let items = keys.iter().zip(entries);
        items.map(|(key, entry)| entry?.map(|entry| self.item("get", key, entry)).transpose()).collect()
    }

    /// Takes the refresh out of the options if decoding can fail.
    fn deferred(&self, options: &mut GetOptions) -> Option<DeferredRefresh> {
        if self.shared.format.can_fail() { DeferredRefresh::take(options) } else { None }
    }

    /// Refreshes an entry that was read, if a refresh is due and the value can be decoded.
    async fn refreshed(
        &self,
        key: &Key,
        entry: Result<Option<Entry>>,
        refresh: DeferredRefresh,
    ) -> Result<Option<Entry>> {
        let Some(mut entry) = entry? else { return Ok(None) };
        let driver = &self.shared.space.driver.0;
        if refresh.is_due(driver, &entry)? {
            // The decoded value need not be `Send` and cannot be held across the refresh, so it is decoded
            // again afterwards.
            self.item("get", key, entry.clone())?;
            // An entry that was replaced meanwhile is not refreshed: the new value was not read (R6).
            let _ = refresh.send(driver, key, &mut entry).await?;
        }
        refresh.finish(&mut entry);
        Ok(Some(entry))
    }
}
