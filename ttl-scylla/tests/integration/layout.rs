//! The layout, cell by cell and both ways: what the driver writes, and what it reads of what others wrote.

use libtest_mimic::Trial;
use scylla::value::CqlValue::{self, BigInt, Blob, TinyInt, Uuid};
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{ExpireOptions, ExpiryChange, GetOptions, PutOptions, Refresh, Returning};
use ttl_core::{Bytes, Deadline, ErrorKind, Expiry, Lifespan, Record, Ttl, TtlStore, Value};

use crate::support::{LONG, Table, applied, blob, in_mode, key, with_server};

const NEVER: i64 = i64::MAX;

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let mut trials = Vec::new();
    for mode in ["strict", "lww"] {
        let named = |what: &str| format!("layout::{mode}::{what}");
        trials
            .push(with_server(&named("entries_are_cells"), server, move |url| entries(in_mode(&url, mode))));
        trials.push(with_server(&named("what_another_client_wrote_is_read"), server, move |url| {
            foreign(in_mode(&url, mode))
        }));
        trials.push(with_server(&named("every_cell_ends_with_the_entry"), server, move |url| {
            lifetimes(in_mode(&url, mode))
        }));
    }
    trials.push(with_server("layout::strict::caps_are_cells", server, capped));
    trials
}

async fn cells(table: &Table, name: &str) -> Vec<Option<CqlValue>> {
    let cql = "SELECT kind, value, deadline, covers, cap, version, created FROM {} WHERE key = '";
    let mut rows = table.run(&format!("{cql}{name}'")).await;
    assert_eq!(rows.len(), 1);
    rows.remove(0).columns
}

fn millis(deadline: Option<Deadline>) -> i64 {
    i64::try_from(deadline.unwrap().as_epoch_millis()).unwrap()
}

async fn entries(url: String) {
    let table = Table::new(&url).await;
    let record = Record::new().with("b", 1.0).with("a", [1.5e-7]);
    let text = br#"{"a":[1.5e-7],"b":1}"#.to_vec();
    for (name, value, kind, bytes) in [
        ("blob", blob("x"), 1, b"x".to_vec()),
        ("empty", blob(""), 1, vec![]),
        ("record", record.into(), 2, text),
    ] {
        let meta = applied(
            table.store.put(&key(name), value, PutOptions::new(LONG).with_returning(Returning::all())).await,
        );
        let at = millis(meta.deadline);
        let token = u128::from_be_bytes(meta.version.unwrap().as_bytes().try_into().unwrap());
        let expected = [
            TinyInt(kind),
            Blob(bytes),
            BigInt(at),
            BigInt(at),
            BigInt(NEVER),
            Uuid(uuid::Uuid::from_u128(token)),
            BigInt(millis(meta.created_at.map(Deadline::at))),
        ];
        assert_eq!(cells(&table, name).await, expected.map(Some), "{name}");
    }
    applied(table.store.put(&key("stays"), blob("x"), PutOptions::new(Expiry::Never)).await);
    assert_eq!(cells(&table, "stays").await[2..5], [NEVER; 3].map(|at| Some(BigInt(at))));
    table.drop().await;
}

async fn capped(url: String) {
    let table = Table::new(&url).await;
    let capped = PutOptions::new(Lifespan::new(LONG).with_max_lifetime(Ttl::hours(2)))
        .with_returning(Returning::DEADLINE);
    for (name, value, kind) in [("blob", blob("x"), 3), ("record", Value::from(Record::new()), 4)] {
        let meta = applied(table.store.put(&key(name), value, capped.clone()).await);
        let cells = cells(&table, name).await;
        assert_eq!(cells[0], Some(TinyInt(kind)));
        assert_eq!(cells[2], Some(BigInt(millis(meta.deadline))));
        assert_eq!(cells[4], Some(BigInt(millis(meta.deadline) + 3_600_000)));
    }
    table.drop().await;
}

