//! Rows die as a whole, whatever came before, and nothing of them stays on disk: native TTLs that run out on a real
//! server, then flush and compaction.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use libtest_mimic::Trial;
use ttl_core::options::{
    DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions,
    Refresh,
};
use ttl_core::{ErrorKind, Expiry, Lifespan, Patch, Record, Result, SystemClock, Ttl, TtlStore, Value};
use ttl_scylla::{Mode, ScyllaConfig, ScyllaStore};

use crate::node::{Node, SharedNode, with_own_nodes};
use crate::raw::{Cells, Raw};
use crate::space::{BOTH, PATIENCE, eventually, millis};
use crate::support::{blob, key};

pub(crate) fn trials(node: &Arc<SharedNode>) -> Vec<Trial> {
    BOTH.map(|mode| {
        let node = Arc::clone(node);
        let name = format!("disk::{mode}::nothing_is_left_of_what_has_ended");
        with_own_nodes(&name, move || async move { nothing_left(node.get().await, mode).await })
    })
    .into()
}

const KEYSPACE: &str = "ttl_disk";

/// How many keys go the same way.
const EACH: usize = 3;

/// A step of an entry's life. All lives end within seconds.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put(u64),
    PutCapped,
    PutForEver,
    PutRecord(u64),
    Keep,
    Refresh(u64),
    Reset(u64),
    Touch(u64),
    Set(u64),
    Extend(u64),
    Persist,
    Patch,
    PatchLater(u64),
    Passed,
    Wait(u64),
    Delete,
}

/// Lives: each ends with a deadline, with a delete, or by itself.
const LIVES: [&[Step]; 22] = {
    use Step::{
        Delete, Extend, Keep, Passed, Patch, PatchLater, Persist, Put, PutCapped, PutForEver, PutRecord,
        Refresh, Reset, Set, Touch, Wait,
    };
    [
        &[Put(1)],
        &[Put(2), Refresh(4)],
        &[Put(2), Refresh(3), Refresh(4), Refresh(5)],
        &[Put(4), Set(1)],
        &[Put(1), Set(4), Set(2)],
        &[PutForEver, Set(2)],
        &[Put(2), Persist, Set(2)],
        &[Put(2), Persist, Set(3), Refresh(4), Persist, Set(1)],
        &[PutForEver, Put(2)],
        &[Put(4), PutForEver, Put(1), Refresh(3)],
        &[Put(3), Reset(1), Refresh(2)],
        &[Put(2), Touch(3), Touch(4), Extend(1)],
        &[PutRecord(2), Patch],
        &[PutRecord(2), Patch, PatchLater(4), Patch, Set(2)],
        &[PutRecord(3), Persist, Patch, Set(2), PatchLater(3)],
        &[PutCapped, Refresh(4), Extend(20)],
        &[PutRecord(4), Keep, Put(1)],
        &[Put(1), Wait(1_200), Put(1)],
        &[Put(1), Wait(1_200), PutForEver, Set(1)],
        &[Put(3), Passed],
        &[PutForEver, Delete],
        &[Put(2), Refresh(4), Delete, Put(1)],
    ]
};

/// What the mode offers, or nothing.
fn done<T>(result: Result<T>, mode: Mode, what: &str) {
    if let Err(error) = result {
        assert!(mode == Mode::Lww && error.kind() == ErrorKind::Unsupported, "{what}: {error}");
    }
}

