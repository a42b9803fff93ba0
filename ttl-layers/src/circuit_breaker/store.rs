//! The store that `CircuitBreaker` makes.

use std::sync::Arc;

use async_trait::async_trait;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Entry, Error, ErrorKind, Key, Outcome, Page, Patch, Result, TtlStore, Value, forward_ttl_store,
};

use super::circuit::{Change, CircuitState, Permit, Sign};
use super::config::CircuitBreaker;
use crate::layer::Layer;

#[derive(Debug)]
struct CircuitBreakerStore {
    inner: Arc<dyn TtlStore>,
    settings: CircuitBreaker,
}

impl Layer for CircuitBreaker {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        self.check()?;
        Ok(Arc::new(CircuitBreakerStore { inner, settings: self.clone() }))
    }
}

impl CircuitBreakerStore {
    fn permit(&self, operation: &'static str) -> Result<Permit<'_>> {
        self.settings.circuit.permit(|| self.settings.clock.now()).map_err(|state| {
            let text = match state {
                CircuitState::HalfOpen => {
                    "the circuit of the layer CircuitBreaker is half-open, and its probe has no result yet: nothing \
                     was sent; retry later"
                }
                CircuitState::Open | CircuitState::Closed => {
                    "the circuit of the layer CircuitBreaker is open after outages of the backend: nothing was \
                     sent; retry later"
                }
            };
            let backend = self.inner.capabilities().backend;
            Error::new(ErrorKind::Unavailable, text).with_operation(operation).with_backend(backend)
        })
    }

    fn report(&self, permit: Permit<'_>, sign: Sign) {
        let change = permit.report(sign, self.settings.limits(), || self.settings.clock.now());
        let backend = || self.inner.capabilities().backend;
        match change {
            Some(Change::Opened) => tracing::warn!(backend = backend(), "the circuit opened after outages"),
            Some(Change::Closed) => tracing::info!(backend = backend(), "the circuit closed"),
            None => {}
        }
    }

    async fn plain<T>(&self, operation: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let permit = self.permit(operation)?;
        let result = call.await;
        self.report(permit, Sign::of(&result));
        result
    }

    async fn keyed<T>(
        &self,
        operation: &'static str,
        key: &Key,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.plain(operation, call).await.map_err(|error| error.with_key(key))
    }

    async fn batch<T>(
        &self,
        permit: Permit<'_>,
        call: impl Future<Output = Vec<Result<T>>>,
    ) -> Vec<Result<T>> {
        let results = call.await;
        self.report(permit, Sign::of_all(&results));
        results
    }
}

fn fail<'a, T>(error: &Error, keys: impl Iterator<Item = &'a Key>) -> Vec<Result<T>> {
    keys.map(|key| Err(error.clone().with_key(key))).collect()
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for CircuitBreakerStore {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.keyed("get", key, self.inner.get(key, options)).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.keyed("put", key, self.inner.put(key, value, options)).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.keyed("expire", key, self.inner.expire(key, change, options)).await
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        self.keyed("patch", key, self.inner.patch(key, patch, options)).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.keyed("delete", key, self.inner.delete(key, options)).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.plain("scan", self.inner.scan(options)).await
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        match self.permit("get") {
            Ok(permit) => self.batch(permit, self.inner.get_many(keys, options)).await,
            Err(error) => fail(&error, keys.iter()),
        }
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        match self.permit("put") {
            Ok(permit) => self.batch(permit, self.inner.put_many(items)).await,
            Err(error) => fail(&error, items.iter().map(|item| &item.key)),
        }
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        match self.permit("delete") {
            Ok(permit) => self.batch(permit, self.inner.delete_many(keys, options)).await,
            Err(error) => fail(&error, keys.iter()),
        }
    }

    forward_ttl_store!(self, self.inner => no_sync capabilities now changes);
}