async fn foreign(url: String) {
    let table = Table::new(&url).await;
    let ahead = i64::try_from(Deadline::after(table.store.now(), LONG).as_epoch_millis()).unwrap();
    let write = |kind: i8, value: &str, deadline: i64, name: &str| {
        format!(
            "UPDATE {{}} SET kind = {kind}, value = textAsBlob('{value}'), deadline = {deadline}, covers = {deadline}, \
             cap = {NEVER}, version = 00000000-0000-4000-8000-000000000007, created = 1767225600123 WHERE key = '{name}'"
        )
    };
    table.run(&write(1, "bytes", ahead, "blob")).await;
    table.run(&write(2, r#"{"a": 1.0}"#, NEVER, "record")).await;
    table.run(&write(9, "x", ahead, "unknown")).await;
    table.run(&write(2, "[]", ahead, "no_record")).await;
    table.run("UPDATE {} SET value = 0x00 WHERE key = 'half'").await;
    let returning = GetOptions::new().with_returning(Returning::DEADLINE | Returning::CREATED_AT);
    let entry = table.store.get(&key("blob"), returning.clone()).await.unwrap().unwrap();
    let created = Deadline::from_epoch_millis(1_767_225_600_123).to_system_time();
    assert_eq!(entry.created_at, created);
    assert_eq!((entry.value, millis(entry.deadline)), (Some(Value::Blob(Bytes::from("bytes"))), ahead));
    let entry = table.store.get(&key("record"), returning).await.unwrap().unwrap();
    assert_eq!(
        (entry.value, entry.deadline),
        (Some(Record::new().with("a", 1).into()), Some(Deadline::NEVER))
    );
    for name in ["unknown", "no_record"] {
        let error = table.store.get(&key(name), GetOptions::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}");
    }
    // Cells without a deadline are what an ended entry left.
    assert!(table.store.get(&key("half"), GetOptions::new()).await.unwrap().is_none());
    assert!(applied(table.store.put(&key("half"), blob("new"), PutOptions::new(LONG)).await).created);
    table.drop().await;
}

/// Whatever came before, no cell is there for good under a deadline, none ends before it, and `covers` tells the truth.
async fn lifetimes(url: String) {
    let table = Table::new(&url).await;
    let (store, name) = (&table.store, key("k"));
    let set = |expiry: Expiry| store.expire(&name, ExpiryChange::Set(expiry), ExpireOptions::new());
    applied(store.put(&name, blob("v"), PutOptions::new(LONG)).await);
    check(&table, "a put").await;
    applied(set(Ttl::minutes(5).into()).await);
    check(&table, "sooner").await;
    applied(set(Ttl::hours(9).into()).await);
    check(&table, "later than the cells reach").await;
    applied(set(Ttl::hours(10).into()).await);
    check(&table, "later, within them").await;
    applied(set(Expiry::Never).await);
    check(&table, "persistent").await;
    applied(set(LONG.into()).await);
    check(&table, "no more").await;
    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(30)));
    assert!(store.get(&name, refresh.clone()).await.unwrap().unwrap().refresh_error.is_none());
    check(&table, "refreshed").await;
    assert!(
        store
            .get(&name, refresh.with_projection(ttl_core::options::Projection::Nothing))
            .await
            .unwrap()
            .is_some()
    );
    check(&table, "refreshed again").await;
    let far = Ttl::try_from(std::time::Duration::from_secs(20 * 365 * 86_400)).unwrap();
    applied(set(far.into()).await);
    check(&table, "as far as can be").await;
    applied(store.put(&name, Record::new().into(), PutOptions::new(Expiry::Never)).await);
    check(&table, "a persistent put").await;
    applied(store.put(&name, blob("v"), PutOptions::new(LONG)).await);
    check(&table, "a put over it").await;
    table.drop().await;
}

async fn check(table: &Table, after: &str) {
    let cql = "SELECT deadline, covers, TTL(deadline), TTL(value), TTL(kind), TTL(covers), TTL(cap), TTL(version), \
               TTL(created) FROM {} WHERE key = 'k'";
    let row = table.run(cql).await.remove(0).columns;
    let (Some(BigInt(deadline)), Some(BigInt(covers))) = (&row[0], &row[1]) else {
        panic!("after {after}: {row:?}")
    };
    assert!(covers >= deadline, "after {after}: {row:?}");
    let now = i64::try_from(Deadline::at(std::time::SystemTime::now()).as_epoch_millis()).unwrap();
    let left = |cell: &Option<CqlValue>| match cell {
        Some(CqlValue::Int(seconds)) => i64::from(*seconds) * 1_000,
        _ => i64::MAX,
    };
    let others = row[3..].iter().map(left);
    if *covers == NEVER {
        assert!(
            left(&row[2]) == i64::MAX && others.clone().all(|left| left == i64::MAX),
            "after {after}: {row:?}"
        );
        return;
    }
    // A minute for the clocks, and a little for this machine.
    let ends = |left: i64, at: i64| left != i64::MAX && now + left > at && now + left < at + 90_000;
    // Written with the others it is there as long as they are, and no shorter than it counts.
    let own = left(&row[2]);
    assert!(now + own > *deadline && now + own < *covers + 90_000, "after {after}: {row:?}");
    assert!(others.clone().all(|left| ends(left, *covers)), "after {after}: {row:?}");
}
