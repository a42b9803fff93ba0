//! Unusable connections are replaced, one attempt at a time; batches fail in parts.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{DeleteOptions, GetOptions, PutItem, PutOptions, Refresh, Returning};
use ttl_core::{ErrorKind, Key, Result, TtlStore, Value};
use ttl_redis::{RedisConfig, RedisStore};

use crate::proxy::Proxy;
use crate::server::{OwnServer, with_own_servers};
use crate::support::{LONG, Namespace, PATIENCE, applied, blob, eventually, key, raw, value, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_own_servers("recovery::after_a_failover_the_next_call_reaches_the_new_primary", failover),
        with_server("recovery::a_server_that_refuses_to_serve_is_connected_to_anew", server, refusals),
        with_server("recovery::a_server_that_keeps_refusing_is_not_stormed", server, no_storm),
        with_server("recovery::many_who_wait_share_one_attempt", server, one_attempt),
        with_server("recovery::a_dead_address_is_tried_less_and_less_often", server, dead),
        with_server("recovery::outside_of_a_runtime_is_an_error", server, no_runtime),
        with_server("recovery::an_attempt_whose_runtime_ends_is_begun_anew", server, runtime_ends),
        with_server("recovery::of_a_large_batch_that_fails_the_rest_is_not_sent", server, parts),
        with_server("recovery::a_batch_takes_longer_than_one_answer_may", server, slow_batch),
        with_own_servers("recovery::a_refresh_that_got_no_answer_is_not_called_nothing", refresh),
    ]
}

async fn store(url: &str, proxy: &Proxy, limit: Duration) -> (Namespace, RedisStore) {
    let space = Namespace::new(url).await;
    let config = RedisConfig::from_url(&proxy.url(url)).unwrap().with_timeout(limit);
    let config = config.with_namespace(space.prefix.trim_end_matches(':'));
    let store = RedisStore::connect(&config).await.unwrap();
    (space, store)
}

async fn put(store: &RedisStore, name: &str) -> Result<()> {
    store.put(&key(name), blob("v"), PutOptions::new(LONG)).await.map(|_| ())
}

fn connections(proxy: &Proxy) -> u64 {
    proxy.watch.connections.load(Ordering::SeqCst)
}

/// The address leads to another server; the old one continues as its replica.
async fn failover() {
    let (old, new) = (OwnServer::start::<&str>([]), OwnServer::start::<&str>([]));
    let proxy = Proxy::start(&old.url()).await;
    let config = RedisConfig::from_url(&proxy.url(&old.url())).unwrap().with_timeout(PATIENCE);
    let store = RedisStore::connect(&config).await.unwrap();
    put(&store, "before").await.unwrap();
    let mut raw = raw(&old.url()).await;
    let port = new.port.to_string();
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(&port).exec_async(&mut raw).await.unwrap();
    *proxy.watch.elsewhere.lock().unwrap() = Some(format!("127.0.0.1:{port}"));
    let refused = put(&store, "after").await.unwrap_err();
    assert_eq!((refused.kind(), refused.is_retryable()), (ErrorKind::Unavailable, true), "{refused}");
    put(&store, "after").await.unwrap();
    assert_eq!(connections(&proxy), 2);
    // A refresh that a read-only server refuses tells as much, although the read answers.
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec_async(&mut raw).await.unwrap();
    let mut raw = crate::support::raw(&new.url()).await;
    let port = old.port.to_string();
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(&port).exec_async(&mut raw).await.unwrap();
    *proxy.watch.elsewhere.lock().unwrap() = None;
    let refresh = GetOptions::new().with_refresh(Refresh::reset(ttl_core::Ttl::days(1)));
    eventually("another connection", || async {
        let _ = store.get(&key("after"), refresh.clone()).await;
        connections(&proxy) > 2
    })
    .await;
}

async fn refusals(url: String) {
    let texts: [&'static [u8]; 6] = [
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-MASTERDOWN Link with MASTER is down\r\n",
        b"-CLUSTERDOWN The cluster is down\r\n",
        b"-NOREPLICAS Not enough good replicas to write.\r\n",
        b"-NOAUTH Authentication required.\r\n",
    ];
    for text in texts {
        let proxy = Proxy::start(&url).await;
        let (_space, store) = store(&url, &proxy, PATIENCE).await;
        proxy.watch.garble(text);
        let error = put(&store, "k").await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
        put(&store, "k").await.unwrap();
        assert_eq!(connections(&proxy), 2, "{:?}", String::from_utf8_lossy(text));
        proxy.watch.garble(text);
        for result in store.get_many(&[key("k")], GetOptions::new()).await {
            assert!(result.is_err());
        }
        assert_eq!(value(&store, &key("k")).await, blob("v"));
        assert_eq!(connections(&proxy), 3);
    }
}

