//! A migration between real servers, while 32 tasks read, write, refresh and delete: from Redis to DynamoDB Local, and
//! from memory to Redis.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ttl_conformance::servers::{Server, ServerKind, ServerUrl, required, run_tests, trial};
use ttl_store::layers::{LayerExt, Migrate};
use ttl_store::{Deadline, Error, Store, Ttl, TtlStore, Version, connect};

const TASKS: usize = 32;
const KEYS_EACH: usize = 40;
const ROUNDS: usize = 6;

/// The state of an entry as its only writer knows it.
#[derive(Clone, Debug, PartialEq)]
enum Known {
    /// An entry with this value, whose deadline is at most this one.
    Live(String, Deadline),
    Deleted,
}

/// Retries a call after an error that promises that nothing changed. Returns its result, and counts the repetitions.
async fn settled<T, F: Future<Output = Result<T, Error>>>(repeated: &AtomicUsize, call: impl Fn() -> F) -> T {
    for _ in 0..100 {
        match call().await {
            Ok(done) => return done,
            Err(error) if error.is_retryable() => _ = repeated.fetch_add(1, Ordering::Relaxed),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("100 retryable errors")
}

fn latest(store: &Store, ttl: Ttl) -> Deadline {
    Deadline::after(store.driver().now(), ttl).plus(Ttl::MIN)
}

/// Uses the keys of one task until the migration is complete, and once more. No other task uses them.
async fn work(
    store: Store,
    task: usize,
    mut known: BTreeMap<String, Known>,
    complete: Arc<AtomicBool>,
    repeated: Arc<AtomicUsize>,
) -> BTreeMap<String, Known> {
    let hour = Ttl::hours(1);
    let mut round = 0;
    loop {
        let is_last = complete.load(Ordering::SeqCst) && round >= ROUNDS;
        for (n, (key, known)) in known.iter_mut().enumerate() {
            // A third of the keys is only read, so that the walk and the reads move them.
            match (n + round + task) % 6 {
                0 => {
                    let value = format!("{key} in round {round}");
                    settled(&repeated, || store.put(key, value.clone(), hour)).await;
                    *known = Known::Live(value, latest(&store, hour));
                }
                1 if *known != Known::Deleted => {
                    let longer = Ttl::hours(2);
                    let touched = settled(&repeated, || store.touch(key, longer)).await;
                    assert!(touched.is_some(), "{key} is missing");
                    if let Known::Live(_, deadline) = known {
                        *deadline = latest(&store, longer);
                    }
                }
                3 if n % 2 == 0 && *known != Known::Deleted => {
                    // A shorter lifetime: the longer one must not return with the entry of the old store.
                    let shorter = Ttl::minutes(10);
                    let set = settled(&repeated, || store.set_expiry(key, shorter)).await;
                    assert!(set.is_some(), "{key} is missing");
                    if let Known::Live(_, deadline) = known {
                        *deadline = latest(&store, shorter);
                    }
                }
                2 if n % 5 == 0 => {
                    let was_there = settled(&repeated, || store.delete(key)).await;
                    assert_eq!(was_there, *known != Known::Deleted, "{key}");
                    *known = Known::Deleted;
                }
                _ => check(&store, key, known, &repeated).await,
            }
        }
        round += 1;
        if is_last {
            return known;
        }
    }
}

async fn check(store: &Store, key: &str, known: &Known, repeated: &AtomicUsize) {
    let value = settled(repeated, || store.get(key))
        .await
        .map(|value| String::from_utf8(value.into_blob().unwrap().to_vec()).unwrap());
    match known {
        Known::Deleted => assert_eq!(value, None, "{key} is back"),
        Known::Live(expected, latest) => {
            assert_eq!(value.as_ref(), Some(expected), "{key}");
            let deadline = settled(repeated, || store.deadline(key)).await.expect("a live entry");
            assert!(deadline <= *latest, "the deadline of {key} has grown: {deadline:?} after {latest:?}");
        }
    }
}

/// Migrates while the tasks work, and then checks every key in the new store alone.
async fn migrates(old: Store, new: Store) {
    let (complete, repeated) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let run = Version::random();
    let mut expected = Vec::new();
    for task in 0..TASKS {
        let mut known = BTreeMap::new();
        for n in 0..KEYS_EACH {
            let key = format!("migrate/{run}/{task}/{n}");
            let ttl = Ttl::minutes(30);
            old.put(&key, key.clone(), ttl).await.unwrap();
            known.insert(key.clone(), Known::Live(key, latest(&old, ttl)));
        }
        expected.push(known);
    }
    let migrate = Migrate::new(Arc::clone(old.driver()));
    let tasks: Vec<_> = (expected.into_iter().enumerate())
        .map(|(task, known)| {
            // Each task has a store of its own, as if it were another process.
            let store = Store::from(Arc::clone(new.driver()).layer(&migrate).unwrap());
            tokio::spawn(work(store, task, known, complete.clone(), repeated.clone()))
        })
        .collect();
    let mut reports = 0;
    let migrated = loop {
        match migrate.copy(new.driver(), |_| reports += 1).await {
            Ok(migrated) => break migrated,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    };
    assert!(reports > 0 && migrated.failed == 0, "{migrated:?}");
    let left = migrate.verify().await.unwrap();
    assert!(left.is_complete(), "{left:?}");
    complete.store(true, Ordering::SeqCst);
    let mut checked = 0;
    for task in tasks {
        // The old store is not used any more.
        for (key, known) in task.await.unwrap() {
            check(&new, &key, &known, &repeated).await;
            assert!(old.get(&key).await.unwrap().is_none(), "{key} is left in the old store");
            new.delete(&key).await.unwrap();
            checked += 1;
        }
    }
    assert_eq!(checked, TASKS * KEYS_EACH);
    println!(
        "{} moved by the walk, {} by the tasks or gone, {} calls repeated",
        migrated.moved,
        checked - usize::try_from(migrated.moved).unwrap(),
        repeated.load(Ordering::Relaxed)
    );
}

/// Finds or starts a Redis. `None` if there is none, and none is required.
fn redis() -> Option<Server> {
    match Server::start(ServerKind::REDIS) {
        Ok(server) => Some(server),
        Err(missing) if required() => panic!("{missing}"),
        Err(missing) => {
            println!("ignored: {missing}");
            None
        }
    }
}

/// Connects to an empty place on the Redis server.
async fn empty(redis: &Server) -> Store {
    connect(&with_query(redis.url(), &format!("timeout=60s&namespace=migrate-{}", Version::random())))
        .await
        .unwrap()
}

async fn from_redis_to_dynamodb(dynamodb: ServerUrl) {
    let Some(redis) = redis() else { return };
    let patience = "timeout=60s&attempt_timeout=20s&connect_timeout=20s";
    let place = format!("{patience}&namespace=migrate-{}", Version::random());
    let new = connect(&with_query(dynamodb.url(), &place)).await.unwrap();
    migrates(empty(&redis).await, new).await;
}

async fn from_memory_to_redis() {
    let Some(redis) = redis() else { return };
    migrates(Store::new(ttl_memory::MemoryStore::default()), empty(&redis).await).await;
}

fn main() -> ExitCode {
    // DynamoDB needs credentials in the environment, which this function sets.
    run_tests(ServerKind::DYNAMODB, |server| {
        vec![
            trial("from_redis_to_dynamodb", from_redis_to_dynamodb(server)),
            trial("from_memory_to_redis", from_memory_to_redis()),
        ]
    })
}

fn with_query(url: &str, query: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{query}")
}
