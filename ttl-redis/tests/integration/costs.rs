//! The costs of operations for the server and the network: the commands that they run, and the bytes of the answers. Their time
//! on the server is a benchmark.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use libtest_mimic::Trial;
use redis::aio::MultiplexedConnection;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{Condition, ExistingDeadline, PutOptions, Refresh};
use ttl_core::{TtlStore, Value};
use ttl_redis::{RedisConfig, RedisStore};

use crate::peer::{Operation, Pair};
use crate::proxy::Proxy;
use crate::server::{OwnServer, with_own_servers};
use crate::support::{LONG, Namespace, PATIENCE, applied, key, raw, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_own_servers("costs::each_operation_runs_the_fewest_commands", commands),
        with_server("costs::long_old_values_do_not_come_back", server, bytes),
    ]
}

/// The statistics of each command: calls and microseconds.
async fn statistics(raw: &mut MultiplexedConnection) -> BTreeMap<String, (u64, u64)> {
    let text: String = redis::cmd("INFO").arg("commandstats").query_async(raw).await.unwrap();
    let number = |fields: &str, name: &str| {
        let field = fields.split(',').find_map(|field| field.strip_prefix(name)).unwrap();
        field.parse().unwrap()
    };
    let lines = text.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(':'));
    lines
        .map(|(name, fields)| (name.to_owned(), (number(fields, "calls="), number(fields, "usec="))))
        .collect()
}

async fn commands() {
    const TIMES: u64 = 10;
    let server = OwnServer::start::<&str>([]);
    let pair = Pair::new(&server.url()).await;
    let mut raw = raw(&server.url()).await;
    for (operation, expected) in [
        (Operation::Get, &["get"][..]),
        (Operation::Refresh, &["evalsha", "get", "pexpire"]),
        (Operation::Put, &["set"]),
        (Operation::RefreshingPut, &["evalsha", "pttl", "set", "strlen"]),
        (Operation::Increment, &["evalsha", "hmget", "hset"]),
    ] {
        redis::cmd("CONFIG").arg("RESETSTAT").exec_async(&mut raw).await.unwrap();
        for _ in 0..TIMES {
            pair.ours(operation).await;
        }
        let mut ran = statistics(&mut raw).await;
        ran.retain(|name, _| !name.starts_with("config"));
        assert!(ran.values().all(|(calls, _)| *calls == TIMES), "{}: {ran:?}", operation.name());
        assert!(ran.keys().eq(expected), "{}: {ran:?}", operation.name());
    }
}

/// A put reports whether it created the entry. After the first long value that came back for that, none does.
async fn bytes(url: String) {
    const LENGTH: usize = 100_000;
    let space = Namespace::new(&url).await;
    let proxy = Proxy::start(&url).await;
    let config = RedisConfig::from_url(&proxy.url(&url)).unwrap().with_timeout(PATIENCE);
    let store =
        RedisStore::connect(&config.with_namespace(space.prefix.trim_end_matches(':'))).await.unwrap();
    let put = async |length: usize, options: PutOptions| {
        let before = proxy.watch.said.load(Ordering::SeqCst);
        let result = applied(store.put(&key("k"), Value::from(vec![7; length]), options).await);
        (result.created, proxy.watch.said.load(Ordering::SeqCst) - before)
    };
    let replace = || PutOptions::new(LONG);
    let refresh = Refresh::extend_only(LONG);
    let refreshing = || replace().with_existing_deadline(ExistingDeadline::Refresh(refresh));
    let keeping = || replace().with_existing_deadline(ExistingDeadline::Keep);

    assert_eq!(put(LENGTH, refreshing()).await, (true, 4));
    for options in [refreshing(), keeping()] {
        for options in [options.clone(), options.with_condition(Condition::IfPresent)] {
            assert_eq!(put(LENGTH, options).await, (false, 4));
        }
    }
    let (created, bytes) = put(LENGTH, replace()).await;
    assert!(!created && bytes > LENGTH as u64, "the store has not met a long value yet: {bytes}");
    for length in [LENGTH, 10, LENGTH] {
        for options in [replace(), replace().with_condition(Condition::IfPresent)] {
            let (created, bytes) = put(length, options).await;
            assert!(!created && bytes < 1000, "{bytes} bytes came back");
        }
    }
    let (_, bytes) = put(10, replace().with_previous()).await;
    assert!(bytes > LENGTH as u64, "the caller asked for it: {bytes}");
}
