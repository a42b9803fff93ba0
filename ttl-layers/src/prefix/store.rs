//! The store that `Prefix` makes.

use std::future::ready;
use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    ChangeStream, Cursor, Entry, Error, ErrorKind, Key, Outcome, Page, PageItem, Patch, Result, StoreChange,
    TtlStore, Value, forward_ttl_store,
};

use super::config::Prefix;
use crate::batch::Checked;
use crate::layer::Layer;

#[derive(Debug)]
struct PrefixStore {
    inner: Arc<dyn TtlStore>,
    settings: Prefix,
}

impl Layer for Prefix {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        self.check()?;
        Ok(Arc::new(PrefixStore { inner, settings: self.clone() }))
    }
}

impl PrefixStore {
    fn prefix(&self) -> &str {
        &self.settings.prefix
    }

    /// Returns the key in the inner store.
    fn inner_key(&self, operation: &'static str, key: &Key) -> Result<Key> {
        Key::new([self.prefix(), key.as_str()].concat()).map_err(|_| {
            let most = Key::MAX_BYTES - self.prefix().len();
            let found = key.as_str().len();
            let text =
                format!("expected 1 to {most} bytes on this store, which adds a prefix, found {found}");
            Error::new(ErrorKind::InvalidKey, text)
                .with_operation(operation)
                .with_backend(self.inner.capabilities().backend)
                .with_key(key)
        })
    }

    /// Returns the scan to which a cursor is bound. The inner cursor alone is not enough: the inner store
    /// cannot distinguish the prefixes `a` and `ab` here from `ab` and `b`.
    fn scope<'a>(&'a self, prefix: &'a str) -> [&'a str; 3] {
        ["prefix", self.prefix(), prefix]
    }

    fn seal(&self, prefix: &str, inner: &Cursor) -> Cursor {
        Cursor::seal(&self.settings.cursor_secret, &self.scope(prefix), inner.as_str().as_bytes())
    }

    fn open(&self, prefix: &str, cursor: &Cursor) -> Result<Cursor> {
        let opened = cursor.open(&self.settings.cursor_secret, &self.scope(prefix)).and_then(|inner| {
            let text = String::from_utf8(inner).ok();
            text.and_then(|text| text.parse().ok()).ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidCursor,
                    "the cursor is invalid; restart the scan without a cursor",
                )
            })
        });
        opened.map_err(|error| error.with_operation("scan").with_backend(self.inner.capabilities().backend))
    }
}

/// Returns the caller's key of an entry in the inner store. `None` for an entry of another prefix, and for one
/// whose key is the prefix alone.
fn outer_key(prefix: &str, key: &Key) -> Option<Key> {
    Key::new(key.as_str().strip_prefix(prefix)?).ok()
}

/// Replaces the key of the inner store in an error.
fn outer<T>(key: &Key, result: Result<T>) -> Result<T> {
    result.map_err(|error| error.with_key_replaced(key))
}

fn outer_entry(key: &Key, result: Result<Option<Entry>>) -> Result<Option<Entry>> {
    let mut entry = outer(key, result)?;
    if let Some(entry) = &mut entry {
        entry.refresh_error = entry.refresh_error.take().map(|error| error.with_key_replaced(key));
    }
    Ok(entry)
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for PrefixStore {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        let inner = self.inner_key("get", key)?;
        outer_entry(key, self.inner.get(&inner, options).await)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        let inner = self.inner_key("put", key)?;
        outer(key, self.inner.put(&inner, value, options).await)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        let inner = self.inner_key("expire", key)?;
        outer(key, self.inner.expire(&inner, change, options).await)
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let inner = self.inner_key("patch", key)?;
        outer(key, self.inner.patch(&inner, patch, options).await)
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let inner = self.inner_key("delete", key)?;
        outer(key, self.inner.delete(&inner, options).await)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let prefix = options.prefix;
        let mut inner = ScanOptions::new([self.prefix(), &prefix].concat())
            .with_limit(options.limit)
            .with_projection(options.projection)
            .with_returning(options.returning);
        if let Some(cursor) = &options.cursor {
            inner = inner.with_cursor(self.open(&prefix, cursor)?);
        }
        let mut items = Vec::new();
        loop {
            let page = self.inner.scan(inner.clone()).await?;
            for PageItem { key, entry, .. } in page.items {
                if let Some(key) = outer_key(self.prefix(), &key) {
                    let entry = outer(&key, entry);
                    items.push(PageItem::new(key, entry));
                }
            }
            let missing = NonZeroUsize::new(options.limit.get().saturating_sub(items.len()));
            match (page.next, missing) {
                // The key of an entry was the prefix alone. The page must be full if there are more (S1).
                (Some(next), Some(missing)) => inner = inner.with_limit(missing).with_cursor(next),
                (next, _) => return Ok(Page::new(items, next.map(|next| self.seal(&prefix, &next)))),
            }
        }
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let Checked { passed, refused } = Checked::new(keys.iter().map(|key| self.inner_key("get", key)));
        let results =
            if passed.is_empty() { Vec::new() } else { self.inner.get_many(&passed, options).await };
        let results = refused.merge(results);
        keys.iter().zip(results).map(|(key, result)| outer_entry(key, result)).collect()
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let mut keys = Vec::with_capacity(items.len());
        let Checked { passed, refused } = Checked::new(items.into_iter().map(|mut item| {
            let inner = self.inner_key("put", &item.key);
            match inner {
                Ok(inner) => {
                    keys.push(std::mem::replace(&mut item.key, inner));
                    Ok(item)
                }
                Err(error) => {
                    keys.push(item.key);
                    Err(error)
                }
            }
        }));
        let results = if passed.is_empty() { Vec::new() } else { self.inner.put_many(passed).await };
        let results = refused.merge(results);
        keys.iter().zip(results).map(|(key, result)| outer(key, result)).collect()
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        let Checked { passed, refused } = Checked::new(keys.iter().map(|key| self.inner_key("delete", key)));
        let results =
            if passed.is_empty() { Vec::new() } else { self.inner.delete_many(&passed, options).await };
        let results = refused.merge(results);
        keys.iter().zip(results).map(|(key, result)| outer(key, result)).collect()
    }

    async fn changes(&self) -> Result<ChangeStream> {
        let (inner, prefix) = (self.inner.changes().await?, self.settings.prefix.clone());
        let outer = move |change| match change {
            StoreChange::Changed(key) => outer_key(&prefix, &key).map(StoreChange::Changed),
            StoreChange::Cleared | StoreChange::Gap => Some(change),
        };
        Ok(Box::pin(inner.filter_map(move |change| ready(outer(change)))))
    }

    forward_ttl_store!(self, self.inner => no_sync capabilities now);
}
