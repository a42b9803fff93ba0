//! Scans in situations that are difficult on Redis: patterns in names, foreign types, growing tables, restarts.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{DeleteOptions, Fields, Projection, PutItem, PutOptions, Returning, ScanOptions};
use ttl_core::{ErrorKind, Key, Record, TtlStore};
use ttl_redis::{RedisConfig, RedisStore};

use crate::server::{OwnServer, with_own_servers};
use crate::support::{LONG, Namespace, PATIENCE, applied, blob, key, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("scans::patterns_are_literal_in_namespaces_and_prefixes", server, patterns),
        with_server("scans::what_is_not_ours_is_shown_as_such", server, foreign),
        with_server("scans::a_cursor_holds_few_keys", server, short_cursors),
        with_server("scans::pages_are_exact_while_the_table_grows_and_shrinks", server, growing),
        with_own_servers("scans::a_cursor_does_not_survive_a_restart", restart),
        with_own_servers("scans::nor_one_that_the_handle_has_not_noticed", restart_unnoticed),
        with_own_servers("scans::pages_are_filled_although_ghosts_lie_between", ghosts),
    ]
}

async fn all(store: &RedisStore, options: ScanOptions) -> Vec<String> {
    let limit = options.limit.get();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.scan(options.clone().with_cursor(cursor)).await.unwrap();
        let names: HashSet<_> = page.keys().map(|key| key.as_str().to_owned()).collect();
        assert_eq!(names.len(), page.items.len(), "a key stands twice on a page");
        assert!(page.items.len() == limit || page.next.is_none(), "only the last page is short");
        seen.extend(names);
        cursor = page.next;
        if cursor.is_none() {
            return seen;
        }
    }
}

async fn put(store: &RedisStore, name: &str) {
    applied(store.put(&key(name), blob("v"), PutOptions::new(LONG)).await);
}

async fn patterns(url: String) {
    let space = Namespace::new(&url).await;
    let prefixes = ["*", "?", "[a-z]", "[^a]", "\\", "a\\*", "{a}", "a", "]", "-", "\0", "é"];
    for name in ["a*b", "a[x]b", "a?b", "a\\b", "axb"] {
        let namespace = space.prefix.trim_end_matches(':').to_owned() + name;
        let config = space.config.clone().with_namespace(namespace);
        let store = RedisStore::connect(&config).await.unwrap();
        for prefix in prefixes {
            put(&store, &format!("{prefix}1")).await;
            put(&store, &format!("{prefix}2")).await;
        }
        assert_eq!(all(&store, ScanOptions::new("")).await.len(), 2 * prefixes.len(), "{name}");
        for prefix in prefixes {
            let mut seen = all(&store, ScanOptions::new(prefix)).await;
            seen.sort();
            let mut expected: Vec<String> = prefixes
                .iter()
                .flat_map(|other| [format!("{other}1"), format!("{other}2")])
                .filter(|name| name.starts_with(prefix))
                .collect();
            expected.sort();
            assert_eq!(seen, expected, "{name}, {prefix:?}");
        }
        for prefix in prefixes {
            let keys = ["1", "2"].map(|n| key(&format!("{prefix}{n}")));
            let gone = store.delete_many(&keys, DeleteOptions::new()).await;
            assert!(gone.into_iter().all(|gone| gone.unwrap().is_applied()));
        }
    }
}

