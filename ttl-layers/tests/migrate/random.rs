//! Random calls on a migration and on a plain store give the same answers.

use std::num::NonZeroUsize;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, Guard,
    PatchOptions, Projection, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{Deadline, Entry, Error, Kind, Lifespan, Outcome, Patch, Ttl, TtlStore, Value};
use ttl_layers::Migrate;
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

use crate::stores::{Stores, key, record};

const STEPS: usize = 400;
const SEEDS: u64 = 60;

fn seen(result: Result<Option<Entry>, Error>) -> String {
    match result {
        Ok(None) => "miss".to_owned(),
        Ok(Some(entry)) => {
            format!("{:?} until {:?} within {:?}", text(entry.value), entry.deadline, entry.cap)
        }
        Err(error) => format!("{:?}", error.kind()),
    }
}

fn text(value: Option<Value>) -> Option<String> {
    value.map(|value| match value {
        Value::Blob(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::Record(record) => record.to_json_text(),
    })
}

fn kind<T>(result: Result<Outcome<T>, Error>, show: impl FnOnce(T) -> String) -> String {
    match result {
        Ok(Outcome::Applied(done)) => format!("applied: {}", show(done)),
        Ok(Outcome::Absent) => "absent".to_owned(),
        Ok(Outcome::Refused(_)) => "refused".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// Makes one random call. The same state of `random` makes the same call.
async fn step(store: &dyn TtlStore, random: &mut StdRng) -> String {
    let k = key(&format!("k{}", random.random_range(0..6)));
    let ttl = Ttl::seconds(random.random_range(1..200));
    let returning = if random.random() { Returning::DEADLINE } else { Returning::empty() };
    let refresh = [Refresh::extend_only(ttl), Refresh::reset(ttl)][random.random_range(0..2)];
    match random.random_range(0..8) {
        0 | 1 => {
            let projection = [Projection::All, Projection::Nothing][random.random_range(0..2)].clone();
            let mut read = GetOptions::new().with_projection(projection).with_returning(returning);
            if random.random_bool(0.5) {
                read = read.with_refresh(refresh);
            }
            if random.random_bool(0.3) {
                read = read.with_kind(Kind::Record);
            }
            if random.random() {
                read = read.with_cap();
            }
            if random.random_bool(0.3) {
                let mut all = Vec::new();
                for result in store.get_many(&[k.clone(), key("k0"), k], read).await {
                    all.push(seen(result));
                }
                return all.join(", ");
            }
            seen(store.get(&k, read).await)
        }
        2 | 3 => {
            let value = if random.random() { Value::from("blob") } else { record().into() };
            let mut lifespan = Lifespan::from(ttl);
            if random.random_bool(0.3) {
                lifespan = lifespan.with_max_lifetime(Ttl::seconds(random.random_range(1..200)));
            }
            let existing =
                [ExistingDeadline::Replace, ExistingDeadline::Keep, ExistingDeadline::Refresh(refresh)];
            let conditions =
                [Condition::Always, Condition::Always, Condition::IfAbsent, Condition::IfPresent];
            let mut put = PutOptions::new(lifespan)
                .with_existing_deadline(existing[random.random_range(0..3)])
                .with_condition(conditions[random.random_range(0..4)])
                .with_returning(returning);
            if random.random() {
                put = put.with_previous();
            }
            let done = store.put(&k, value, put).await;
            kind(done, |done| format!("{} {:?} {:?}", done.created, done.deadline, text(done.previous)))
        }
        4 => {
            let guard = [Guard::Always, Guard::IfLater, Guard::IfSooner][random.random_range(0..3)];
            let change =
                [ExpiryChange::Set(ttl.into()), ExpiryChange::Extend(ttl)][random.random_range(0..2)];
            kind(store.expire(&k, change, ExpireOptions::new().with_guard(guard)).await, |done| {
                format!("{done:?}")
            })
        }
        5 => {
            let mut options = PatchOptions::new().with_returning(returning);
            if random.random() {
                options = options.with_create(Create::new(ttl));
            }
            if random.random() {
                options = options.with_refresh(refresh);
            }
            let done = store.patch(&k, &Patch::new().increment("n", 1), options).await;
            kind(done, |done| format!("{} {:?} {}", done.created, done.deadline, done.fields.to_json_text()))
        }
        6 => {
            let options =
                [DeleteOptions::new(), DeleteOptions::take(), DeleteOptions::new().with_kind(Kind::Record)]
                    [random.random_range(0..3)]
                .clone();
            if random.random_bool(0.3) {
                let mut all = Vec::new();
                for result in store.delete_many(&[k.clone(), k], options).await {
                    all.push(kind(result, |entry| {
                        format!("{:?}", text(entry.and_then(|entry| entry.value)))
                    }));
                }
                return all.join(", ");
            }
            let done = store.delete(&k, options).await;
            kind(done, |entry| format!("{:?}", text(entry.and_then(|entry| entry.value))))
        }
        _ => listing(store).await.join(", "),
    }
}

/// Lists all entries, each once.
async fn listing(store: &dyn TtlStore) -> Vec<String> {
    let mut scan = ScanOptions::new("k").with_limit(NonZeroUsize::new(2).unwrap());
    scan = scan.with_projection(Projection::All).with_returning(Returning::DEADLINE);
    let mut all = Vec::new();
    loop {
        let page = store.scan(scan.clone()).await.unwrap();
        for item in page.items {
            all.push(format!("{} {}", item.key, seen(item.entry.map(Some))));
        }
        let Some(next) = page.next else { break };
        scan = scan.with_cursor(next);
    }
    all.sort();
    all
}

/// Moves a random entry back to the old store, as if no call had needed it yet.
async fn move_back(stores: &Stores, random: &mut StdRng) {
    let k = key(&format!("k{}", random.random_range(0..6)));
    let read = GetOptions::new().with_returning(Returning::DEADLINE).with_cap();
    let Some(entry) = stores.new.get(&k, read).await.unwrap() else { return };
    let (deadline, cap) = (entry.deadline.unwrap(), entry.cap.unwrap_or(Deadline::NEVER));
    let put = PutOptions::new(Lifespan::new(deadline).with_cap(cap));
    assert!(stores.old.put(&k, entry.value.unwrap(), put).await.unwrap().is_applied());
    assert!(stores.new.delete(&k, DeleteOptions::new()).await.unwrap().is_applied());
}

#[tokio::test]
async fn a_migration_answers_as_a_plain_store() {
    for seed in 0..SEEDS {
        let stores = Stores::create();
        let config = MemoryConfig::new().with_clock(stores.clock.clone()).with_reclaim(Reclaim::Manual);
        let plain = MemoryStore::new(&config);
        let store = stores.store();
        let mut random = StdRng::seed_from_u64(seed);
        for at in 0..STEPS {
            if random.random_bool(0.1) {
                stores.advance(Ttl::seconds(random.random_range(1..60)));
            }
            if random.random_bool(0.5) {
                move_back(&stores, &mut random).await;
            }
            let call: u64 = random.random();
            let expected = step(&plain, &mut StdRng::seed_from_u64(call)).await;
            let found = step(&*store, &mut StdRng::seed_from_u64(call)).await;
            assert_eq!(found, expected, "seed {seed}, step {at}");
        }
        let migrate = Migrate::new(Arc::new(stores.old.clone()));
        let new: Arc<dyn TtlStore> = Arc::new(stores.new.clone());
        migrate.copy(&new, |_| {}).await.unwrap();
        assert!(migrate.verify().await.unwrap().is_complete());
        assert_eq!(listing(&stores.new).await, listing(&plain).await, "seed {seed}");
    }
}
