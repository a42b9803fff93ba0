//! Which requests each operation is, and that none of them is prepared again.

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, Guard, PatchOptions,
    Projection, PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{Lifespan, Patch, Record, Ttl, TtlStore};
use ttl_scylla::{Mode, ScyllaStore};

use crate::space::{Space, in_both, in_mode};
use crate::support::{LONG, applied, blob, key};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let mut trials = vec![
        in_mode(Mode::Strict, "requests::of_each_operation", server, strict),
        in_mode(Mode::Lww, "requests::of_each_operation", server, lww),
    ];
    trials.extend(in_both("requests::batches_and_scans", server, many));
    trials.extend(in_both("requests::each_statement_is_prepared_once", server, prepared));
    trials
}

const READ: &[&str] = &["SELECT"];
const WRITE: &[&str] = &["UPDATE"];
const READ_AND_WRITE: &[&str] = &["SELECT", "UPDATE"];

impl Space {
    /// The requests on the table since the last look, preparations included.
    #[track_caller]
    fn cost(&self, what: &str, expected: &[&str]) {
        assert_eq!(self.wire.seen(), expected, "{what}");
    }
}

fn set(ttl: Ttl) -> ExpiryChange {
    ExpiryChange::Set(ttl.into())
}

fn later(ttl: Ttl) -> GetOptions {
    GetOptions::new().with_refresh(Refresh::extend_only(ttl))
}

async fn strict(space: Space) {
    let (store, name, none) = (&space.store, key("k"), key("none"));
    let put = PutOptions::new(LONG).with_returning(Returning::VERSION);

    applied(store.put(&name, blob("v"), put.clone()).await);
    space.cost("a put that creates", WRITE);
    let version = applied(store.put(&name, blob("w"), put.clone()).await).version.unwrap();
    space.cost("a put that replaces", &["UPDATE", "UPDATE"]);
    let absent = put.clone().with_condition(Condition::IfAbsent);
    assert!(store.put(&name, blob("x"), absent).await.unwrap().is_refused());
    space.cost("a refused IfAbsent", WRITE);
    let swap = put.clone().with_condition(Condition::IfVersion(version));
    applied(store.put(&name, blob("x"), swap.clone()).await);
    space.cost("an IfVersion", WRITE);
    assert!(store.put(&name, blob("y"), swap.clone()).await.unwrap().is_refused());
    space.cost("a refused IfVersion", WRITE);
    assert!(store.put(&none, blob("y"), swap).await.unwrap().is_absent());
    space.cost("an IfVersion of nothing", WRITE);
    let back = put.clone().with_previous();
    assert!(applied(store.put(&name, blob("z"), back.clone()).await).previous.is_some());
    space.cost("a put that hands back", &["SELECT", "UPDATE"]);
    let absent = back.with_condition(Condition::IfAbsent);
    assert!(store.put(&name, blob("y"), absent).await.unwrap().is_refused());
    space.cost("a refused IfAbsent that hands back", &["SELECT"]);
    let capped = PutOptions::new(Lifespan::new(LONG).with_max_lifetime(Ttl::hours(2)));
    applied(store.put(&key("capped"), blob("v"), capped).await);
    space.cost("a put with a cap that creates", WRITE);

    store.get(&name, GetOptions::new()).await.unwrap().unwrap();
    space.cost("a get", READ);
    assert!(store.get(&none, GetOptions::nothing()).await.unwrap().is_none());
    space.cost("a miss", READ);
    assert!(store.get(&none, later(LONG)).await.unwrap().is_none());
    space.cost("a miss with a refresh", READ);
    store.get(&name, later(Ttl::minutes(1))).await.unwrap().unwrap();
    space.cost("a get whose refresh is not due", READ);
    store.get(&name, later(Ttl::hours(2))).await.unwrap().unwrap();
    space.cost("a get with a refresh", READ_AND_WRITE);
    store.get(&name, later(Ttl::hours(3)).with_projection(Projection::Nothing)).await.unwrap().unwrap();
    space.cost("a refresh without the value", READ_AND_WRITE);

    let (always, sooner) = (ExpireOptions::new(), ExpireOptions::new().with_guard(Guard::IfLater));
    applied(store.expire(&name, set(Ttl::hours(2)), always.clone()).await);
    space.cost("an expire within what the cells reach", WRITE);
    assert!(!applied(store.expire(&name, set(LONG), sooner).await).changed);
    space.cost("an expire whose guard does not hold", WRITE);
    assert!(store.expire(&none, set(LONG), always.clone()).await.unwrap().is_absent());
    space.cost("an expire of nothing", WRITE);
    applied(store.expire(&name, set(Ttl::hours(300)), always.clone()).await);
    space.cost("an expire beyond what the cells reach", &["UPDATE", "SELECT", "UPDATE"]);
    applied(store.expire(&name, ExpiryChange::Extend(Ttl::minutes(1)), always).await);
    space.cost("an expire from the deadline", READ_AND_WRITE);

    applied(store.delete(&name, DeleteOptions::new()).await);
    space.cost("a delete", &["DELETE"]);
    assert!(store.delete(&name, DeleteOptions::new()).await.unwrap().is_absent());
    space.cost("a delete of nothing", &["DELETE"]);
    applied(store.delete(&key("capped"), DeleteOptions::take()).await);
    space.cost("a take", &["SELECT", "DELETE"]);

    let create = PatchOptions::new().with_create(Create::new(LONG));
    let increment = Patch::new().increment("n", 1);
    for what in ["a patch that creates", "a patch"] {
        applied(store.patch(&name, &increment, create.clone()).await);
        space.cost(what, READ_AND_WRITE);
    }
    applied(store.patch(&name, &increment, create.with_refresh(Refresh::extend_only(Ttl::hours(2)))).await);
    space.cost("a patch with a refresh", READ_AND_WRITE);
    assert!(store.patch(&none, &increment, PatchOptions::new()).await.unwrap().is_absent());
    space.cost("a patch of nothing", READ);
    assert!(
        store
            .put(&none, blob("v"), PutOptions::new(Lifespan::new(LONG).with_max_lifetime(Ttl::minutes(1))))
            .await
            .is_ok()
    );
    space.cost("a put whose cap is before its deadline", WRITE);
}

