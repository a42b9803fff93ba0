//! The suite on core's rules over the smallest backend, and on a store that denies every optional
//! capability. Both have a manual clock.

use std::process::ExitCode;
use std::sync::Arc;

use ttl_conformance::{Fixture, Harness, Time, run_trials, trials};
use ttl_core::driver::CasStore;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Capabilities, Entry, Key, Outcome, Page, Patch, Result, TtlStore, Value, async_trait, forward_ttl_store,
};

#[path = "shared/clocked.rs"]
mod clocked;

type Inner = CasStore<clocked::Clocked>;

/// Creates a store with a size limit that is small enough to be tested.
fn inner() -> (Inner, Time) {
    clocked::store(Capabilities::new("toy").with_max_value_bytes(1 << 20))
}

/// The rules of `ttl-core` on the smallest backend.
#[derive(Debug)]
struct Complete;

#[async_trait]
impl Harness for Complete {
    async fn fresh(&self) -> Result<Fixture> {
        let (store, time) = inner();
        Ok(Fixture::new(Arc::new(store), time))
    }
}
/// A store that denies each optional capability.
#[derive(Debug)]
struct Modest(Inner);

/// The batches are the provided ones: one call after another, each with its own check.
#[async_trait]
impl TtlStore for Modest {
    fn capabilities(&self) -> Capabilities {
        self.0
            .capabilities()
            .with_scan(false)
            .with_conditions(false)
            .with_patch(false)
            .with_caps(false)
            .with_created_at(false)
            .with_unique_versions(false)
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.capabilities().check_get(&options)?;
        self.0.get(key, options).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.capabilities().check_put(&options)?;
        self.0.put(key, value, options).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.capabilities().check_expire(&options)?;
        self.0.expire(key, change, options).await
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        self.capabilities().check_patch(patch, &options)?;
        self.0.patch(key, patch, options).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.capabilities().check_delete(&options)?;
        self.0.delete(key, options).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.capabilities().check_scan(&options)?;
        self.0.scan(options).await
    }

    forward_ttl_store!(self, self.0 => now);
}

#[derive(Debug)]
struct ModestHarness;

#[async_trait]
impl Harness for ModestHarness {
    async fn fresh(&self) -> Result<Fixture> {
        let (store, time) = inner();
        Ok(Fixture::new(Arc::new(Modest(store)), time))
    }
}

fn main() -> ExitCode {
    let complete = trials(|| Ok(Arc::new(Complete)));
    let modest = trials(|| Ok(Arc::new(ModestHarness))).into_iter().map(|trial| trial.with_kind("denying"));
    run_trials(modest.chain(complete).collect())
}
