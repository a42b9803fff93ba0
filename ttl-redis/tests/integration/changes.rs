//! Reports of changes: foreign writers, servers that clear, stop, restart, hang or refuse, and slow readers.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::StreamExt;
use libtest_mimic::Trial;
use redis::aio::MultiplexedConnection;
use tokio::time::timeout;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::PutOptions;
use ttl_core::{ChangeStream, ErrorKind, StoreChange, TtlStore};
use ttl_redis::{RedisConfig, RedisStore};

use crate::proxy::Proxy;
use crate::server::{OwnServer, with_own_servers};
use crate::support::{LONG, Namespace, PATIENCE, applied, blob, eventually, key, raw, with_server};

/// More changes than a stream holds for a slow reader.
const TOO_MANY: usize = 9000;

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("changes::every_write_of_a_foreign_client_is_reported", server, foreign),
        with_server("changes::other_namespaces_are_not_reported", server, namespaces),
        with_server("changes::a_slow_reader_gets_one_gap", server, overflow),
        with_server("changes::a_caller_managed_connection_reports_none", server, caller_managed),
        with_server("changes::outside_of_a_runtime_is_an_error", server, no_runtime),
        with_server("changes::a_stream_outlives_the_runtime_that_made_it", server, runtime_ends),
        with_server("changes::a_server_without_tracking_is_unsupported", server, without_tracking),
        with_own_servers("changes::a_cleared_server_is_reported_as_cleared", cleared),
        with_own_servers("changes::a_restart_is_a_gap_at_its_begin_and_at_its_end", restart),
        with_own_servers("changes::a_hung_server_is_a_gap_while_it_hangs", hung),
        with_own_servers("changes::after_a_failover_the_new_primary_reports", failover),
        with_own_servers("changes::a_user_without_permission_is_denied", denied),
        with_own_servers("changes::a_dropped_stream_closes_its_connection", dropped),
    ]
}

/// Returns the next report, within the limit of a busy machine.
async fn next(changes: &mut ChangeStream) -> StoreChange {
    let change = timeout(PATIENCE, changes.next()).await.expect("a report in time");
    change.expect("a stream that does not end")
}

/// Reads until this key is reported. Returns whether there was a gap before.
async fn until_changed(changes: &mut ChangeStream, name: &str) -> bool {
    let (mut gap, wanted) = (false, StoreChange::Changed(key(name)));
    loop {
        match next(changes).await {
            change if change == wanted => return gap,
            StoreChange::Gap => gap = true,
            StoreChange::Changed(_) | StoreChange::Cleared => {}
        }
    }
}

/// Puts until a put is reported: those before the new subscription are not.
async fn until_reported_again(store: &RedisStore, changes: &mut ChangeStream, name: &str) {
    let wanted = StoreChange::Changed(key(name));
    for _ in 0..100 {
        let _ = store.put(&key(name), blob("v"), PutOptions::new(LONG)).await;
        while let Ok(change) = timeout(Duration::from_millis(200), changes.next()).await {
            if change.expect("a stream that does not end") == wanted {
                return;
            }
        }
    }
    panic!("no report after the new subscription");
}

async fn put(store: &RedisStore, name: &str) {
    applied(store.put(&key(name), blob("v"), PutOptions::new(LONG)).await);
}

async fn store(server: &OwnServer, timeout: Duration) -> RedisStore {
    let config = RedisConfig::from_url(&server.url()).unwrap().with_timeout(timeout);
    RedisStore::connect(&config).await.unwrap()
}

async fn run(raw: &mut MultiplexedConnection, command: &str) {
    let mut words = command.split(' ');
    let mut cmd = redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        cmd.arg(word);
    });
    cmd.exec_async(raw).await.unwrap();
}

async fn foreign(url: String) {
    let mut space = Namespace::new(&url).await;
    let mut changes = space.store.changes().await.unwrap();
    let k = space.full("k");
    for command in [
        format!("SET {k} v"),
        format!("APPEND {k} v"),
        format!("EXPIRE {k} 100"),
        format!("GETEX {k} EX 200"),
        format!("PERSIST {k}"),
        format!("RENAME {k} {}", space.full("other")),
        format!("COPY {} {k}", space.full("other")),
        format!("GETDEL {k}"),
        format!("HSET {k} f 1"),
        format!("HINCRBY {k} f 1"),
        format!("HDEL {k} f"),
        format!("EVAL redis.call('SET',KEYS[1],'v') 1 {k}"),
        format!("UNLINK {k}"),
        format!("SET {k} v PX 100"),
    ] {
        run(&mut space.raw, &command).await;
        assert!(!until_changed(&mut changes, "k").await, "a gap after {command}");
    }
    // The server deletes the expired key.
    assert!(!until_changed(&mut changes, "k").await);
}

