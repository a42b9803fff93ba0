//! Servers that stop, stall or lose messages: an outage is never a miss, and no write is sent twice.

use std::sync::atomic::Ordering;
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::{Value as Json, json};
use ttl_core::options::{Create, GetOptions, PatchOptions, PutOptions, Refresh};
use ttl_core::{ErrorKind, Patch, Record, Result, TtlStore, Value};
use ttl_redis::{RedisConfig, RedisStore};

use crate::proxy::Proxy;
use crate::server::{OwnServer, with_own_servers};
use crate::support::{LONG, applied, blob, eventually, key, raw, value};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        with_own_servers("faults::a_stopped_server_is_unavailable_and_its_return_is_noticed", stopped),
        with_own_servers("faults::a_stalled_server_is_a_timeout_and_writes_are_unknown", stalled),
        with_own_servers("faults::a_lost_answer_is_unknown_and_nothing_is_sent_twice", lost_answers),
        with_own_servers("faults::a_swallowed_connection_is_replaced", swallowed),
        with_own_servers("faults::a_closed_connection_is_noticed_before_anything_is_sent", closed),
        with_own_servers("faults::without_a_server_there_is_no_store", no_server),
        with_own_servers("faults::many_callers_survive_an_outage", many_callers),
    ]
}

/// Short, because the trials wait for it.
const LIMIT: Duration = Duration::from_millis(300);

async fn store(url: &str, limit: Duration) -> RedisStore {
    RedisStore::connect(&RedisConfig::from_url(url).unwrap().with_timeout(limit)).await.unwrap()
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("an error, as there is no server").kind()
}

async fn increment(store: &RedisStore) -> Result<i64> {
    let patch = Patch::new().increment("n", 1).append("list", "x");
    let options = PatchOptions::new().with_create(Create::new(LONG));
    let outcome = store.patch(&key("n"), &patch, options).await?.applied().expect("an applied patch");
    Ok(outcome.fields.get("n").and_then(Json::as_i64).expect("a number"))
}

async fn stopped() {
    let mut server = OwnServer::start::<&str>([]);
    let store = store(&server.url(), Duration::from_secs(5)).await;
    for round in 0..3 {
        applied(store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await);
        server.kill();
        // What was under way when it broke may be unknown; from then on it is known that nothing is sent.
        let first = kind(store.put(&key("k"), blob("w"), PutOptions::new(LONG)).await);
        assert!(matches!(first, ErrorKind::Unavailable | ErrorKind::OutcomeUnknown), "{first}");
        let errors = [
            kind(store.get(&key("k"), GetOptions::new()).await),
            kind(store.get(&key("never"), GetOptions::nothing()).await),
            kind(store.put(&key("k"), blob("w"), PutOptions::new(LONG)).await),
            kind(increment(&store).await),
            kind(store.delete(&key("k"), ttl_core::options::DeleteOptions::new()).await),
            kind(store.scan(ttl_core::options::ScanOptions::new("")).await),
        ];
        assert_eq!(errors, [ErrorKind::Unavailable; 6], "round {round}");
        for result in store.get_many(&["a", "b"].map(key), GetOptions::new()).await {
            assert_eq!(kind(result), ErrorKind::Unavailable);
        }
        server.start_again();
        // The server kept nothing: this is a true miss.
        assert!(store.get(&key("k"), GetOptions::new()).await.unwrap().is_none());
        assert_eq!(increment(&store).await.unwrap(), 1);
    }
}

async fn stalled() {
    let server = OwnServer::start::<&str>([]);
    let store = store(&server.url(), LIMIT).await;
    applied(store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await);
    assert_eq!(increment(&store).await.unwrap(), 1);
    server.signal("STOP");
    let read = store.get(&key("k"), GetOptions::new()).await;
    assert_eq!(kind(read), ErrorKind::Timeout, "the server accepts nothing and says nothing");
    // That connection is given up, and no other can be made.
    let unavailable = store.get(&key("k"), GetOptions::new()).await.unwrap_err();
    assert_eq!(unavailable.kind(), ErrorKind::Unavailable);
    server.signal("CONT");
    eventually("an answer", || async { store.get(&key("k"), GetOptions::new()).await.is_ok() }).await;

    server.signal("STOP");
    let write = increment(&store).await.unwrap_err();
    assert_eq!((write.kind(), write.is_retryable()), (ErrorKind::OutcomeUnknown, false));
    server.signal("CONT");
    eventually("an answer", || async { store.get(&key("k"), GetOptions::new()).await.is_ok() }).await;
    let Value::Record(record) = value(&store, &key("n")).await else { panic!("a record") };
    let count = record.get("n").and_then(Json::as_i64).unwrap();
    assert!(count == 1 || count == 2, "applied at most once: {count}");
    assert_eq!(value(&store, &key("k")).await, blob("v"));
}