async fn foreign(url: String) {
    let space = Namespace::new(&url).await;
    let mut raw = space.raw.clone();
    put(&space.store, "ours").await;
    let record = Record::new().with("n", 1);
    applied(space.store.put(&key("record"), record.into(), PutOptions::new(LONG)).await);
    redis::pipe()
        .rpush(space.full("list"), 1)
        .sadd(space.full("set"), 1)
        .hset(space.full("hash"), "f", "1")
        .set(&space.prefix, "an empty key")
        .set([space.prefix.as_bytes(), b"\xff"].concat(), "a key that is no text")
        .exec_async(&mut raw)
        .await
        .unwrap();
    let damage = ["hash", "list", "set"];
    for projection in [Projection::Nothing, Projection::All, Projection::Fields(Fields::new(["n"]).unwrap())]
    {
        for returning in [Returning::empty(), Returning::DEADLINE, Returning::DEADLINE | Returning::VERSION] {
            let options = ScanOptions::new("").with_projection(projection.clone()).with_returning(returning);
            let page = space.store.scan(options).await.unwrap();
            let (mut read, mut unread) = (Vec::new(), Vec::new());
            for item in page.items {
                let entry = match item.entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", item.key.as_str());
                        unread.push(item.key.into_string());
                        continue;
                    }
                };
                assert_eq!(entry.deadline.is_some(), returning.contains(Returning::DEADLINE));
                assert_eq!(entry.version.is_some(), returning.contains(Returning::VERSION));
                let expected = match projection {
                    Projection::Nothing => false,
                    Projection::All => true,
                    Projection::Fields(_) => item.key.as_str() == "record",
                };
                assert_eq!(entry.value.is_some(), expected, "{}", item.key.as_str());
                read.push(item.key.into_string());
            }
            read.sort();
            unread.sort();
            assert_eq!(
                (read, unread),
                (vec!["ours".into(), "record".into()], damage.map(str::to_owned).to_vec())
            );
        }
    }
    redis::cmd("HSET").arg(space.full("record")).arg("n").arg("{").exec_async(&mut raw).await.unwrap();
    let page = space.store.scan(ScanOptions::new("").with_projection(Projection::All)).await.unwrap();
    let damaged = page.items.iter().find(|item| item.key.as_str() == "record").unwrap();
    assert_eq!(damaged.entry.as_ref().unwrap_err().kind(), ErrorKind::Corrupt);
    // Whoever is shown what cannot be read can delete it.
    for item in page.items.iter().filter(|item| item.entry.is_err()) {
        assert!(space.store.delete(&item.key, DeleteOptions::new()).await.unwrap().is_applied());
    }
    assert_eq!(all(&space.store, ScanOptions::new("")).await, ["ours"]);
}

/// Keys that SCAN returns beyond the page go into the cursor.
async fn short_cursors(url: String) {
    let space = Namespace::new(&url).await;
    let items = (0..5000).map(|n| PutItem::new(key(&format!("session:{n:016}")), "v", PutOptions::new(LONG)));
    space.store.put_many(items.collect()).await;
    let options = ScanOptions::new("session:").with_limit(NonZeroUsize::new(1000).unwrap());
    let mut cursor = None;
    loop {
        let page = space.store.scan(options.clone().with_cursor(cursor)).await.unwrap();
        cursor = page.next;
        let Some(cursor) = &cursor else { break };
        // SCAN looks at 16 keys at least, and hands out what else lies in the last bucket.
        assert!(cursor.as_str().len() < 2_000, "{} bytes", cursor.as_str().len());
    }
    let keys: Vec<Key> = (0..5000).map(|n| key(&format!("session:{n:016}"))).collect();
    space.store.delete_many(&keys, DeleteOptions::new()).await;
}