async fn namespaces(url: String) {
    let (mut space, other) = (Namespace::new(&url).await, Namespace::new(&url).await);
    let mut changes = space.store.changes().await.unwrap();
    put(&other.store, "k").await;
    // Keys that no store can have.
    for name in ["".to_owned(), "x".repeat(1025)] {
        let full = space.full(&name);
        redis::cmd("SET").arg(full).arg("v").arg("PX").arg(5000).exec_async(&mut space.raw).await.unwrap();
    }
    put(&space.store, "mine").await;
    assert_eq!(next(&mut changes).await, StoreChange::Changed(key("mine")));
}

async fn overflow(url: String) {
    let mut space = Namespace::new(&url).await;
    let mut changes = space.store.changes().await.unwrap();
    let mut other = space.store.changes().await.unwrap();
    for first in (0..TOO_MANY).step_by(1000) {
        let mut sets = redis::pipe();
        for number in first..first + 1000 {
            sets.cmd("SET").arg(space.full(&format!("k{number}"))).arg("v").arg("PX").arg(5000).ignore();
        }
        sets.exec_async(&mut space.raw).await.unwrap();
        // A reader that keeps up gets every change.
        assert!(!until_changed(&mut other, &format!("k{}", first + 999)).await);
    }
    // The keys expire, which the server reports too.
    assert_eq!(next(&mut changes).await, StoreChange::Gap);
    put(&space.store, "after").await;
    assert!(!until_changed(&mut changes, "after").await, "one gap only");
}

async fn caller_managed(url: String) {
    let config = RedisConfig::from_url(&url).unwrap();
    let store = RedisStore::from_connection(raw(&url).await, &config).await.unwrap();
    assert!(!store.capabilities().changes);
    let error = store.changes().await.err().unwrap();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Unsupported, Some("changes")), "{error}");
    assert!(error.to_string().contains("caller-managed"), "{error}");
    assert!(RedisStore::connect(&config).await.unwrap().capabilities().changes);
}

async fn no_runtime(url: String) {
    let store = RedisStore::connect(&RedisConfig::from_url(&url).unwrap()).await.unwrap();
    let thread = std::thread::spawn(move || {
        let mut changes = pin!(store.changes());
        let Poll::Ready(Err(error)) = changes.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("an error at once")
        };
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    });
    tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
}

async fn runtime_ends(url: String) {
    let space = Namespace::new(&url).await;
    let short = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let store = space.store.clone();
    let mut changes = short.spawn(async move { store.changes().await.unwrap() }).await.unwrap();
    put(&space.store, "one").await;
    assert!(!until_changed(&mut changes, "one").await);
    short.shutdown_background();
    assert_eq!(next(&mut changes).await, StoreChange::Gap);
    assert_eq!(next(&mut changes).await, StoreChange::Gap);
    until_reported_again(&space.store, &mut changes, "two").await;
}

async fn without_tracking(url: String) {
    let proxy = Proxy::start(&url).await;
    let config = RedisConfig::from_url(&proxy.url(&url)).unwrap().with_timeout(PATIENCE);
    let store = RedisStore::connect(&config).await.unwrap();
    for (answer, kind) in [
        (&b"-ERR unknown subcommand 'TRACKING'. Try CLIENT HELP.\r\n"[..], ErrorKind::Unsupported),
        (b"-LOADING Redis is loading the dataset in memory\r\n", ErrorKind::Unavailable),
        (b":1\r\n", ErrorKind::Backend),
    ] {
        proxy.watch.garble_always(b"TRACKING", answer);
        let error = store.changes().await.err().unwrap();
        assert_eq!((error.kind(), error.operation()), (kind, Some("changes")), "{error}");
    }
    *proxy.watch.garble.lock().unwrap() = None;
    assert!(store.changes().await.is_ok());
}

async fn cleared() {
    let server = OwnServer::start::<&str>([]);
    let store = store(&server, PATIENCE).await;
    let mut raw = raw(&server.url()).await;
    let mut changes = store.changes().await.unwrap();
    for command in ["FLUSHALL", "FLUSHDB ASYNC", "FLUSHALL SYNC"] {
        put(&store, "k").await;
        assert!(!until_changed(&mut changes, "k").await);
        run(&mut raw, command).await;
        assert_eq!(next(&mut changes).await, StoreChange::Cleared, "{command}");
    }
    put(&store, "k").await;
    assert!(!until_changed(&mut changes, "k").await);
    // A new replica deletes its own entries, and takes over those of its primary.
    let primary = OwnServer::start::<&str>([]);
    run(&mut raw, &format!("REPLICAOF 127.0.0.1 {}", primary.port)).await;
    assert_eq!(next(&mut changes).await, StoreChange::Cleared);
    put(&self::store(&primary, PATIENCE).await, "replicated").await;
    assert!(!until_changed(&mut changes, "replicated").await);
}

