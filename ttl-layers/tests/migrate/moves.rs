//! What a move keeps, hides and costs.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Projection, PutItem,
    PutOptions, ScanOptions,
};
use ttl_core::{ErrorKind, Expiry, Key, Lifespan, Outcome, Patch, Ttl, TtlStore, Value};
use ttl_layers::{LayerExt, LimitSize, Migrate};
use ttl_memory::{MemoryConfig, MemoryStore};

use crate::gate::{Gate, Gated};
use crate::stores::{LONG, SHORT, Stores, delete, key, parts, record, value, whole};

#[tokio::test]
async fn an_entry_moves_with_its_deadline_and_its_cap() {
    let lifespans = [
        Lifespan::from(LONG),
        Lifespan::persistent(),
        Lifespan::from(SHORT).with_max_lifetime(LONG),
        Lifespan::persistent().with_max_lifetime(LONG),
    ];
    for lifespan in lifespans {
        for content in [Value::from("blob"), "".into(), record().into()] {
            let stores = Stores::create();
            let store = stores.store();
            stores.put_old("k", content, lifespan).await;
            let before = parts(whole(&stores.old, "k").await);
            stores.advance(Ttl::seconds(7));
            assert_eq!(parts(whole(&*store, "k").await), before);
            assert_eq!(stores.counts(), (0, 1), "it is in one store");
            assert_eq!(parts(whole(&stores.new, "k").await), before);
        }
    }
}

/// Leaves a claim in the new store, as a process does that ends in the middle of a move.
async fn abandon(stores: &Stores, name: &str, after: usize) {
    let gate = Gate::before(after);
    let gated = |inner| -> Arc<dyn TtlStore> { Arc::new(Gated { inner, gate: gate.clone() }) };
    let old = gated(Arc::new(stores.old.clone()) as Arc<dyn TtlStore>);
    let store = gated(Arc::new(stores.new.clone())).layer(Migrate::new(old)).unwrap();
    let k = key(name);
    let task = tokio::spawn(async move { store.get(&k, GetOptions::new()).await });
    gate.reached().await;
    task.abort();
    let _ = task.await;
}

/// The requests of a get before it reads the old entry: the new store, the old one, the claim.
const CLAIMED: usize = 3;

#[tokio::test]
async fn an_abandoned_claim_is_no_entry() {
    let stores = Stores::create();
    for n in 0..12 {
        let name = format!("k{n}");
        stores.put_old(&name, "v", LONG).await;
        abandon(&stores, &name, CLAIMED).await;
        // Without the entry, the claim has nothing to stand for.
        assert!(delete(&stores.old, &name).await);
    }
    assert_eq!(stores.counts(), (0, 12), "the claims");
    let store = stores.store();
    let page = store.scan(ScanOptions::new("")).await.unwrap();
    assert!(page.items.is_empty() && page.next.is_none(), "{page:?}");
    for options in [
        GetOptions::new(),
        GetOptions::nothing(),
        GetOptions::new().with_kind(ttl_core::Kind::Record),
        GetOptions::new().with_kind(ttl_core::Kind::Blob),
    ] {
        assert!(store.get(&key("k0"), options.clone()).await.unwrap().is_none(), "{options:?}");
        let many = store.get_many(&[key("k0"), key("none")], options.clone()).await;
        assert!(many.into_iter().all(|got| got.unwrap().is_none()), "{options:?}");
    }
    let patch = Patch::new().set("n", 2);
    assert!(store.patch(&key("k1"), &patch, PatchOptions::new()).await.unwrap().is_absent());
    assert!(store.delete(&key("k2"), DeleteOptions::new()).await.unwrap().is_absent());
    assert!(
        store
            .delete(&key("k3"), DeleteOptions::take().with_kind(ttl_core::Kind::Record))
            .await
            .unwrap()
            .is_absent()
    );
    let version = ttl_core::Version::from_u128(7);
    assert!(
        store.delete(&key("k4"), DeleteOptions::new().with_if_version(version)).await.unwrap().is_absent()
    );
    let change = ExpiryChange::Extend(LONG);
    assert!(store.expire(&key("k5"), change, ExpireOptions::new()).await.unwrap().is_absent());
    let named = ExpireOptions::new().with_if_version(version);
    assert!(store.expire(&key("k6"), change, named).await.unwrap().is_absent());
    let put = async |name: &str, condition| {
        let options = PutOptions::new(LONG).with_condition(condition).with_previous();
        store.put(&key(name), "new".into(), options).await.unwrap()
    };
    assert!(put("k7", Condition::IfPresent).await.is_absent());
    assert!(put("k8", Condition::IfVersion(version)).await.is_absent());
    for (name, condition) in [("k9", Condition::IfAbsent), ("k10", Condition::Always)] {
        let done = put(name, condition).await.applied().unwrap();
        assert!(done.created && done.previous.is_none(), "{done:?}");
    }
    let keep = PutOptions::new(LONG).with_existing_deadline(ttl_core::options::ExistingDeadline::Keep);
    let done = store.put(&key("k11"), "new".into(), keep).await.unwrap().applied().unwrap();
    assert!(done.created);
    let hour = stores.clock_now() + LONG.as_duration();
    let deadline = whole(&*store, "k11").await.unwrap().deadline.unwrap();
    assert_eq!(deadline, ttl_core::Deadline::at(hour), "not that of the claim");
}

