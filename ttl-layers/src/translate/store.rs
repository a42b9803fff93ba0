//! `TranslatedStore`: the store of a layer that translates values.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use ttl_core::driver::{Context, unsupported_changes};
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Projection, PutItem, PutOptions,
    ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Capabilities, ChangeStream, Entry, Error, ErrorKind, Key, Outcome, Page, Patch, Result, TtlStore, Value,
    forward_ttl_store,
};

use super::translation::Translation;

#[derive(Debug)]
pub(crate) struct TranslatedStore<T> {
    pub(super) inner: Arc<dyn TtlStore>,
    pub(super) translation: T,
}

impl<T: Translation> TranslatedStore<T> {
    pub(crate) fn new(inner: Arc<dyn TtlStore>, translation: T) -> Self {
        Self { inner, translation }
    }

    /// Returns the keys in the inner store.
    pub(super) fn keys<'a>(&self, keys: &'a [Key]) -> Vec<Cow<'a, Key>> {
        keys.iter().map(|key| self.translation.key(key)).collect()
    }

    /// Adds operation, backend and the caller's key to an error.
    pub(super) fn with_context<R>(&self, operation: &'static str, key: &Key, result: Result<R>) -> Result<R> {
        result.map_err(|error| self.error(operation, key, error))
    }

    pub(super) fn error(&self, operation: &'static str, key: &Key, error: Error) -> Error {
        let context = Context::new(self.inner.capabilities().backend);
        context.error(operation, key, error).with_key_replaced(key)
    }

    /// Decodes the value of an entry, and reduces it to the part that the caller selected.
    pub(super) fn decode(&self, key: &Key, mut entry: Entry, projection: &Projection) -> Result<Entry> {
        if let Some(stored) = entry.value.take() {
            let value = self.translation.decode(key, stored)?;
            entry.value =
                if *projection == Projection::All { Some(value) } else { value.project(projection) };
        }
        Ok(entry)
    }

    /// Returns the part of a stored value from which the selected part can be decoded.
    pub(super) fn stored_part(&self, projection: &Projection) -> Result<Projection> {
        match projection {
            Projection::Fields(wanted) => self.translation.fields(wanted),
            Projection::All | Projection::Nothing => Ok(projection.clone()),
        }
    }

    /// Decodes the value that a put found (C5).
    pub(super) fn decode_previous(
        &self,
        key: &Key,
        outcome: Outcome<PutResult>,
    ) -> Result<Outcome<PutResult>> {
        let decode = |mut done: PutResult| {
            let previous = done.previous.take().map(|stored| self.translation.decode(key, stored));
            Ok(done.with_previous(previous.transpose()?))
        };
        match outcome {
            Outcome::Applied(done) => decode(done).map(Outcome::Applied).map_err(|error: Error| {
                let text = "the value was stored, but the value that it replaced cannot be decoded; read the entry \
                            before you decide how to proceed";
                Error::new(ErrorKind::OutcomeUnknown, text).with_source(error)
            }),
            refused => refused.try_map(decode),
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: Translation> TtlStore for TranslatedStore<T> {
    fn capabilities(&self) -> Capabilities {
        self.translation.capabilities(self.inner.capabilities())
    }

    fn now(&self) -> SystemTime {
        self.inner.now()
    }

    forward_ttl_store!(self, self => no_sync);

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        let inner = self.translation.key(key);
        let entry = self.read(&inner, options).await;
        self.outer_entry(key, entry)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        let inner = self.translation.key(key);
        let put = self.write(&inner, value, options).await;
        self.with_context("put", key, put)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        let expired = self.inner.expire(&self.translation.key(key), change, options).await;
        self.with_context("expire", key, expired)
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let inner = self.translation.key(key);
        let patched = self.change(&inner, patch, options).await;
        self.with_context("patch", key, patched)
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let inner = self.translation.key(key);
        let deleted = if options.projection == Projection::Nothing {
            self.inner.delete(&inner, options).await
        } else {
            self.take(&inner, &options, None).await
        };
        self.with_context("delete", key, deleted)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let context = Context::new(self.inner.capabilities().backend);
        context.without_key("scan", self.list(options).await)
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        self.read_many(keys, options).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        self.write_many(items).await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        if options.projection != Projection::Nothing {
            return self.take_many(keys, options).await;
        }
        let inner: Vec<Key> = self.keys(keys).into_iter().map(Cow::into_owned).collect();
        let deleted = self.inner.delete_many(&inner, options).await;
        keys.iter().zip(deleted).map(|(key, deleted)| self.with_context("delete", key, deleted)).collect()
    }

    async fn changes(&self) -> Result<ChangeStream> {
        let capabilities = self.capabilities();
        if capabilities.changes {
            self.inner.changes().await
        } else {
            Err(unsupported_changes(&capabilities))
        }
    }
}