async fn restart() {
    let mut server = OwnServer::start::<&str>([]);
    let store = store(&server, PATIENCE).await;
    let mut changes = store.changes().await.unwrap();
    put(&store, "before").await;
    assert!(!until_changed(&mut changes, "before").await);
    server.kill();
    // Reported while the server is down, and more than once.
    for _ in 0..3 {
        assert_eq!(next(&mut changes).await, StoreChange::Gap);
    }
    server.start_again();
    until_reported_again(&store, &mut changes, "after").await;
}

/// The connection stays open, and nothing is answered.
async fn hung() {
    let server = OwnServer::start::<&str>([]);
    let store = store(&server, Duration::from_millis(500)).await;
    let mut changes = store.changes().await.unwrap();
    server.signal("STOP");
    for _ in 0..3 {
        assert_eq!(next(&mut changes).await, StoreChange::Gap);
    }
    server.signal("CONT");
    until_reported_again(&store, &mut changes, "after").await;
}

/// The address leads to another server. The old one still answers PINGs, and knows of no change.
async fn failover() {
    let (old, new) = (OwnServer::start::<&str>([]), OwnServer::start::<&str>([]));
    let proxy = Proxy::start(&old.url()).await;
    let config = RedisConfig::from_url(&proxy.url(&old.url())).unwrap().with_timeout(PATIENCE);
    let store = RedisStore::connect(&config).await.unwrap();
    let mut changes = store.changes().await.unwrap();
    put(&store, "before").await;
    assert!(!until_changed(&mut changes, "before").await);
    *proxy.watch.elsewhere.lock().unwrap() = Some(format!("127.0.0.1:{}", new.port));
    // The old server refuses one write, so the requests go to the new one.
    let refusal = b"-READONLY You can't write against a read only replica.\r\n";
    proxy.watch.garble_always(b"$3\r\nSET\r\n", refusal);
    assert!(store.put(&key("refused"), blob("v"), PutOptions::new(LONG)).await.is_err());
    *proxy.watch.garble.lock().unwrap() = None;
    put(&store, "unseen").await;
    eventually("a connection of the stream to the new server", || async {
        proxy.watch.connections.load(Ordering::SeqCst) == 4
    })
    .await;
    assert_eq!(next(&mut changes).await, StoreChange::Gap);
    until_reported_again(&store, &mut changes, "after").await;
}

async fn denied() {
    let server = OwnServer::start::<&str>([]);
    let mut raw = raw(&server.url()).await;
    run(&mut raw, "ACL SETUSER app on >word ~* +@all -client|tracking").await;
    let config = RedisConfig::from_url(&server.url()).unwrap().with_credentials("app", "word");
    let store = RedisStore::connect(&config.with_timeout(PATIENCE)).await.unwrap();
    let error = store.changes().await.err().unwrap();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::PermissionDenied, Some("changes")), "{error}");
    assert!(error.to_string().contains("`client|tracking`"), "{error}");
    run(&mut raw, "ACL SETUSER app +client|tracking -ping -info -time").await;
    let mut changes = store.changes().await.unwrap();
    put(&store, "k").await;
    assert!(!until_changed(&mut changes, "k").await);
    // A refused PING is a sign of life.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    put(&store, "k").await;
    assert!(!until_changed(&mut changes, "k").await);
}

async fn dropped() {
    let server = OwnServer::start::<&str>([]);
    let store = store(&server, PATIENCE).await;
    let raw = raw(&server.url()).await;
    let clients = async || {
        let mut raw = raw.clone();
        let list: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut raw).await.unwrap();
        list.lines().count()
    };
    let before = clients().await;
    let streams = [store.changes().await.unwrap(), store.changes().await.unwrap()];
    assert_eq!(clients().await, before + 2);
    drop(streams);
    eventually("the end of both connections", || async { clients().await == before }).await;
    // A stream that is dropped while it reconnects makes no further connection.
    let changes = store.changes().await.unwrap();
    server.signal("STOP");
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(changes);
    server.signal("CONT");
    eventually("the end of the connection", || async { clients().await == before }).await;
}
