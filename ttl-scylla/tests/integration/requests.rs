//! How many requests each operation is, and that none of them is prepared again.

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, Guard, Key, Lifespan, Patch,
    PatchOptions, PutOptions, Record, Refresh, Select, Ttl, TtlStore, Want,
};
use ttl_scylla::{Mode, ScyllaStore};

use crate::proxy::Proxy;
use crate::support::{LONG, Table, applied, blob, key, through, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("requests::strict", server, strict),
        with_server("requests::lww", server, lww),
        with_server("requests::nothing_is_prepared_after_connecting", server, prepared),
    ]
}

/// A store whose requests for keys that contain "counted" are counted.
struct Counted {
    table: Table,
    store: ScyllaStore,
    proxy: Proxy,
}

impl Counted {
    async fn new(url: &str, mode: Mode) -> Self {
        let table = Table::with_mode(url, mode).await;
        let (store, proxy) = through(url, &table.config, "counted").await;
        Self { table, store, proxy }
    }

    /// The operation's requests since the last look.
    fn cost(&self, what: &str, expected: usize) {
        let (executes, prepares) = self.proxy.counts();
        assert_eq!((executes, prepares), (expected, 0), "{what}: requests, of which to prepare");
    }
}

fn counted(name: &str) -> Key {
    key(&format!("counted {name}"))
}

async fn strict(url: String) {
    let counted_store = Counted::new(&url, Mode::Strict).await;
    let (store, name, none) = (&counted_store.store, counted("k"), counted("none"));
    let cost = |what: &str, expected| counted_store.cost(what, expected);
    let put = PutOptions::new(LONG).with_want(Want::VERSION);

    applied(store.put(&name, blob("v"), put.clone()).await);
    cost("a put that creates", 1);
    let version = applied(store.put(&name, blob("w"), put.clone()).await).version.unwrap();
    cost("a put that replaces", 2);
    assert!(
        store
            .put(&name, blob("x"), put.clone().with_condition(Condition::IfAbsent))
            .await
            .unwrap()
            .is_refused()
    );
    cost("a refused IfAbsent", 1);
    let swap = put.clone().with_condition(Condition::IfVersion(version));
    applied(store.put(&name, blob("x"), swap.clone()).await);
    cost("an IfVersion", 1);
    assert!(store.put(&name, blob("y"), swap.clone()).await.unwrap().is_refused());
    cost("a refused IfVersion", 1);
    assert!(store.put(&none, blob("y"), swap).await.unwrap().is_absent());
    cost("an IfVersion of nothing", 1);
    let capped = PutOptions::new(Lifespan::new(LONG).with_max(Ttl::hours(2)));
    applied(store.put(&counted("capped"), blob("v"), capped).await);
    cost("a put with a cap that creates", 1);

    store.get(&name, GetOptions::new()).await.unwrap().unwrap();
    cost("a get", 1);
    assert!(store.get(&none, GetOptions::nothing()).await.unwrap().is_none());
    cost("a miss", 1);
    let refresh = |ttl| GetOptions::new().with_refresh(Refresh::extend_only(ttl));
    store.get(&name, refresh(Ttl::minutes(1))).await.unwrap().unwrap();
    cost("a get whose refresh is not due", 1);
    store.get(&name, refresh(Ttl::hours(2))).await.unwrap().unwrap();
    cost("a get with a refresh", 2);
    let peek = refresh(Ttl::hours(3)).with_select(Select::Nothing);
    store.get(&name, peek).await.unwrap().unwrap();
    cost("a refresh without the value", 2);

    let set = |ttl: Ttl| ExpiryChange::Set(ttl.into());
    let (always, later) = (ExpireOptions::new(), ExpireOptions::new().with_guard(Guard::IfLater));
    applied(store.expire(&name, set(Ttl::hours(2)), always.clone()).await);
    cost("an expire within what the cells reach", 1);
    assert!(!applied(store.expire(&name, set(Ttl::hours(1)), later).await).changed);
    cost("an expire whose guard does not hold", 1);
    assert!(store.expire(&none, set(Ttl::hours(1)), always.clone()).await.unwrap().is_absent());
    cost("an expire of nothing", 1);
    applied(store.expire(&name, set(Ttl::hours(300)), always.clone()).await);
    cost("an expire beyond what the cells reach", 3);
    applied(store.expire(&name, ExpiryChange::Extend(Ttl::minutes(1)), always).await);
    cost("an expire from the deadline", 2);

    applied(store.delete(&name, DeleteOptions::new()).await);
    cost("a delete", 1);
    assert!(store.delete(&name, DeleteOptions::new()).await.unwrap().is_absent());
    cost("a delete of nothing", 1);
    applied(store.delete(&counted("capped"), DeleteOptions::take()).await);
    cost("a take", 2);

    let create = PatchOptions::new().with_create(Create::new(LONG));
    applied(store.patch(&name, &Patch::new().increment("n", 1), create.clone()).await);
    cost("a patch that creates", 2);
    applied(store.patch(&name, &Patch::new().increment("n", 1), create).await);
    cost("a patch", 2);
    counted_store.table.drop().await;
}

async fn lww(url: String) {
    let counted_store = Counted::new(&url, Mode::Lww).await;
    let (store, name) = (&counted_store.store, counted("k"));
    let cost = |what: &str, expected| counted_store.cost(what, expected);
    for what in ["a put that creates", "a put that replaces"] {
        applied(store.put(&name, Record::new().into(), PutOptions::new(LONG)).await);
        cost(what, 2);
    }
    store.get(&name, GetOptions::new()).await.unwrap().unwrap();
    cost("a get", 1);
    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(2)));
    store.get(&name, refresh).await.unwrap().unwrap();
    cost("a get with a refresh", 2);
    applied(store.expire(&name, ExpiryChange::Set(LONG.into()), ExpireOptions::new()).await);
    cost("an expire within what the cells reach", 2);
    applied(store.delete(&name, DeleteOptions::new()).await);
    cost("a delete", 2);
    counted_store.table.drop().await;
}

async fn prepared(url: String) {
    let table = Table::with_mode(&url, Mode::Strict).await;
    let name = table.config.table_name();
    let (store, proxy) = through(&url, &table.config, &name).await;
    assert_eq!(proxy.counts().1, 13, "every statement, once");
    for n in 0..3 {
        let name = key(&format!("k{n}"));
        applied(store.put(&name, Record::new().into(), PutOptions::new(LONG)).await);
        applied(store.patch(&name, &Patch::new().increment("n", 1), PatchOptions::new()).await);
        store.scan(ttl_core::ScanOptions::new("").with_select(Select::All)).await.unwrap();
        applied(store.delete(&name, DeleteOptions::take()).await);
    }
    assert_eq!(proxy.counts().1, 0, "nothing again");
    table.drop().await;
}