async fn lost_answers() {
    let server = OwnServer::start::<&str>([]);
    let proxy = Proxy::start(&server.url()).await;
    let store = store(&proxy.url(&server.url()), Duration::from_secs(5)).await;
    assert_eq!(increment(&store).await.unwrap(), 1);
    let (mut least, mut most) = (1_i64, 1_i64);
    for n in 0..120 {
        // The scripts are loaded and the connection stands before something is lost.
        eventually("an answer", || async { store.get(&key("n"), GetOptions::new()).await.is_ok() }).await;
        match n % 3 {
            0 => {
                least += 1;
                most += 1;
                assert_eq!(increment(&store).await.unwrap(), least, "an acknowledged increment");
            }
            1 => {
                proxy.watch.lose_answer.store(true, Ordering::SeqCst);
                assert_eq!(kind(increment(&store).await), ErrorKind::OutcomeUnknown);
                // The server had it: once.
                least += 1;
                most += 1;
            }
            _ => {
                proxy.watch.lose_request.store(true, Ordering::SeqCst);
                // The client cannot know that the server never had it.
                assert_eq!(kind(increment(&store).await), ErrorKind::OutcomeUnknown);
            }
        }
    }
    let mut raw = raw(&server.url()).await;
    let (count, list): (i64, String) =
        redis::cmd("HMGET").arg("ttl:n").arg("n").arg("list").query_async(&mut raw).await.unwrap();
    assert!((least..=most).contains(&count), "{least}..={most}: {count}");
    assert_eq!(serde_json::from_str::<Vec<String>>(&list).unwrap().len() as i64, count);

    // A lost answer of a read changes nothing and can be asked again.
    proxy.watch.lose_answer.store(true, Ordering::SeqCst);
    let error = store.get(&key("n"), GetOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
    // Of a batch of writes whose answers are lost, each is unknown.
    eventually("an answer", || async { store.get(&key("n"), GetOptions::new()).await.is_ok() }).await;
    proxy.watch.lose_answer.store(true, Ordering::SeqCst);
    let items = ["a", "b"].map(|name| ttl_core::options::PutItem::new(key(name), "v", PutOptions::new(LONG)));
    for result in store.put_many(items.to_vec()).await {
        assert_eq!(kind(result), ErrorKind::OutcomeUnknown);
    }
}

async fn swallowed() {
    let server = OwnServer::start::<&str>([]);
    let proxy = Proxy::start(&server.url()).await;
    let store = store(&proxy.url(&server.url()), LIMIT).await;
    applied(store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await);
    proxy.watch.mute.store(true, Ordering::SeqCst);
    let first = kind(store.get(&key("k"), GetOptions::new()).await);
    assert_eq!(first, ErrorKind::Timeout);
    // New connections of the proxy speak; the old one would stay silent until the system gives it up.
    proxy.watch.mute.store(false, Ordering::SeqCst);
    eventually("another connection", || async { store.get(&key("k"), GetOptions::new()).await.is_ok() })
        .await;
}

async fn closed() {
    let server = OwnServer::start::<&str>([]);
    let store = store(&server.url(), Duration::from_secs(5)).await;
    let mut raw = raw(&server.url()).await;
    for round in 1..=20 {
        assert_eq!(increment(&store).await.unwrap(), round);
        redis::cmd("CLIENT")
            .arg("KILL")
            .arg("TYPE")
            .arg("normal")
            .arg("SKIPME")
            .arg("yes")
            .exec_async(&mut raw)
            .await
            .unwrap();
        // Once the client library has seen the end, no write is risked on that connection.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn no_server() {
    let mut server = OwnServer::start::<&str>([]);
    let config = RedisConfig::from_url(&server.url()).unwrap().with_timeout(Duration::from_secs(5));
    server.kill();
    let error = RedisStore::connect(&config).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Unavailable, Some("connect")));
    assert!(error.to_string().contains("no connection to the server"), "{error}");

    let lazy = RedisStore::lazy(&config).unwrap();
    assert_eq!(kind(lazy.get(&key("k"), GetOptions::new()).await), ErrorKind::Unavailable);
    server.start_again();
    assert!(lazy.get(&key("k"), GetOptions::new()).await.unwrap().is_none());

    // An address that nobody answers for.
    let nowhere = RedisConfig::tcp("192.0.2.1", 6379).with_timeout(LIMIT);
    assert_eq!(kind(RedisStore::connect(&nowhere).await), ErrorKind::Unavailable);
    let nobody = RedisConfig::tcp("name.invalid", 6379).with_timeout(Duration::from_secs(5));
    assert_eq!(kind(RedisStore::connect(&nobody).await), ErrorKind::Unavailable);
    let socket = RedisConfig::unix("/nowhere/redis.sock");
    assert_eq!(kind(RedisStore::connect(&socket).await), ErrorKind::Unavailable);
}

/// Many tasks, one outage in the middle: no read misses a live entry, and no increment is lost or doubled.
async fn many_callers() {
    let directory = OwnServer::start::<&str>([]);
    let proxy = Proxy::start(&directory.url()).await;
    let store = store(&proxy.url(&directory.url()), Duration::from_secs(5)).await;
    let record = Record::new().with("n", 0).with("list", json!([]));
    applied(store.put(&key("n"), record.into(), PutOptions::new(LONG)).await);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let (mut sure, mut unknown) = (0_i64, 0_i64);
                for _ in 0..50 {
                    match increment(&store).await {
                        Ok(_) => sure += 1,
                        Err(error) if error.kind() == ErrorKind::OutcomeUnknown => unknown += 1,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
                    }
                    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(LONG));
                    match store.get(&key("n"), refresh).await {
                        Ok(entry) => assert!(entry.is_some(), "a miss of what is there"),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
                    }
                }
                (sure, unknown)
            })
        })
        .collect();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        proxy.watch.lose_answer.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(10)).await;
        proxy.watch.lose_request.store(true, Ordering::SeqCst);
    }
    let (mut sure, mut unknown) = (0, 0);
    for task in tasks {
        let (task_sure, task_unknown) = task.await.unwrap();
        sure += task_sure;
        unknown += task_unknown;
    }
    let mut raw = raw(&directory.url()).await;
    let count: i64 = redis::cmd("HGET").arg("ttl:n").arg("n").query_async(&mut raw).await.unwrap();
    assert!((sure..=sure + unknown).contains(&count), "{sure} sure, {unknown} unknown, {count} applied");
}
