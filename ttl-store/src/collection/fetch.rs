//! Reads that refresh an entry only after it was decoded (R1).

use futures_util::StreamExt;
use futures_util::stream;
use ttl_core::options::{ExpireOptions, ExpiryChange, GetOptions, Guard, Refresh, Returning};
use ttl_core::rules::{self, Header};
use ttl_core::{Deadline, Entry, Key, Outcome, RefreshMode, Result, Version};

use super::Collection;
use crate::Item;
use crate::format::Format;
use crate::space::unreported;

/// The maximum number of concurrent refreshes of a batch.
const CONCURRENCY: usize = 64;

impl<T, F: Format<T>> Collection<T, F> {
    /// Reads one entry. If decoding can fail and a refresh is due, the refresh is a second request, for the
    /// version that was decoded. Reading a value that does not fit the type must not extend its lifetime.
    pub(super) async fn fetch(&self, key: Key, options: GetOptions) -> Result<Option<Item<T>>> {
        let driver = &self.shared.space.driver;
        let entry = match options.refresh.filter(|_| self.shared.format.can_fail()) {
            None => driver.get(&key, options).await?,
            Some(refresh) => {
                let entry = driver.get(&key, peek(&options)).await;
                self.refreshed(&key, entry, refresh, options.returning).await?
            }
        };
        entry.map(|entry| self.item("get", &key, entry)).transpose()
    }

    /// Reads many entries as [`Collection::fetch`] does: one batch, and then one request for each refresh
    /// that is due.
    pub(super) async fn fetch_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Item<T>>>> {
        let driver = &self.shared.space.driver;
        let entries = match options.refresh.filter(|_| self.shared.format.can_fail()) {
            None => driver.get_many(keys, options).await,
            Some(refresh) => {
                let entries = driver.get_many(keys, peek(&options)).await;
                // One request each: a refresh names the version that was read, and a batch cannot do that.
                let refreshes: Vec<_> = keys
                    .iter()
                    .zip(entries)
                    .map(|(key, entry)| self.refreshed(key, entry, refresh, options.returning))
                    .collect();
                stream::iter(refreshes).buffered(CONCURRENCY).collect().await
            }
        };
        let items = keys.iter().zip(entries);
        items.map(|(key, entry)| entry?.map(|entry| self.item("get", key, entry)).transpose()).collect()
    }

    /// Refreshes an entry that was read with its metadata, if a refresh is due and the value can be decoded.
    /// Keeps only the requested metadata.
    async fn refreshed(
        &self,
        key: &Key,
        entry: Result<Option<Entry>>,
        refresh: Refresh,
        returning: Returning,
    ) -> Result<Option<Entry>> {
        let Some(mut entry) = entry? else { return Ok(None) };
        let deadline = entry.deadline.ok_or_else(|| unreported("deadline"))?;
        let version = entry.version.ok_or_else(|| unreported("version"))?;
        // The cap is unknown here; the expire call applies it.
        let header = Header { kind: F::KIND, deadline, cap: Deadline::NEVER, version };
        let asked = GetOptions::new().with_refresh(refresh);
        let hit = rules::get(self.shared.space.driver.now(), Some(&header), &asked)?;
        if hit.is_some_and(|hit| hit.refresh.is_some()) {
            // The decoded value need not be `Send` and cannot be held across the refresh, so it is decoded
            // again afterwards.
            self.item("get", key, entry.clone())?;
            match self.refresh_version(key, version, refresh).await {
                Ok(Some(deadline)) => entry.deadline = Some(deadline),
                // The entry was replaced or is gone; a new value was not read (R6).
                Ok(None) => {}
                // A failed refresh does not fail the read (R9).
                Err(error) => entry.refresh_error = Some(error),
            }
        }
        entry.deadline = entry.deadline.filter(|_| returning.contains(Returning::DEADLINE));
        entry.version = entry.version.filter(|_| returning.contains(Returning::VERSION));
        Ok(Some(entry))
    }

    /// Refreshes the entry if it has this version. Returns its deadline, or `None` if it has another version
    /// or is gone.
    async fn refresh_version(
        &self,
        key: &Key,
        version: Version,
        refresh: Refresh,
    ) -> Result<Option<Deadline>> {
        let driver = &self.shared.space.driver;
        if !driver.capabilities().conditions {
            // This store cannot name a version in a refresh, so the refresh applies to the stored entry.
            let options = GetOptions::nothing().with_returning(Returning::DEADLINE).with_refresh(refresh);
            let Some(entry) = driver.get(key, options).await? else { return Ok(None) };
            return entry.refresh_error.map_or(Ok(entry.deadline), Err);
        }
        let guard = match refresh.mode {
            RefreshMode::ExtendOnly => Guard::IfLater,
            RefreshMode::Reset => Guard::Always,
        };
        let options = ExpireOptions::new().with_guard(guard).with_if_version(version);
        match driver.expire(key, ExpiryChange::Set(refresh.ttl.into()), options).await? {
            Outcome::Applied(done) => Ok(Some(done.deadline)),
            Outcome::Absent | Outcome::Refused(_) => Ok(None),
        }
    }
}

/// Returns the options of the same read without the refresh, with the metadata that a later refresh needs.
fn peek(options: &GetOptions) -> GetOptions {
    options
        .clone()
        .with_refresh(None)
        .with_returning(options.returning | Returning::DEADLINE | Returning::VERSION)
}