#[tokio::test]
async fn a_sliding_read_does_not_keep_a_claim() {
    for read in [GetOptions::new(), GetOptions::nothing()] {
        let stores = Stores::create();
        stores.put_old("k", "v", LONG).await;
        abandon(&stores, "k", CLAIMED).await;
        assert!(delete(&stores.old, "k").await);
        let sliding = read.with_refresh(ttl_core::options::Refresh::extend_only(Ttl::days(30)));
        assert!(stores.store().get(&key("k"), sliding).await.unwrap().is_none());
        assert_eq!(stores.counts(), (0, 0), "the claim is gone");
    }
}

#[tokio::test]
async fn a_value_in_the_form_of_a_claim_is_refused() {
    let stores = Stores::create();
    stores.put_old("k", "v", LONG).await;
    abandon(&stores, "k", CLAIMED).await;
    let claim = value(&stores.new, "k").await.unwrap();
    let put = stores.store().put(&key("other"), claim, PutOptions::new(LONG)).await;
    assert_eq!(put.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn an_entry_that_cannot_be_moved_is_not_replaced_blindly() {
    let stores = Stores::create();
    let small: Arc<dyn TtlStore> = Arc::new(stores.new.clone());
    let store =
        small.layer(LimitSize::new(100)).unwrap().layer(Migrate::new(Arc::new(stores.old.clone()))).unwrap();
    stores.put_old("k", "x".repeat(101), LONG).await;
    let keep = PutOptions::new(LONG).with_existing_deadline(ttl_core::options::ExistingDeadline::Keep);
    for put in [
        PutOptions::new(LONG).with_previous(),
        keep,
        PutOptions::new(LONG).with_condition(Condition::IfPresent),
    ] {
        let error = store.put(&key("k"), "new".into(), put.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{put:?}");
    }
    assert_eq!(stores.counts(), (1, 0), "no claim was needed");
    // A delete that fails in the new store has removed nothing from the old one.
    let gate = Gate::before(usize::MAX);
    let failing: Arc<dyn TtlStore> = Arc::new(Failing(Gated { inner: Arc::new(stores.new.clone()), gate }));
    let store = failing
        .layer(LimitSize::new(100))
        .unwrap()
        .layer(Migrate::new(Arc::new(stores.old.clone())))
        .unwrap();
    let error = store.delete(&key("k"), DeleteOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), stores.counts()), (ErrorKind::Unavailable, (1, 0)));
}

/// A store whose deletes fail.
#[derive(Debug)]
struct Failing(Gated);

#[ttl_core::async_trait]
impl TtlStore for Failing {
    async fn delete(&self, _: &Key, _: DeleteOptions) -> ttl_core::Result<Outcome<Option<ttl_core::Entry>>> {
        Err(ttl_core::Error::new(ErrorKind::Unavailable, "out"))
    }

    ttl_core::forward_ttl_store!(self, self.0 => capabilities now get put expire patch scan get_many put_many delete_many changes);
}

#[tokio::test]
async fn an_abandoned_move_is_completed_by_another_caller() {
    // Before each request after the claim.
    for step in CLAIMED..CLAIMED + 3 {
        let stores = Stores::create();
        stores.put_old("k", record(), LONG).await;
        let before = parts(whole(&stores.old, "k").await);
        abandon(&stores, "k", step).await;
        let store = stores.store();
        assert_eq!(parts(whole(&*store, "k").await), before, "step {step}");
        assert!(delete(&*store, "k").await, "step {step}");
        assert_eq!(value(&*store, "k").await, None, "step {step}");
        assert_eq!(stores.counts(), (0, 0), "step {step}");
    }
}

#[tokio::test]
async fn requests_are_counted() {
    // (operation, requests for an entry of the new store, of the old store, of none)
    let stores = Stores::create();
    let counted = |limit| {
        let gate = Gate::before(limit);
        let gated = |inner| -> Arc<dyn TtlStore> { Arc::new(Gated { inner, gate: gate.clone() }) };
        let old = gated(Arc::new(stores.old.clone()) as Arc<dyn TtlStore>);
        (gate.clone(), gated(Arc::new(stores.new.clone())).layer(Migrate::new(old)).unwrap())
    };
    let (gate, store) = counted(usize::MAX);
    let _ = stores.new.put(&key("new"), "v".into(), PutOptions::new(LONG)).await.unwrap();
    let get = async |name: &str| {
        let before = gate.count();
        let _ = store.get(&key(name), GetOptions::new()).await.unwrap();
        gate.count() - before
    };
    stores.put_old("old", "v", LONG).await;
    assert_eq!([get("new").await, get("none").await, get("old").await, get("old").await], [1, 3, 7, 1]);
    let put = async |name: &str| {
        let before = gate.count();
        let _ = store.put(&key(name), "v".into(), PutOptions::new(LONG)).await.unwrap();
        gate.count() - before
    };
    stores.put_old("old", "v", LONG).await;
    assert_eq!([put("new").await, put("none").await], [2, 2]);
    let many = async |names: &[&str]| {
        let before = gate.count();
        let names: Vec<Key> = names.iter().map(|name| key(name)).collect();
        let _ = store.get_many(&names, GetOptions::new()).await;
        gate.count() - before
    };
    assert_eq!(many(&["new", "new"]).await, 1);
    assert_eq!(many(&["new", "none1", "none2", "none3"]).await, 3);
}

#[tokio::test]
async fn what_cannot_be_moved_stays_readable_and_can_be_replaced() {
    let stores = Stores::create();
    let small: Arc<dyn TtlStore> = Arc::new(stores.new.clone());
    let small = small.layer(LimitSize::new(100)).unwrap();
    let migrate = Migrate::new(Arc::new(stores.old.clone()));
    let store = small.clone().layer(&migrate).unwrap();
    let large = Value::from("x".repeat(101));
    for name in ["a", "b", "c"] {
        stores.put_old(name, large.clone(), LONG).await;
    }
    stores.put_old("d", "v", LONG).await;
    assert_eq!(value(&*store, "a").await, Some(large));
    let many = store.get_many(&[key("a"), key("d")], GetOptions::new()).await;
    assert!(many.into_iter().all(|got| got.unwrap().is_some()));
    let expired = store.expire(&key("a"), ExpiryChange::Extend(LONG), ExpireOptions::new()).await;
    assert_eq!(expired.unwrap_err().kind(), ErrorKind::TooLarge);
    let migrated = migrate.copy(&small, |_| {}).await.unwrap();
    assert_eq!((migrated.moved, migrated.failed), (0, 3));
    assert_eq!(migrated.first_failure.unwrap().1, ErrorKind::TooLarge);
    assert_eq!(migrate.verify().await.unwrap().entries, 3);
    assert!(delete(&*store, "a").await && value(&*store, "a").await.is_none());
    assert!(store.put(&key("b"), "v".into(), PutOptions::new(LONG)).await.unwrap().is_applied());
    assert_eq!(value(&*store, "b").await, Some("v".into()));
    assert!(delete(&*store, "c").await);
    assert!(migrate.verify().await.unwrap().is_complete());
}

#[tokio::test]
async fn a_walk_moves_everything_and_reports_its_progress() {
    let stores = Stores::create();
    for n in 0..2_500 {
        stores.put_old(&format!("k{n}"), format!("v{n}"), LONG).await;
    }
    let migrate = Migrate::new(Arc::new(stores.old.clone()));
    let new: Arc<dyn TtlStore> = Arc::new(stores.new.clone());
    assert_eq!(migrate.verify().await.unwrap().entries, 2_500);
    let mut seen = Vec::new();
    let migrated = migrate.copy(&new, |so_far| seen.push(so_far.moved)).await.unwrap();
    assert_eq!((migrated.moved, migrated.gone, migrated.failed), (2_500, 0, 0));
    assert!(seen.len() >= 3 && seen.is_sorted() && seen.last() == Some(&2_500), "{seen:?}");
    assert!(migrate.verify().await.unwrap().is_complete());
    assert_eq!(stores.counts(), (0, 2_500));
    assert_eq!(migrate.copy(&new, |_| {}).await.unwrap().moved, 0);
}

#[tokio::test]
async fn a_scan_lists_both_stores_in_full_pages() {
    let stores = Stores::create();
    for n in 0..25 {
        stores.put_old(&format!("old{n}"), "v", LONG).await;
    }
    let store = stores.store();
    let items = (0..30).map(|n| PutItem::new(key(&format!("new{n}")), "v", PutOptions::new(LONG))).collect();
    store.put_many(items).await.into_iter().for_each(|put| assert!(put.unwrap().is_applied()));
    for limit in [1, 7, 25, 30, 54, 55, 56] {
        for projection in [Projection::Nothing, Projection::All] {
            let limit = std::num::NonZeroUsize::new(limit).unwrap();
            let mut scan = ScanOptions::new("").with_limit(limit).with_projection(projection.clone());
            let mut found = Vec::new();
            loop {
                let page = store.scan(scan.clone()).await.unwrap();
                assert!(page.next.is_none() || page.items.len() == limit.get(), "a full page");
                assert!(!page.items.is_empty(), "no empty page");
                for item in page.items {
                    let has_value = item.entry.unwrap().value.is_some();
                    assert_eq!(has_value, projection == Projection::All);
                    found.push(item.key.to_string());
                }
                let Some(next) = page.next else { break };
                scan = scan.with_cursor(next);
            }
            found.sort();
            found.dedup();
            assert_eq!(found.len(), 55, "{limit}");
        }
    }
    let listed = store.scan(ScanOptions::new("old")).await.unwrap();
    assert_eq!(listed.items.len(), 25);
    let page = store.scan(ScanOptions::new("").with_limit(std::num::NonZeroUsize::MIN)).await.unwrap();
    let other = store.scan(ScanOptions::new("old").with_cursor(page.next)).await;
    assert_eq!(other.unwrap_err().kind(), ErrorKind::InvalidCursor);
}

#[tokio::test]
async fn invalid_input_moves_nothing() {
    let stores = Stores::create();
    let store = stores.store();
    stores.put_old("k", "v", LONG).await;
    let far = Expiry::At(store.now() + Duration::from_secs(86_400 * 365 * 21));
    let put = store.put(&key("k"), "v".into(), PutOptions::new(far)).await;
    assert_eq!(put.unwrap_err().kind(), ErrorKind::InvalidExpiry);
    let expired = store.expire(&key("k"), ExpiryChange::Set(far), ExpireOptions::new()).await;
    assert_eq!(expired.unwrap_err().kind(), ErrorKind::InvalidExpiry);
    assert_eq!(stores.counts(), (1, 0));
}

#[tokio::test]
async fn the_new_store_needs_conditions() {
    let stores = Stores::create();
    let without = Arc::new(Denying(stores.new.clone()));
    let error = without.layer(Migrate::new(Arc::new(stores.old.clone()))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    // The old one does not.
    stores.put_old("k", "v", LONG).await;
    let old = Arc::new(Denying(stores.old.clone()));
    let store = Arc::new(stores.new.clone()).layer(Migrate::new(old)).unwrap();
    assert_eq!(value(&*store, "k").await, Some("v".into()));
    assert!(matches!(
        store.delete(&key("k"), DeleteOptions::take()).await.unwrap(),
        Outcome::Applied(Some(_))
    ));
    assert_eq!(stores.counts(), (0, 0));
}

/// A store without conditions and caps.
#[derive(Debug)]
struct Denying(MemoryStore);

#[ttl_core::async_trait]
impl TtlStore for Denying {
    fn capabilities(&self) -> ttl_core::Capabilities {
        self.0.capabilities().with_conditions(false).with_caps(false)
    }

    async fn get(&self, key: &Key, options: GetOptions) -> ttl_core::Result<Option<ttl_core::Entry>> {
        self.capabilities().check_get(&options)?;
        self.0.get(key, options).await
    }

    async fn delete(
        &self,
        key: &Key,
        options: DeleteOptions,
    ) -> ttl_core::Result<Outcome<Option<ttl_core::Entry>>> {
        self.capabilities().check_delete(&options)?;
        self.0.delete(key, options).await
    }

    ttl_core::forward_ttl_store!(self, self.0 => now put expire patch scan get_many put_many delete_many changes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_move_an_entry_once() {
    let config = MemoryConfig::new();
    for round in 0..50 {
        let (old, new) = (MemoryStore::new(&config), MemoryStore::new(&config));
        let _ = old.put(&key("n"), record().into(), PutOptions::new(LONG)).await.unwrap();
        let store = Arc::new(new.clone()).layer(Migrate::new(Arc::new(old.clone()))).unwrap();
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    let done =
                        store.patch(&key("n"), &Patch::new().increment("n", 1), PatchOptions::new()).await;
                    done.unwrap().is_applied()
                })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap(), "round {round}");
        }
        let seen = value(&*store, "n").await.unwrap().into_record().unwrap();
        assert_eq!(seen.get("n"), Some(&17.into()), "round {round}");
        assert_eq!((old.len(), new.len()), (0, 1), "round {round}");
    }
}
