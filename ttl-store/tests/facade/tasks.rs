//! Tasks and threads: every future can move between them, and a panic in a type of the program does not affect later
//! calls.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ttl_store::options::Returning;
use ttl_store::{
    Blobs, Counters, Item, Json, KeyPages, Lease, Leases, Patch, Records, RefreshPolicy, Registry, Store,
    Ttl, Version,
};

use crate::support::{Fixture, TTL};

/// Neither `Send` nor `Sync`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Local {
    page: String,
    #[serde(skip)]
    here: PhantomData<Rc<()>>,
}

fn moves<F: Future + Send>(_: F) {}

fn is_shared<T: Send + Sync + 'static>() {}

#[test]
fn handles_are_shared_whatever_they_hold() {
    is_shared::<Store>();
    is_shared::<Records<Local>>();
    is_shared::<Blobs<Local>>();
    is_shared::<Counters>();
    is_shared::<Leases>();
    is_shared::<Lease>();
    is_shared::<KeyPages>();
    is_shared::<Registry>();
    is_shared::<Item<u8>>();
}

#[tokio::test]
async fn every_future_moves_between_threads() {
    let fixture = Fixture::new();
    let records = fixture.store.records::<Local>("s", TTL).build().unwrap();
    let blobs = fixture.store.blobs::<Local, _>("s", TTL, Json).build().unwrap();
    let counters = fixture.store.counters("s", TTL).build().unwrap();
    let leases = fixture.store.leases("s", TTL).unwrap();
    let (value, version) = (Local::default(), Version::random());
    moves(ttl_store::connect("memory:"));
    moves(records.get("k"));
    moves(records.peek("k"));
    moves(records.get_item("k", Returning::all()));
    moves(records.get_fields("k", ["page"]));
    moves(records.get_many(["k"]));
    moves(records.put("k", &value));
    moves(records.put_many([("k", &value)]));
    moves(records.put_with_expiry("k", &value, TTL));
    moves(records.create("k", &value));
    moves(records.replace("k", &value));
    moves(records.compare_and_swap("k", version, &value));
    moves(records.patch("k", Patch::new()));
    moves(records.patch_if("k", version, Patch::new()));
    moves(records.patch_or_create("k", Patch::new(), &value));
    moves(records.patch_within("k", Patch::new()));
    moves(records.patch_within_or_create("k", Patch::new(), &value));
    moves(counters.add_within("k", 1, ..=5));
    moves(records.delete("k"));
    moves(records.delete_if("k", version));
    moves(records.delete_many(["k"]));
    moves(records.take("k"));
    moves(records.set_expiry("k", TTL));
    moves(records.keys().next_page());
    moves(blobs.take("k"));
    moves(counters.add("k", 1));
    moves(leases.acquire("k"));
    let mut lease = leases.acquire("k").await.unwrap().applied().unwrap();
    moves(lease.is_held());
    moves(lease.renew());
    moves(lease.release());
}

/// Panics where it is written as 0 and where it is read as 1.
#[derive(Debug, PartialEq)]
struct Touchy(u8);

impl Serialize for Touchy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert_ne!(self.0, 0, "a panic on purpose");
        serializer.collect_map([("n", self.0)])
    }
}

impl<'de> Deserialize<'de> for Touchy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let n = std::collections::BTreeMap::<String, u8>::deserialize(deserializer)?["n"];
        assert_ne!(n, 1, "a panic on purpose");
        Ok(Self(n))
    }
}

#[tokio::test]
async fn a_panic_of_the_programs_own_types_breaks_nothing() {
    let fixture = Fixture::new();
    let records = fixture.store.records::<Touchy>("s", TTL).build().unwrap();
    records.put("k", &Touchy(1)).await.unwrap();
    fixture.calls();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(records.put("k", &Touchy(0))))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(records.put_many([("k", Touchy(0))])))).is_err());
    assert_eq!(fixture.calls(), [], "something was sent");

    let reader = records.clone();
    assert!(tokio::spawn(async move { reader.get("k").await.map(drop) }).await.unwrap_err().is_panic());
    assert!(records.contains("k").await.unwrap());
    records.put("k", &Touchy(2)).await.unwrap();
    assert_eq!(records.get("k").await.unwrap(), Some(Touchy(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_changes_is_seen_whole() {
    let counters = Fixture::new().store.counters("n", Ttl::minutes(5)).build().unwrap();
    let policies = [
        RefreshPolicy::on("writes".parse().unwrap()).unwrap().with_slack(Ttl::minutes(4)),
        RefreshPolicy::never(),
        RefreshPolicy::on("read|fetch".parse().unwrap()).unwrap().with_slack(Ttl::millis(1)),
    ];
    counters.set_refresh_policy(policies[0]).unwrap();
    let writer = counters.clone();
    let changing = tokio::task::spawn_blocking(move || {
        for policy in policies.iter().cycle().take(30_000) {
            writer.set_refresh_policy(*policy).unwrap();
        }
    });
    while !changing.is_finished() {
        let seen = counters.refresh_policy();
        assert!(policies.contains(&seen), "{seen:?}");
        tokio::task::yield_now().await;
    }
    changing.await.unwrap();
    assert_eq!(counters.refresh_policy(), policies[2]);
}
