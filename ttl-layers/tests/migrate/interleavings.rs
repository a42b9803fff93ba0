//! One caller moves an entry, and stops before each of its requests in turn. Meanwhile another caller writes.
//! Then the first one continues, or its future is dropped, as if its process had ended.

use std::sync::Arc;

use tokio::task::JoinSet;
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions,
    PatchOptions, PutOptions, Refresh,
};
use ttl_core::{ErrorKind, Expiry, Patch, TtlStore};
use ttl_layers::{LayerExt, Migrate};

use crate::gate::{Gate, Gated};
use crate::stores::{LONG, SHORT, Stores, key, parts, record, value, whole};

/// More steps than any operation has.
const MAX_STEPS: usize = 24;

/// Makes a store from an old one and a new one.
pub(crate) type Make = fn(Arc<dyn TtlStore>, Arc<dyn TtlStore>) -> Arc<dyn TtlStore>;

/// The operation that is stopped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stopped {
    Get,
    Refresh,
    PatchNothing,
    PutIfPresent,
}

/// The operation that is made meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meanwhile {
    Delete,
    Take,
    End,
    Shorten,
    ShortenByReading,
    Put,
    PutKept,
    PutIfAbsentAfterDelete,
    Patch,
}

const STOPPED: [Stopped; 4] = [Stopped::Get, Stopped::Refresh, Stopped::PatchNothing, Stopped::PutIfPresent];
const MEANWHILE: [Meanwhile; 9] = [
    Meanwhile::Delete,
    Meanwhile::Take,
    Meanwhile::End,
    Meanwhile::Shorten,
    Meanwhile::ShortenByReading,
    Meanwhile::Put,
    Meanwhile::PutKept,
    Meanwhile::PutIfAbsentAfterDelete,
    Meanwhile::Patch,
];

impl Stopped {
    /// Makes a call that leaves the value and the deadline of a record as they are.
    async fn make(self, store: Arc<dyn TtlStore>) {
        let k = key("k");
        match self {
            Self::Get => drop(store.get(&k, GetOptions::new()).await.unwrap()),
            Self::Refresh => {
                let refresh = Refresh::extend_only(SHORT);
                drop(store.get(&k, GetOptions::nothing().with_refresh(refresh)).await.unwrap());
            }
            Self::PatchNothing => {
                // A blob may have replaced the record.
                let patched = store.patch(&k, &Patch::new().unset("none"), PatchOptions::new()).await;
                assert!(patched.map_or_else(|error| error.kind() == ErrorKind::WrongKind, |_| true));
            }
            Self::PutIfPresent => {
                let condition = Condition::IfVersion(ttl_core::Version::from_u128(7));
                drop(
                    store
                        .put(&k, "other".into(), PutOptions::new(LONG).with_condition(condition))
                        .await
                        .unwrap(),
                );
            }
        }
    }
}

impl Meanwhile {
    /// Makes the call on an entry of the old store. Returns whether the entry is live afterwards.
    async fn make(self, store: &dyn TtlStore) -> bool {
        let k = key("k");
        let set = |expiry| ExpiryChange::Set(expiry);
        match self {
            Self::Delete => {
                assert!(store.delete(&k, DeleteOptions::new()).await.unwrap().is_applied(), "{self:?}");
                false
            }
            Self::Take => {
                let taken = store.delete(&k, DeleteOptions::take()).await.unwrap().applied().flatten();
                assert_eq!(taken.unwrap().value, Some(record().into()), "{self:?}");
                false
            }
            Self::End => {
                let end = set(Expiry::At(std::time::UNIX_EPOCH));
                assert!(store.expire(&k, end, ExpireOptions::new()).await.unwrap().is_applied(), "{self:?}");
                false
            }
            Self::Shorten => {
                let done = store.expire(&k, set(SHORT.into()), ExpireOptions::new()).await.unwrap();
                assert!(done.applied().unwrap().changed, "{self:?}");
                true
            }
            Self::ShortenByReading => {
                let read = GetOptions::new().with_refresh(Refresh::reset(SHORT));
                assert!(store.get(&k, read).await.unwrap().is_some(), "{self:?}");
                true
            }
            Self::Put => {
                let put = store.put(&k, "new".into(), PutOptions::new(SHORT)).await.unwrap();
                assert!(!put.applied().unwrap().created, "{self:?}");
                true
            }
            Self::PutKept => {
                let put = PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Keep);
                let put =
                    store.put(&k, "new".into(), put.with_condition(Condition::IfPresent)).await.unwrap();
                assert!(put.is_applied(), "{self:?}");
                true
            }
            Self::PutIfAbsentAfterDelete => {
                assert!(store.delete(&k, DeleteOptions::new()).await.unwrap().is_applied(), "{self:?}");
                let put = PutOptions::new(SHORT).with_condition(Condition::IfAbsent);
                assert!(
                    store.put(&k, "new".into(), put).await.unwrap().applied().unwrap().created,
                    "{self:?}"
                );
                true
            }
            Self::Patch => {
                let options =
                    PatchOptions::new().with_create(Create::new(LONG)).with_refresh(Refresh::reset(SHORT));
                let done = store.patch(&k, &Patch::new().increment("n", 1), options).await.unwrap();
                assert!(!done.applied().unwrap().created, "{self:?}");
                true
            }
        }
    }
}