async fn step(store: &ScyllaStore, mode: Mode, name: &str, step: Step) {
    let (key, what) = (key(name), format!("{name}: {step:?}"));
    let seconds = Ttl::seconds;
    let put =
        async |value: Value, options: PutOptions| done(store.put(&key, value, options).await, mode, &what);
    let expire = async |change: ExpiryChange| {
        done(store.expire(&key, change, ExpireOptions::new()).await, mode, &what);
    };
    let get = async |options: GetOptions| {
        if let Some(entry) = store.get(&key, options).await.unwrap() {
            assert!(entry.refresh_error.is_none(), "{what}: {:?}", entry.refresh_error);
        }
    };
    let patch = async |options: PatchOptions| {
        done(
            store.patch(&key, &Patch::new().increment("n", 1).append("list", "x"), options).await,
            mode,
            &what,
        );
    };
    let long = "x".repeat(500);
    match step {
        Step::Put(ttl) => put(Value::from(long), PutOptions::new(seconds(ttl))).await,
        Step::PutCapped => {
            put(blob("v"), PutOptions::new(Lifespan::from(seconds(2)).with_max_lifetime(seconds(5)))).await;
        }
        Step::PutForEver => put(blob("v"), PutOptions::new(Expiry::Never)).await,
        Step::PutRecord(ttl) => put(Record::new().with("n", 1).into(), PutOptions::new(seconds(ttl))).await,
        Step::Keep => {
            put(
                Record::new().into(),
                PutOptions::new(seconds(1)).with_existing_deadline(ExistingDeadline::Keep),
            )
            .await;
        }
        Step::Refresh(ttl) => get(GetOptions::new().with_refresh(Refresh::extend_only(seconds(ttl)))).await,
        Step::Reset(ttl) => get(GetOptions::new().with_refresh(Refresh::reset(seconds(ttl)))).await,
        Step::Touch(ttl) => get(GetOptions::nothing().with_refresh(Refresh::extend_only(seconds(ttl)))).await,
        Step::Set(ttl) => expire(ExpiryChange::Set(seconds(ttl).into())).await,
        Step::Extend(ttl) => expire(ExpiryChange::Extend(seconds(ttl))).await,
        Step::Persist => expire(ExpiryChange::Set(Expiry::Never)).await,
        Step::Patch => patch(PatchOptions::new()).await,
        Step::PatchLater(ttl) => {
            patch(PatchOptions::new().with_refresh(Refresh::extend_only(seconds(ttl)))).await;
        }
        Step::Passed => expire(ExpiryChange::Set(std::time::UNIX_EPOCH.into())).await,
        Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        Step::Delete => {
            // On a slow machine it may have ended by itself.
            let _ = store.delete(&key, DeleteOptions::new()).await.unwrap();
        }
    }
}

async fn nothing_left(node: &Node, mode: Mode) {
    let table = format!("of_{mode}");
    // The clock is the server's, so nothing has to be kept for others.
    let config = ScyllaConfig::from_url(&node.url(KEYSPACE, &table)).unwrap();
    let config = config.with_mode(mode).with_timeout(PATIENCE).with_clock_skew(Duration::ZERO);
    let store = ScyllaStore::connect(&config).await.unwrap();
    let raw = Raw { session: store.session(), table: config.table_name(), mode };
    raw.run("ALTER TABLE {} WITH gc_grace_seconds = 1").await;

    // One that stays: the table is not empty for another reason.
    step(&store, mode, "stays", Step::PutForEver).await;
    let lives = LIVES
        .iter()
        .enumerate()
        .flat_map(|(number, life)| (0..EACH).map(move |copy| (format!("life {number}, {copy}"), *life)));
    join_all(lives.map(|(name, life)| {
        let store = &store;
        async move {
            for one in life {
                step(store, mode, &name, *one).await;
            }
        }
    }))
    .await;
    node.nodetool(&["flush", KEYSPACE, &table]).await;
    assert!(data_files(node.directory(), &table) > 0, "{mode}: there was something on disk");

    // A live row is whole. When its deadline has passed, its cells go, in any order: those that were written later on a
    // slow machine go later.
    eventually("the end of every row", || async {
        let names = raw.run("SELECT key FROM {}").await;
        for row in &names {
            let name = row.columns[0].as_ref().unwrap().as_text().unwrap();
            // To the driver it is there or not, and never in between.
            if let Err(error) = store.get(&key(name), GetOptions::new()).await {
                panic!("{mode}: {name}: {error}");
            }
            if let Some(found) = raw.find(name).await {
                let Cells { kind, value, deadline, covers, cap, version, created } = found.cells;
                let whole = kind.is_some() && value.is_some() && covers.is_some();
                let whole = whole && cap.is_some() && version.is_some() && created.is_some();
                let live = deadline.is_some_and(|deadline| deadline > millis(&SystemClock));
                assert!(!live || whole, "{mode}: {name} has lost cells before its deadline");
            }
        }
        names.len() == 1
    })
    .await;
    assert!(store.get(&key("stays"), GetOptions::new()).await.unwrap().is_some());
    assert!(store.delete(&key("stays"), DeleteOptions::new()).await.unwrap().is_applied());
    node.nodetool(&["flush", KEYSPACE, &table]).await;
    // What was deleted a moment ago goes after gc_grace_seconds.
    for _ in 0..20 {
        node.nodetool(&["compact", KEYSPACE, &table]).await;
        if data_files(node.directory(), &table) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("{mode}: something was left on disk");
}

/// How many files of the table hold rows, or what is left of them.
fn data_files(directory: &Path, table: &str) -> usize {
    let keyspace = directory.join("data").join(KEYSPACE);
    let tables = keyspace.read_dir().unwrap().map(|entry| entry.unwrap());
    let of_table =
        tables.filter(|entry| entry.file_name().to_str().unwrap().split('-').next().unwrap() == table);
    of_table
        .flat_map(|entry| entry.path().read_dir().unwrap())
        .filter(|file| file.as_ref().unwrap().file_name().to_str().unwrap().ends_with("-Data.db"))
        .count()
}
