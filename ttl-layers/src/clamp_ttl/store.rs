//! The store that `ClampTtl` makes.

use std::sync::Arc;

use async_trait::async_trait;
use ttl_core::options::{ExpireOptions, ExpiryChange, GetOptions, Guard, PatchOptions, PutItem, PutOptions};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Deadline, Entry, Error, ErrorKind, Expiry, Key, Outcome, Patch, Result, Ttl, TtlStore, Value,
    forward_ttl_store,
};

use super::config::ClampTtl;
use crate::layer::Layer;

#[derive(Debug)]
struct ClampTtlStore {
    inner: Arc<dyn TtlStore>,
    settings: ClampTtl,
}

impl Layer for ClampTtl {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        self.check()?;
        Ok(Arc::new(ClampTtlStore { inner, settings: *self }))
    }
}

impl ClampTtlStore {
    fn get_options(&self, mut options: GetOptions) -> GetOptions {
        options.refresh = options.refresh.map(|refresh| self.settings.refresh(refresh));
        options
    }

    fn put_options(&self, options: PutOptions) -> PutOptions {
        self.settings.put(options, || self.inner.now())
    }

    /// Extends a deadline, and lowers it if it then passes the maximum.
    async fn extend(&self, key: &Key, by: Ttl, options: ExpireOptions) -> Result<Outcome<ExpireResult>> {
        let if_version = options.if_version;
        let outcome = self.inner.expire(key, ExpiryChange::Extend(by), options).await?;
        let (Outcome::Applied(extended), Some(max)) = (&outcome, self.settings.max) else {
            return Ok(outcome);
        };
        let passes = extended.changed && extended.deadline > Deadline::after(self.inner.now(), max);
        if !passes {
            return Ok(outcome);
        }
        let mut options = ExpireOptions::new().with_guard(Guard::IfSooner);
        options.if_version = if_version;
        let lowered = self.inner.expire(key, ExpiryChange::Set(Expiry::After(max)), options).await;
        match lowered {
            Ok(Outcome::Applied(lowered)) => {
                // The present deadline before the call may have been the maximum already.
                let changed = lowered.deadline.plus(by) != extended.deadline;
                Ok(Outcome::Applied(ExpireResult::new(lowered.deadline, changed)))
            }
            // Another writer has replaced or deleted the entry after its extension.
            Ok(Outcome::Absent | Outcome::Refused(_)) => Ok(outcome),
            Err(error) => Err(unknown(error).with_key(key)),
        }
    }
}

/// Creates the error for a deadline that was extended and not lowered.
fn unknown(error: Error) -> Error {
    let text = "the deadline was extended beyond the maximum of the layer ClampTtl, and may not have been lowered; \
                set it again";
    let unknown = Error::new(ErrorKind::OutcomeUnknown, text).with_operation("expire");
    let unknown = error.backend().map_or(unknown.clone(), |backend| unknown.with_backend(backend));
    unknown.with_source(error)
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for ClampTtlStore {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.inner.get(key, self.get_options(options)).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.inner.put(key, value, self.put_options(options)).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        match change {
            ExpiryChange::Set(expiry) => {
                let expiry = self.settings.expiry(expiry, || self.inner.now());
                self.inner.expire(key, ExpiryChange::Set(expiry), options).await
            }
            ExpiryChange::Extend(by) => self.extend(key, by, options).await,
        }
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let options = self.settings.patch(options, || self.inner.now());
        self.inner.patch(key, patch, options).await
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        self.inner.get_many(keys, self.get_options(options)).await
    }

    async fn put_many(&self, mut items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        for item in &mut items {
            item.options = self.put_options(item.options.clone());
        }
        self.inner.put_many(items).await
    }

    forward_ttl_store!(self, self.inner => no_sync capabilities now delete scan delete_many changes);
}