async fn growing(url: String) {
    let space = Namespace::new(&url).await;
    let name = |n: usize| format!("stays-{n}");
    let items = (0..300).map(|n| PutItem::new(key(&name(n)), "v", PutOptions::new(LONG)));
    space.store.put_many(items.collect()).await;
    for limit in [1, 7, 300, 301] {
        let options = ScanOptions::new("stays-").with_limit(NonZeroUsize::new(limit).unwrap());
        let (mut seen, mut cursor, mut round) = (HashSet::new(), None, 0);
        loop {
            let page = space.store.scan(options.clone().with_cursor(cursor)).await.unwrap();
            assert!(page.items.len() == limit || page.next.is_none());
            seen.extend(page.items.into_iter().map(|item| item.key.into_string()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            // Others come and go in the meantime.
            round += 1;
            if round % 20 == 0 {
                let others = (0..500).map(|n| key(&format!("other-{round}-{n}")));
                let items = others.clone().map(|key| PutItem::new(key, "v", PutOptions::new(LONG)));
                space.store.put_many(items.collect()).await;
                if round % 40 == 0 {
                    space.store.delete_many(&others.collect::<Vec<_>>(), DeleteOptions::new()).await;
                }
            }
        }
        let missing: Vec<_> = (0..300).map(name).filter(|name| !seen.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert_eq!(seen.len(), 300);
    }
}

/// The first call of a handle after a restart continues a scan.
async fn restart_unnoticed() {
    let mut server = OwnServer::start::<&str>([]);
    let config = RedisConfig::from_url(&server.url()).unwrap().with_timeout(PATIENCE);
    let own = RedisStore::connect(&config).await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let manager = redis::aio::ConnectionManager::new(client).await.unwrap();
    let managed = RedisStore::from_manager(manager, &config).await.unwrap();
    for n in 0..20 {
        put(&own, &format!("k{n}")).await;
    }
    let few = ScanOptions::new("").with_limit(NonZeroUsize::new(3).unwrap());
    let cursor = own.scan(few.clone()).await.unwrap().next;
    assert!(cursor.is_some());
    server.kill();
    server.start_again();
    for store in [own, managed] {
        let resumed = few.clone().with_cursor(cursor.clone());
        let mut last = None;
        for _ in 0..1000 {
            last = Some(store.scan(resumed.clone()).await.map(|_| ()).map_err(|error| error.kind()));
            if last != Some(Err(ErrorKind::Unavailable)) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(last, Some(Err(ErrorKind::InvalidCursor)), "{store:?}");
    }
}

async fn restart() {
    let mut server = OwnServer::start::<&str>([]);
    let config = RedisConfig::from_url(&server.url()).unwrap().with_timeout(PATIENCE);
    let store = RedisStore::connect(&config).await.unwrap();
    for n in 0..20 {
        put(&store, &format!("k{n}")).await;
    }
    let few = ScanOptions::new("").with_limit(NonZeroUsize::new(3).unwrap());
    let cursor = store.scan(few.clone()).await.unwrap().next;
    assert!(cursor.is_some());
    // Another handle on the same server takes it.
    let other = RedisStore::connect(&config).await.unwrap();
    assert_eq!(other.scan(few.clone().with_cursor(cursor.clone())).await.unwrap().items.len(), 3);
    server.kill();
    server.start_again();
    crate::support::eventually("another connection", || async {
        store.get(&key("k"), ttl_core::options::GetOptions::new()).await.is_ok()
    })
    .await;
    let error = store.scan(few.with_cursor(cursor)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCursor);
}

async fn ghosts() {
    let server = OwnServer::start::<&str>([]);
    let config = RedisConfig::from_url(&server.url()).unwrap().with_timeout(PATIENCE);
    let store = RedisStore::connect(&config).await.unwrap();
    let mut raw = crate::support::raw(&server.url()).await;
    redis::cmd("DEBUG").arg("SET-ACTIVE-EXPIRE").arg(0).exec_async(&mut raw).await.unwrap();
    let short = PutOptions::new(ttl_core::Ttl::millis(1));
    let dead = (0..3000).map(|n| PutItem::new(key(&format!("dead-{n}")), "v", short.clone()));
    store.put_many(dead.collect()).await;
    let live = (0..25).map(|n| PutItem::new(key(&format!("live-{n}")), "v", PutOptions::new(LONG)));
    store.put_many(live.collect()).await;
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    let size: u64 = redis::cmd("DBSIZE").query_async(&mut raw).await.unwrap();
    assert_eq!(size, 3025, "the dead still lie there");
    let seen = all(&store, ScanOptions::new("").with_limit(NonZeroUsize::new(10).unwrap())).await;
    assert_eq!(seen.len(), 25);
    assert!(seen.iter().all(|name| name.starts_with("live-")));
}
