//! The conformance suite on this driver: with a manual clock, in real time with the sweeper, and synchronously.

use std::process::ExitCode;
use std::sync::Arc;

use ttl_conformance::{Beneath, Fixture, Harness, Time, run_trials, trials};
use ttl_core::driver::SyncStore;
use ttl_core::options::{DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Entry, Key, ManualClock, Outcome, Patch, Result, TtlStore, Value, async_trait, forward_ttl_store,
};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

/// Expired entries remain until a put reclaims them, so the cases encounter ghosts.
#[derive(Debug)]
struct Manual;

#[async_trait]
impl Harness for Manual {
    async fn fresh(&self) -> Result<Fixture> {
        let clock = Arc::new(ManualClock::new());
        let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
        Ok(fixture(MemoryStore::new(&config), Time::Manual(clock)))
    }
}

/// The store as programs use it.
#[derive(Debug)]
struct InRealTime;

#[async_trait]
impl Harness for InRealTime {
    async fn fresh(&self) -> Result<Fixture> {
        Ok(fixture(MemoryStore::new(&MemoryConfig::new()), Time::Real))
    }
}

/// The store as `Store` and collections use it: its synchronous form, with a manual clock.
#[derive(Debug)]
struct Synchronous;

#[async_trait]
impl Harness for Synchronous {
    async fn fresh(&self) -> Result<Fixture> {
        let clock = Arc::new(ManualClock::new());
        let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
        let store = Arc::new(ThroughSync(MemoryStore::new(&config)));
        Ok(Fixture::new(store.clone(), Time::Manual(clock)).with_second(store))
    }
}

/// A store whose methods call those of the synchronous form.
#[derive(Debug)]
struct ThroughSync(MemoryStore);

impl ThroughSync {
    fn sync(&self) -> &dyn SyncStore {
        self.0.as_sync().expect("the memory driver never waits")
    }
}

#[async_trait]
impl TtlStore for ThroughSync {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.sync().get(key, &options)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.sync().put(key, value, &options)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.sync().expire(key, change, &options)
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        self.sync().patch(key, patch, &options)
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.sync().delete(key, &options)
    }

    forward_ttl_store!(self, self.0 => capabilities now no_sync scan get_many put_many delete_many changes);
}

fn fixture(store: MemoryStore, time: Time) -> Fixture {
    let beneath = Arc::new(Counted(store.clone()));
    Fixture::new(Arc::new(store.clone()), time).with_second(Arc::new(store)).with_beneath(beneath)
}

#[derive(Debug)]
struct Counted(MemoryStore);

#[async_trait]
impl Beneath for Counted {
    async fn count_stored(&self) -> Result<Option<usize>> {
        Ok(Some(self.0.len()))
    }
}

fn main() -> ExitCode {
    let manual = trials(|| Ok(Arc::new(Manual))).into_iter().map(|trial| trial.with_kind("manual clock"));
    let in_real_time = trials(|| Ok(Arc::new(InRealTime)));
    let synchronous =
        trials(|| Ok(Arc::new(Synchronous))).into_iter().map(|trial| trial.with_kind("synchronous"));
    run_trials(manual.chain(in_real_time).chain(synchronous).collect())
}
