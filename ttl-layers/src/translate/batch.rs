//! Batches: one call of the inner store, and further ones for refreshes and takes.

use std::borrow::Cow;

use ttl_core::driver::{DeferredRefresh, RefreshStep, each};
use ttl_core::options::{DeleteOptions, GetOptions, Projection, PutItem};
use ttl_core::results::PutResult;
use ttl_core::{Entry, Key, Outcome, Result, TtlStore};

use super::read::whole;
use super::store::TranslatedStore;
use super::translation::Translation;
use crate::batch::{Checked, missing};

/// The maximum number of concurrent requests of a batch.
const CONCURRENCY: usize = 64;

impl<T: Translation> TranslatedStore<T> {
    /// Reads many entries: one batch, and then one request for each refresh that is due.
    pub(super) async fn read_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let inner: Vec<Key> = self.keys(keys).into_iter().map(Cow::into_owned).collect();
        let mut sent = options.clone();
        let entries = match self.stored_part(&options.projection) {
            Ok(part) => {
                sent.projection = part;
                let refresh = if options.projection == Projection::Nothing {
                    None
                } else {
                    DeferredRefresh::take(&mut sent)
                };
                let mut stored = self.inner.get_many(&inner, sent).await;
                stored.resize_with(keys.len(), || Err(missing()));
                self.decode_many(&inner, stored, refresh, &options).await
            }
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        };
        keys.iter().zip(entries).map(|(key, entry)| self.outer_entry(key, entry)).collect()
    }

    /// Decodes the entries of a batch, and refreshes them.
    async fn decode_many(
        &self,
        keys: &[Key],
        stored: Vec<Result<Option<Entry>>>,
        refresh: Option<DeferredRefresh>,
        options: &GetOptions,
    ) -> Vec<Result<Option<Entry>>> {
        let decoded = keys.iter().zip(stored).map(|(key, entry)| {
            let decode = |entry| self.decode(key, entry, &options.projection);
            (key, (key, entry.and_then(|entry| entry.map(decode).transpose())))
        });
        let Some(refresh) = refresh else { return decoded.map(|(_, (_, entry))| entry).collect() };
        let refreshed = async |(key, entry): (&Key, Result<Option<Entry>>)| {
            let Some(mut entry) = entry? else { return Ok(None) };
            match self.refresh(refresh, key, &mut entry).await? {
                RefreshStep::Done => Ok(Some(entry)),
                RefreshStep::Stale => self.read(key, options.clone()).await,
            }
        };
        each(CONCURRENCY, decoded.collect(), refreshed).await
    }

    /// Stores many entries in one batch.
    pub(super) async fn write_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let limits = self.capabilities();
        let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
        let Checked { passed, refused } = Checked::new(items.into_iter().map(|item| {
            let key = self.translation.key(&item.key).into_owned();
            limits.check_put(&item.options)?;
            let value = self.translation.encode(&key, item.value, &limits)?;
            Ok(PutItem::new(key, value, item.options))
        }));
        let results = if passed.is_empty() { Vec::new() } else { self.inner.put_many(passed).await };
        let results = refused.merge(results);
        keys.iter()
            .zip(results)
            .map(|(key, put)| {
                let inner = self.translation.key(key);
                let put = put.and_then(|outcome| self.decode_previous(&inner, outcome));
                self.with_context("put", key, put)
            })
            .collect()
    }

    /// Takes many entries: one batch of reads, and then one conditional delete for each.
    pub(super) async fn take_many(
        &self,
        keys: &[Key],
        options: DeleteOptions,
    ) -> Vec<Result<Outcome<Option<Entry>>>> {
        let inner: Vec<Key> = self.keys(keys).into_iter().map(Cow::into_owned).collect();
        let mut stored = match self.capabilities().check_delete(&options) {
            Ok(()) => self.inner.get_many(&inner, whole()).await,
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        };
        stored.resize_with(keys.len(), || Err(missing()));
        let items = inner.iter().zip(stored).map(|(key, stored)| (key, (key, stored))).collect();
        let take = async |(key, stored)| self.take(key, &options, Some(stored)).await;
        let taken = each(CONCURRENCY, items, take).await;
        keys.iter().zip(taken).map(|(key, taken)| self.with_context("delete", key, taken)).collect()
    }
}