async fn no_storm(url: String) {
    let proxy = Proxy::start(&url).await;
    let (_space, store) = store(&url, &proxy, PATIENCE).await;
    let began = Instant::now();
    // Each connection greets well, and its server refuses to write.
    let text = b"-READONLY You can't write against a read only replica.\r\n";
    proxy.watch.garble_always(b"$3\r\nSET\r\n", text);
    for _ in 0..400 {
        assert_eq!(put(&store, "k").await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let most = 12 + began.elapsed().as_secs();
    assert!(connections(&proxy) <= most, "{} connections, at most {most}", connections(&proxy));
}

async fn one_attempt(url: String) {
    let proxy = Proxy::start(&url).await;
    let limit = Duration::from_millis(300);
    let space = Namespace::new(&url).await;
    let config = RedisConfig::from_url(&proxy.url(&url)).unwrap().with_timeout(limit);
    let config = config.with_namespace(space.prefix.trim_end_matches(':'));
    let store = RedisStore::lazy(&config).unwrap();
    proxy.watch.mute.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let callers: Vec<_> = (0..400)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..3 {
                    let error = store.get(&key("k"), GetOptions::new()).await.unwrap_err();
                    assert_eq!(
                        (error.kind(), error.is_retryable()),
                        (ErrorKind::Unavailable, true),
                        "{error}"
                    );
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let most = 4 + 4 * began.elapsed().as_secs();
    assert!(connections(&proxy) <= most, "{} connections, at most {most}", connections(&proxy));
    proxy.watch.mute.store(false, Ordering::SeqCst);
    eventually("an answer", || async { store.get(&key("k"), GetOptions::new()).await.is_ok() }).await;
}

async fn dead(url: String) {
    let proxy = Proxy::start(&url).await;
    let limit = Duration::from_secs(4);
    let (_space, store) = store(&url, &proxy, limit).await;
    // Connections are taken and closed at once.
    *proxy.watch.elsewhere.lock().unwrap() = Some("127.0.0.1:1".to_owned());
    proxy.watch.lose_request.store(true, Ordering::SeqCst);
    let began = Instant::now();
    for _ in 0..12 {
        assert!(store.get(&key("k"), GetOptions::new()).await.is_err());
    }
    let most = 12 + 4 * began.elapsed().as_secs();
    assert!(connections(&proxy) <= most, "{} connections, at most {most}", connections(&proxy));
    // Whoever waits for the next attempt when the server returns is served.
    *proxy.watch.elsewhere.lock().unwrap() = None;
    assert!(store.get(&key("k"), GetOptions::new()).await.unwrap().is_none());
}

async fn no_runtime(url: String) {
    let config = RedisConfig::from_url(&url).unwrap().with_timeout(PATIENCE);
    let lazy = RedisStore::lazy(&config).unwrap();
    let connected = RedisStore::connect(&config).await.unwrap();
    let connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let handed_in = RedisStore::from_connection(connection, &config).await.unwrap();
    let thread = std::thread::spawn(move || {
        for store in [&lazy, &connected, &handed_in] {
            let mut context = Context::from_waker(Waker::noop());
            let name = key("k");
            let mut get = pin!(store.get(&name, GetOptions::new()));
            let Poll::Ready(Err(error)) = get.as_mut().poll(&mut context) else { panic!("an error at once") };
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidConfig, false), "{error}");
            assert!(error.to_string().contains("tokio runtime"), "{error}");
            let names = [key("k")];
            let mut many = pin!(store.delete_many(&names, DeleteOptions::new()));
            let Poll::Ready(results) = many.as_mut().poll(&mut context) else { panic!("errors at once") };
            assert!(results.into_iter().all(|result| result.is_err()));
        }
        let mut context = Context::from_waker(Waker::noop());
        let mut connect = pin!(RedisStore::connect(&config));
        let Poll::Ready(Err(error)) = connect.as_mut().poll(&mut context) else { panic!("an error at once") };
        assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidConfig, Some("connect")));
    });
    tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
}

