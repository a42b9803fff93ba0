//! Deadlines that the servers cannot count to, which end in January 2038: there is no native TTL, the deadline alone
//! decides, and what has ended is collected when its key is next written.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions, Refresh,
    ScanOptions,
};
use ttl_core::{Clock, Expiry, Lifespan, Patch, Record, Ttl, TtlStore, Value};
use ttl_scylla::Mode;

use crate::raw::NEVER;
use crate::space::{Space, in_both};
use crate::support::{LONG, applied, blob, key};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    in_both("far::deadlines_past_2038_are_kept_without_native_ttls", server, far).into()
}

/// As far as a TTL goes.
const FAR: Ttl = Ttl::days(7_300);

/// The last second that servers count to.
const LAST: u64 = 2_147_483_646;

const DAY: Duration = Duration::from_secs(86_400);

/// Every cell of the row has a native TTL, or none has.
async fn counted(space: &Space, name: &str, expected: bool) {
    let found = space.raw.find(name).await.unwrap();
    assert!(found.ttls.iter().all(|ttl| ttl.is_some() == expected), "{name}: {found:?}");
    let covers = found.cells.covers.unwrap();
    assert_eq!(covers < NEVER, expected, "{name}: {found:?}");
    assert!(covers >= found.cells.deadline.unwrap(), "{name}: {found:?}");
}

/// Entries with a far deadline, come by in every way that there is.
async fn far_entries(space: &Space) -> Vec<&'static str> {
    let store = &space.store;
    let (short, to_far) = (|| PutOptions::new(LONG), ExpiryChange::Set(FAR.into()));
    applied(store.put(&key("put"), blob("v"), PutOptions::new(FAR)).await);
    applied(store.put(&key("moved"), blob("v"), short()).await);
    counted(space, "moved", true).await;
    applied(store.expire(&key("moved"), to_far, ExpireOptions::new()).await);
    applied(store.put(&key("extended"), blob("v"), short()).await);
    let on = ExpiryChange::Extend(Ttl::minutes(7_299 * 1_440 + 1_380));
    applied(store.expire(&key("extended"), on, ExpireOptions::new()).await);
    applied(store.put(&key("refreshed"), Record::new().with("n", 1).into(), short()).await);
    let refresh = Refresh::extend_only(FAR);
    let entry = store.get(&key("refreshed"), GetOptions::new().with_refresh(refresh)).await.unwrap().unwrap();
    assert!(entry.refresh_error.is_none());
    applied(store.put(&key("for ever once"), blob("v"), PutOptions::new(Expiry::Never)).await);
    applied(store.expire(&key("for ever once"), to_far, ExpireOptions::new()).await);
    let mut names = vec!["put", "moved", "extended", "refreshed", "for ever once"];
    if space.mode == Mode::Strict {
        let create = PatchOptions::new().with_create(Create::new(FAR));
        applied(store.patch(&key("patched"), &Patch::new().increment("n", 1), create).await);
        let capped = Lifespan::new(FAR).with_max_lifetime(FAR);
        applied(store.put(&key("capped"), blob("v"), PutOptions::new(capped)).await);
        names.extend(["patched", "capped"]);
    }
    names
}

async fn far(space: Space) {
    let (store, begin) = (&space.store, space.now_millis());
    let names = far_entries(&space).await;
    for name in &names {
        counted(&space, name, false).await;
        let deadline = space.raw.find(name).await.unwrap().cells.deadline.unwrap();
        assert!(deadline > begin + 7_299 * 86_400_000 && deadline < NEVER, "{name}: {deadline}");
    }
    // A deadline within the servers' reach has native TTLs again, whatever came before; so has one just before the end of
    // what they count by their own clocks, and none just after.
    applied(store.put(&key("near"), blob("v"), PutOptions::new(FAR)).await);
    applied(store.expire(&key("near"), ExpiryChange::Set(LONG.into()), ExpireOptions::new()).await);
    counted(&space, "near", true).await;
    let left = UNIX_EPOCH + Duration::from_secs(LAST);
    let left = left.duration_since(SystemTime::now()).unwrap();
    for (name, ahead, expected) in [("before", left - 3 * DAY, true), ("after", left + DAY, false)] {
        let at = Expiry::At(space.clock.now() + ahead);
        applied(store.put(&key(name), blob("v"), PutOptions::new(at)).await);
        counted(&space, name, expected).await;
    }

    // To the millisecond, long after the servers' last second.
    space.clock.advance(FAR.as_duration() - Duration::from_millis(1));
    for name in &names {
        assert!(store.get(&key(name), GetOptions::new()).await.unwrap().is_some(), "{name}");
    }
    space.clock.advance(Duration::from_millis(1) + DAY);
    for name in &names {
        let name = key(name);
        assert!(store.get(&name, GetOptions::new()).await.unwrap().is_none(), "{name:?}");
        let change = ExpiryChange::Extend(LONG);
        assert!(store.expire(&name, change, ExpireOptions::new()).await.unwrap().is_absent(), "{name:?}");
        assert!(store.delete(&name, DeleteOptions::new()).await.unwrap().is_absent(), "{name:?}");
    }
    assert!(store.scan(ScanOptions::new("")).await.unwrap().items.is_empty());
    for name in &names {
        let meta = applied(store.put(&key(name), Value::from("new"), PutOptions::new(LONG)).await);
        assert!(meta.created, "{name}");
        counted(&space, name, true).await;
    }
}