async fn lww(space: Space) {
    let (store, name) = (&space.store, key("k"));
    for what in ["a put that creates", "a put that replaces"] {
        applied(store.put(&name, Record::new().into(), PutOptions::new(LONG)).await);
        space.cost(what, READ_AND_WRITE);
    }
    store.get(&name, GetOptions::new()).await.unwrap().unwrap();
    space.cost("a get", READ);
    store.get(&name, later(Ttl::hours(2))).await.unwrap().unwrap();
    space.cost("a get with a refresh", READ_AND_WRITE);
    applied(store.expire(&name, set(LONG), ExpireOptions::new()).await);
    space.cost("an expire within what the cells reach", READ_AND_WRITE);
    applied(store.expire(&name, set(Ttl::hours(300)), ExpireOptions::new()).await);
    space.cost("an expire beyond what the cells reach", &["SELECT", "SELECT", "UPDATE"]);
    applied(store.delete(&name, DeleteOptions::new()).await);
    space.cost("a delete", &["SELECT", "DELETE"]);
    assert!(store.delete(&name, DeleteOptions::new()).await.unwrap().is_absent());
    space.cost("a delete of nothing", READ);
    let create = PatchOptions::new().with_create(Create::new(LONG));
    store.patch(&name, &Patch::new().increment("n", 1), create).await.unwrap_err();
    space.cost("what the mode does not offer", &[]);
}

async fn many(space: Space) {
    let (store, keys) = (&space.store, ["a", "b", "c"].map(key));
    let items = keys.iter().map(|key| PutItem::new(key.clone(), blob("v"), PutOptions::new(LONG)));
    for result in store.put_many(items.collect()).await {
        applied(result);
    }
    let writes = space.wire.seen();
    let reads = if space.mode == Mode::Strict { 0 } else { 3 };
    let count = |verb: &str| writes.iter().filter(|seen| *seen == verb).count();
    assert_eq!((count("SELECT"), count("UPDATE"), writes.len()), (reads, 3, reads + 3), "{writes:?}");
    store
        .get_many(&keys, GetOptions::new())
        .await
        .into_iter()
        .for_each(|result| assert!(result.unwrap().is_some()));
    space.cost("a get_many", &["SELECT"; 3]);
    assert_eq!(
        store.scan(ScanOptions::new("").with_projection(Projection::All)).await.unwrap().items.len(),
        3
    );
    space.cost("a scan of one page", READ);
}

async fn prepared(space: Space) {
    let other = ScyllaStore::connect(&space.config).await.unwrap();
    let statements = if space.mode == Mode::Strict { 15 } else { 7 };
    assert_eq!(space.wire.seen(), vec!["PREPARE"; statements], "each once for the session");
    for number in 0..3 {
        let name = key(&format!("k{number}"));
        applied(other.put(&name, Record::new().into(), PutOptions::new(LONG)).await);
        if space.mode == Mode::Strict {
            applied(other.patch(&name, &Patch::new().increment("n", 1), PatchOptions::new()).await);
        }
        let _ = other.scan(ScanOptions::new("")).await.unwrap();
        applied(other.delete(&name, DeleteOptions::new()).await);
    }
    let seen = space.wire.seen();
    assert!(
        seen.len() >= 9 && seen.iter().all(|seen| !seen.contains("PREPARE") && seen != "BATCH"),
        "{seen:?}"
    );
}