/// The runtime that makes the connection ends while another one waits for it.
async fn runtime_ends(url: String) {
    let proxy = Proxy::start(&url).await;
    let space = Namespace::new(&url).await;
    let config = RedisConfig::from_url(&proxy.url(&url)).unwrap().with_timeout(PATIENCE);
    let store = RedisStore::lazy(&config.with_namespace(space.prefix.trim_end_matches(':'))).unwrap();
    proxy.watch.mute.store(true, Ordering::SeqCst);
    let short = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let first = store.clone();
    short.spawn(async move { first.get(&key("k"), GetOptions::new()).await.map(|_| ()) });
    eventually("the first attempt", || async { connections(&proxy) == 1 }).await;
    let second = store.clone();
    let waiting = tokio::spawn(async move { second.get(&key("k"), GetOptions::new()).await.map(|_| ()) });
    short.shutdown_background();
    proxy.watch.mute.store(false, Ordering::SeqCst);
    waiting.await.unwrap().unwrap();
}

async fn parts(url: String) {
    let proxy = Proxy::start(&url).await;
    let (space, store) = store(&url, &proxy, PATIENCE).await;
    let large = Value::from(vec![b'x'; 1 << 20]);
    let keys: Vec<Key> = (0..40).map(|n| key(&format!("k{n}"))).collect();
    proxy.watch.lose_answer.store(true, Ordering::SeqCst);
    let items = keys.iter().map(|key| PutItem::new(key.clone(), large.clone(), PutOptions::new(LONG)));
    let results = store.put_many(items.collect()).await;
    let mut unknown = 0;
    for (key, result) in keys.iter().zip(results) {
        let error = result.unwrap_err();
        if error.kind() == ErrorKind::OutcomeUnknown {
            unknown += 1;
            continue;
        }
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error}");
        assert!(space.store.get(key, GetOptions::nothing()).await.unwrap().is_none(), "{key} was not sent");
    }
    assert!((1..=8).contains(&unknown), "{unknown} of 40 are unknown, and 8 MiB were under way");
    let _ = space.store.delete_many(&keys, DeleteOptions::new()).await;
}

/// The time limit applies to each part, so a whole batch may take longer.
async fn slow_batch(url: String) {
    let proxy = Proxy::start(&url).await;
    let (space, store) = store(&url, &proxy, Duration::from_secs(2)).await;
    let keys: Vec<Key> = (0..256).map(|n| key(&format!("k{n}"))).collect();
    let value = Value::from(vec![b'x'; 64_000]);
    let items = keys.iter().map(|key| PutItem::new(key.clone(), value.clone(), PutOptions::new(LONG)));
    for result in space.store.put_many(items.collect()).await {
        assert!(result.unwrap().is_applied());
    }
    // More than 256 pieces of at most 64 KiB.
    proxy.watch.slow.store(15, Ordering::SeqCst);
    for result in store.get_many(&keys, GetOptions::new()).await {
        assert_eq!(result.unwrap().unwrap().value.unwrap().size_bytes(), 64_000);
    }
    proxy.watch.slow.store(0, Ordering::SeqCst);
    let _ = space.store.delete_many(&keys, DeleteOptions::new()).await;
}

async fn refresh() {
    let server = OwnServer::start::<&str>([]);
    let config = RedisConfig::from_url(&server.url()).unwrap().with_timeout(Duration::from_millis(300));
    let store = RedisStore::connect(&config).await.unwrap();
    applied(store.put(&key("k"), blob("v"), PutOptions::new(ttl_core::Ttl::minutes(1))).await);
    server.signal("STOP");
    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(LONG));
    let error = store.get(&key("k"), refresh).await.unwrap_err();
    server.signal("CONT");
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Timeout, true));
    assert!(error.to_string().contains("the refresh may still be applied"), "{error}");
    eventually("an answer", || async { store.get(&key("k"), GetOptions::new()).await.is_ok() }).await;
    let life = GetOptions::nothing().with_returning(Returning::DEADLINE);
    assert!(store.get(&key("k"), life).await.unwrap().unwrap().deadline.is_some());
    assert_eq!(value(&store, &key("k")).await, blob("v"), "the value did not change");
}