/// Runs one interleaving. Returns whether the stopped operation has this step, or the fault.
pub(crate) async fn run(
    make: Make,
    stopped: Stopped,
    meanwhile: Meanwhile,
    step: usize,
    ends: bool,
) -> Result<bool, String> {
    let stores = Stores::create();
    stores.put_old("k", record(), LONG).await;
    let gate = Gate::before(step);
    let gated =
        |inner: Arc<dyn TtlStore>| -> Arc<dyn TtlStore> { Arc::new(Gated { inner, gate: gate.clone() }) };
    let [old, new]: [Arc<dyn TtlStore>; 2] = [Arc::new(stores.old.clone()), Arc::new(stores.new.clone())];
    let store = make(gated(old.clone()), gated(new.clone()));
    let other = make(old, new);
    let task = tokio::spawn(stopped.make(store));
    tokio::select! {
        () = gate.reached() => {}
        // It has fewer steps.
        () = async { while !task.is_finished() { tokio::task::yield_now().await } } => return Ok(false),
    }
    let lives = meanwhile.make(&*other).await;
    let (before, seen) = (parts(whole(&*other, "k").await), value(&*other, "k").await);
    if ends {
        task.abort();
        let _ = task.await;
    } else {
        gate.open();
        task.await.map_err(|error| error.to_string())?;
    }
    let about = format!("{stopped:?} stopped before request {step}, {meanwhile:?} meanwhile, ended: {ends}");
    if seen.is_some() != lives {
        return Err(format!("{about}: expected a live entry: {lives}, found {seen:?}"));
    }
    let after = parts(whole(&*other, "k").await);
    if after != before {
        return Err(format!("{about}: expected {before:?} to stay, found {after:?}"));
    }
    // Beyond the shortened lifetime, but within that in the old store.
    if !matches!(meanwhile, Meanwhile::PutKept) {
        stores.advance(SHORT);
        let after = parts(whole(&*other, "k").await);
        if after.is_some() {
            return Err(format!("{about}: expected nothing after the deadline, found {after:?}"));
        }
    }
    stores.advance(LONG);
    match stores.counts() {
        (0, 0) => Ok(true),
        left => Err(format!("{about}: expected two empty stores, found {left:?} entries")),
    }
}

pub(crate) fn migrate(old: Arc<dyn TtlStore>, new: Arc<dyn TtlStore>) -> Arc<dyn TtlStore> {
    new.layer(Migrate::new(old)).unwrap()
}

/// Runs all interleavings. Returns their number and the faults.
pub(crate) async fn all(make: Make) -> (usize, Vec<String>) {
    let mut running = JoinSet::new();
    for stopped in STOPPED {
        for meanwhile in MEANWHILE {
            for ends in [false, true] {
                running.spawn(async move {
                    let mut results = Vec::new();
                    for step in 0..MAX_STEPS {
                        match run(make, stopped, meanwhile, step, ends).await {
                            Ok(true) => results.push(None),
                            Ok(false) => break,
                            Err(fault) => results.push(Some(fault)),
                        }
                    }
                    results
                });
            }
        }
    }
    let results: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    let (count, faults) = (results.len(), results.into_iter().flatten().collect());
    (count, faults)
}

#[tokio::test]
async fn no_interleaving_revives_or_loses_a_write() {
    let (count, faults) = all(migrate).await;
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
    // Six or more requests of each operation, with each of the others, continued and dropped.
    assert!(count >= 4 * 9 * 2 * 6, "{count}");
}
