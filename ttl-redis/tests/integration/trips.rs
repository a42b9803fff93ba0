//! One round trip for every operation and for every batch, and the exceptions that the crate's documentation lists.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use libtest_mimic::Trial;
use serde_json::json;
use ttl_conformance::servers::{ServerUrl, trial};
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, Fields, GetOptions,
    Guard, PatchOptions, Projection, PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{ErrorKind, Expiry, Key, Kind, Lifespan, Outcome, Patch, Record, Ttl, TtlStore, Value};
use ttl_redis::{RedisConfig, RedisStore};

use crate::proxy::Proxy;
use crate::resp::counts_whatever_the_cuts;
use crate::server::{OwnServer, with_own_servers};
use crate::support::{LONG, Namespace, PATIENCE, applied, blob, key, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        trial("trips::a_trip_is_counted_whatever_the_cuts", counts_whatever_the_cuts()),
        with_server("trips::each_get_is_one", server, gets),
        with_server("trips::a_get_that_names_no_kind_is_one_command", server, unnamed),
        with_server("trips::each_put_is_one", server, puts),
        with_server("trips::each_patch_expire_and_delete_is_one", server, changes),
        with_server("trips::a_batch_is_one", server, batches),
        with_server("trips::first_increments_at_once_are_one_request_each", server, burst),
        with_server("trips::the_exceptions_are_two", server, exceptions),
        with_own_servers("trips::forgotten_scripts_are_sent_again_and_nothing_else", forgotten),
        with_server("trips::bad_input_is_none", server, bad_input),
    ]
}

struct Counted {
    space: Namespace,
    proxy: Proxy,
    store: RedisStore,
}

impl Counted {
    async fn new(url: &str) -> Self {
        Self::with(url, |config| config).await
    }

    async fn with(url: &str, change: impl FnOnce(RedisConfig) -> RedisConfig) -> Self {
        let space = Namespace::new(url).await;
        let proxy = Proxy::start(url).await;
        let config = RedisConfig::from_url(&proxy.url(url)).unwrap().with_timeout(PATIENCE);
        let config = change(config.with_namespace(space.prefix.trim_end_matches(':')));
        let store = RedisStore::connect(&config).await.unwrap();
        proxy.trips();
        Self { space, proxy, store }
    }

    #[track_caller]
    fn expect(&self, trips: u64, what: &str) {
        assert_eq!(self.proxy.trips(), trips, "round trips of {what}");
    }

    /// Holds back all answers until this number of requests has arrived. A client that waits earlier never continues.
    fn hold_until_asked(&self, requests: u64) {
        let watch = &self.proxy.watch;
        watch.hold.store(watch.asked.load(Ordering::SeqCst) + requests, Ordering::SeqCst);
        self.proxy.trips();
    }

    /// A blob, a record, a capped blob, a capped record.
    async fn fill(&self) {
        let capped = Lifespan::from(LONG).with_max_lifetime(Ttl::days(1));
        for (name, value, lifespan) in [
            ("blob", blob("value"), LONG.into()),
            ("record", record(), LONG.into()),
            ("capped-blob", blob("value"), capped),
            ("capped-record", record(), capped),
        ] {
            // By the other handle: what this one has learnt is part of what is counted.
            applied(self.space.store.put(&key(name), value, PutOptions::new(lifespan)).await);
        }
    }
}

fn record() -> Value {
    Record::new().with("n", 1).with("list", json!([1, 2, 3])).into()
}

fn some_fields() -> Projection {
    Projection::Fields(Fields::new(["n", "missing"]).unwrap())
}

async fn gets(url: String) {
    let refreshes = [None, Some(Refresh::extend_only(Ttl::hours(2))), Some(Refresh::reset(LONG))];
    let names = [
        ("blob", Kind::Blob),
        ("record", Kind::Record),
        ("capped-record", Kind::Record),
        ("absent", Kind::Blob),
    ];
    for (name, stored) in names {
        // A store of its own: `exceptions` is about a store that meets both kinds.
        let counted = Counted::new(&url).await;
        counted.fill().await;
        for refresh in refreshes {
            for kind in [None, Some(stored)] {
                for returning in [
                    Returning::empty(),
                    Returning::DEADLINE,
                    Returning::VERSION,
                    Returning::DEADLINE | Returning::VERSION,
                ] {
                    for projection in [Projection::All, Projection::Nothing, some_fields()] {
                        if matches!(projection, Projection::Fields(_))
                            && stored == Kind::Blob
                            && name != "absent"
                        {
                            continue;
                        }
                        let mut get = GetOptions::new()
                            .with_projection(projection)
                            .with_returning(returning)
                            .with_refresh(refresh);
                        get.kind = kind;
                        let about = format!("a get of {name}: {get:?}");
                        let entry = counted.store.get(&key(name), get).await.unwrap();
                        assert_eq!(entry.is_none(), name == "absent", "{about}");
                        counted.expect(1, &about);
                    }
                }
            }
        }
    }
}

/// A get that names no kind is one command in a store that has met strings or hashes only, and two in a
/// store that has met both.
async fn unnamed(url: String) {
    for [usual, other] in [["blob", "record"], ["record", "blob"], ["capped-blob", "blob"]] {
        let counted = Counted::new(&url).await;
        counted.fill().await;
        let get = async |name: &str| {
            let asked = counted.proxy.watch.asked.load(Ordering::SeqCst);
            let entry = counted.store.get(&key(name), GetOptions::new()).await.unwrap();
            assert_eq!(entry.is_none(), name == "absent");
            (counted.proxy.watch.asked.load(Ordering::SeqCst) - asked, counted.proxy.trips())
        };
        assert_eq!(get("absent").await, (2, 1), "nothing met yet");
        assert_eq!(get(usual).await, (2, 1), "the first {usual}");
        for name in [usual, "absent"] {
            assert_eq!(get(name).await, (1, 1), "{name} after a {usual}");
        }
        // Neither is an entry that a get has met.
        let page = counted.store.scan(ScanOptions::new("").with_projection(Projection::All)).await.unwrap();
        assert_eq!(page.items.len(), 4);
        let mut raw = counted.space.raw.clone();
        let list = counted.space.full("list");
        redis::cmd("RPUSH").arg(&list).arg("element").exec_async(&mut raw).await.unwrap();
        let foreign = counted.store.get(&key("list"), GetOptions::new()).await.unwrap_err();
        assert_eq!(foreign.kind(), ErrorKind::Corrupt);
        counted.proxy.trips();
        assert_eq!(get(usual).await, (1, 1), "{usual} after a scan and foreign content");
        assert_eq!(get(other).await, (3, 2), "the first {other} after a {usual}");
        for name in [usual, other, "absent"] {
            assert_eq!(get(name).await, (2, 1), "{name} after a {usual} and a {other}");
        }
    }
}

async fn puts(url: String) {
    let counted = Counted::new(&url).await;
    let past = Expiry::At(std::time::UNIX_EPOCH);
    let version = ttl_core::Version::random();
    let conditions =
        [Condition::Always, Condition::IfAbsent, Condition::IfPresent, Condition::IfVersion(version)];
    let expiries =
        [Expiry::Never, LONG.into(), Expiry::At(std::time::SystemTime::now() + LONG.as_duration()), past];
    for stored in [None, Some(Kind::Blob), Some(Kind::Record)] {
        for condition in conditions {
            for expiry in expiries {
                for cap in [Expiry::Never, Expiry::After(Ttl::days(1))] {
                    for existing_deadline in [
                        ExistingDeadline::Replace,
                        ExistingDeadline::Keep,
                        ExistingDeadline::Refresh(Refresh::extend_only(LONG)),
                    ] {
                        for (returning, previous) in [
                            (Returning::empty(), false),
                            (Returning::DEADLINE | Returning::VERSION, false),
                            (Returning::empty(), true),
                            (Returning::DEADLINE | Returning::VERSION, true),
                        ] {
                            counted.fill().await;
                            let (name, value) = match stored {
                                None => ("new", blob("value")),
                                Some(Kind::Blob) => ("blob", blob("other")),
                                Some(Kind::Record) => ("record", record()),
                            };
                            let _ =
                                counted.space.store.delete(&key("new"), DeleteOptions::new()).await.unwrap();
                            let mut lifespan = Lifespan::new(expiry);
                            lifespan.cap = cap;
                            let mut put = PutOptions::new(lifespan)
                                .with_condition(condition)
                                .with_existing_deadline(existing_deadline)
                                .with_returning(returning);
                            put.previous = previous;
                            let about = format!("a put over {name}: {put:?}");
                            let _ = counted.store.put(&key(name), value, put).await.unwrap();
                            counted.expect(1, &about);
                            let _ =
                                counted.space.store.delete(&key(name), DeleteOptions::new()).await.unwrap();
                        }
                    }
                }
            }
        }
    }
}

async fn changes(url: String) {
    let counted = Counted::new(&url).await;
    let names = ["blob", "record", "capped-blob", "capped-record", "absent"];
    counted.fill().await;
    for name in names {
        for change in [
            ExpiryChange::Set(Expiry::Never),
            ExpiryChange::Set(Ttl::minutes(5).into()),
            ExpiryChange::Extend(LONG),
        ] {
            for guard in
                [Guard::Always, Guard::IfLater, Guard::IfSooner, Guard::IfExpiring, Guard::IfPersistent]
            {
                let expire = ExpireOptions::new().with_guard(guard);
                let _ = counted.store.expire(&key(name), change, expire).await.unwrap();
                counted.expect(1, &format!("an expire of {name}: {change:?} {guard:?}"));
            }
        }
    }
    let whole = Patch::new()
        .set("s", 1)
        .append("list", 1)
        .prepend("list", 1)
        .pop_front("list")
        .pop_back("list")
        .remove_value("list", 1)
        .increment("n", 1)
        .increment("n", 0.5)
        .clear("list")
        .unset("s");
    for name in ["record", "capped-record", "absent"] {
        for create in [None, Some(Create::new(LONG).with_initial(Record::new().with("n", 1)))] {
            for patch in [Patch::new(), Patch::new().increment("n", 1), whole.clone()] {
                let mut options = PatchOptions::new()
                    .with_refresh(Refresh::reset(LONG))
                    .with_returning(Returning::DEADLINE | Returning::VERSION);
                options.create.clone_from(&create);
                let _ = counted.store.patch(&key(name), &patch, options).await.unwrap();
                counted.expect(1, &format!("a patch of {name}: {patch:?}"));
            }
        }
    }
    for (most, refused) in [(i64::from(u32::MAX), false), (0, true)] {
        for name in ["record", "capped-record"] {
            let patch = Patch::new().append("list", 1).increment_within("n", 1, ..=most);
            let options = PatchOptions::new()
                .with_refresh(Refresh::reset(LONG))
                .with_returning(Returning::DEADLINE | Returning::VERSION);
            let outcome = counted.store.patch(&key(name), &patch, options).await.unwrap();
            counted.expect(1, &format!("an increment of {name} with bounds"));
            assert_eq!(outcome.is_refused(), refused);
            let there = outcome.refused();
            assert_eq!(
                there.is_some_and(|there| there.deadline.is_some() && there.fields.contains("n")),
                refused
            );
        }
    }
    for name in names {
        for projection in [Projection::Nothing, Projection::All] {
            counted.fill().await;
            let delete = DeleteOptions::new().with_projection(projection.clone());
            let _ = counted.store.delete(&key(name), delete).await.unwrap();
            counted.expect(1, &format!("a delete of {name}: {projection:?}"));
        }
    }
}

async fn batches(url: String) {
    let counted = Counted::new(&url).await;
    let keys: Vec<Key> = (0..150).map(|n| key(&format!("k{}", n % 140))).collect();
    let items = keys.iter().enumerate().map(|(n, key)| {
        let value = if n % 2 == 0 { blob("value") } else { record() };
        PutItem::new(key.clone(), value, PutOptions::new(LONG))
    });
    counted.hold_until_asked(150);
    let results = counted.store.put_many(items.collect()).await;
    assert!(results.into_iter().all(|result| result.unwrap().is_applied()));

    for options in [GetOptions::new(), GetOptions::new().with_refresh(Refresh::reset(LONG))] {
        counted.hold_until_asked(150);
        let results = counted.store.get_many(&keys, options).await;
        assert!(results.into_iter().all(|result| result.unwrap().is_some()));
    }
    for (options, applied) in [(DeleteOptions::take(), 140), (DeleteOptions::new(), 0)] {
        counted.hold_until_asked(150);
        let results = counted.store.delete_many(&keys, options).await;
        let seen = results.into_iter().filter(|result| result.as_ref().unwrap().is_applied()).count();
        assert_eq!(seen, applied);
    }
    counted.hold_until_asked(0);
    assert!(counted.store.get_many(&[], GetOptions::new()).await.is_empty());
    assert!(counted.store.put_many(Vec::new()).await.is_empty());
    counted.expect(0, "empty batches");
}

async fn exceptions(url: String) {
    let counted = Counted::new(&url).await;
    counted.fill().await;
    let blob_get = || GetOptions::new().with_kind(Kind::Blob);
    assert!(counted.store.get(&key("capped-blob"), blob_get()).await.unwrap().is_some());
    counted.expect(2, "the first capped blob met by a plain GET");
    assert!(counted.store.get(&key("capped-blob"), blob_get()).await.unwrap().is_some());
    counted.expect(1, "the next one");

    applied(counted.store.put(&key("capped-blob"), blob("new"), PutOptions::new(LONG)).await);
    counted.expect(2, "a plain put over a hash");

    let wrong = counted.store.get(&key("blob"), GetOptions::new().with_kind(Kind::Record)).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::WrongKind);
    counted.expect(2, "a get of the wrong kind");

    let long: Vec<String> = (0..10_000).map(|n| format!("element {n}")).collect();
    let put = PutOptions::new(LONG);
    applied(counted.store.put(&key("long"), Record::new().with("list", long).into(), put).await);
    counted.expect(1, "a put of a long list");
    let patch = Patch::new().remove_value("list", "element 5");
    assert!(counted.store.patch(&key("long"), &patch, PatchOptions::new()).await.unwrap().is_applied());
    counted.expect(3, "a remove_value from a long list");

    let page = counted.store.scan(ScanOptions::new("")).await.unwrap();
    assert!(page.items.len() >= 4);
    assert!(counted.proxy.trips() >= 2, "a scan looks for keys, and at them");
}

async fn burst(url: String) {
    const AT_ONCE: u64 = 100;
    let counted = Counted::new(&url).await;
    let increment = async |name: &str, patch: Patch| {
        let create = PatchOptions::new().with_create(Create::new(LONG));
        counted.store.patch(&key(name), &patch, create).await.unwrap()
    };
    // The script is known to the server then.
    assert!(increment("warm", Patch::new().increment("n", 1)).await.is_applied());
    let asked = &counted.proxy.watch.asked;
    let before = asked.load(Ordering::SeqCst);
    let first = (0..AT_ONCE).map(|_| increment("window", Patch::new().increment("n", 1)));
    assert!(join_all(first).await.iter().all(Outcome::is_applied));
    assert_eq!(asked.load(Ordering::SeqCst) - before, AT_ONCE, "requests of {AT_ONCE} first increments");
    let before = asked.load(Ordering::SeqCst);
    let within = (0..AT_ONCE).map(|_| increment("throttle", Patch::new().increment_within("n", 1, ..=5)));
    let applied = join_all(within).await.iter().filter(|outcome| outcome.is_applied()).count();
    assert_eq!((applied, asked.load(Ordering::SeqCst) - before), (5, AT_ONCE), "a throttle of five");
}

async fn forgotten() {
    let server = OwnServer::start::<&str>([]);
    let counted = Counted::new(&server.url()).await;
    let forget = || async {
        redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut counted.space.raw.clone()).await.unwrap();
    };
    applied(
        counted.space.store.put(&key("n"), Record::new().with("n", 0).into(), PutOptions::new(LONG)).await,
    );
    let increment = Patch::new().increment("n", 1);
    for n in 1..=50 {
        forget().await;
        let outcome = counted.store.patch(&key("n"), &increment, PatchOptions::new()).await.unwrap();
        assert_eq!(
            outcome.applied().unwrap().fields.get("n"),
            Some(&json!(n)),
            "applied once, refused or not"
        );
        counted.expect(2, "a patch by a script that was forgotten");
    }

    // In a batch only the refused ones are sent again, and what stands twice keeps its order.
    for _ in 0..20 {
        forget().await;
        let record = |n: i64| Value::from(Record::new().with("n", n));
        let items = vec![
            PutItem::new(key("a"), record(1), PutOptions::new(LONG)),
            PutItem::new(key("b"), blob("b"), PutOptions::new(LONG).with_condition(Condition::IfAbsent)),
            PutItem::new(key("c"), blob("1"), PutOptions::new(LONG)),
            PutItem::new(key("c"), record(2), PutOptions::new(LONG)),
            PutItem::new(key("c"), blob("3"), PutOptions::new(LONG)),
            PutItem::new(key("d"), record(1), PutOptions::new(LONG).with_condition(Condition::IfAbsent)),
        ];
        let results = counted.store.put_many(items).await;
        assert!(results.into_iter().all(|result| result.unwrap().is_applied()));
        let keys = ["a", "b", "c", "d"].map(key);
        let read = counted.store.get_many(&keys, GetOptions::new()).await;
        let read: Vec<_> = read.into_iter().map(|entry| entry.unwrap().unwrap().value.unwrap()).collect();
        assert_eq!(read, [record(1), blob("b"), blob("3"), record(1)]);
        let taken = counted.store.delete_many(&keys, DeleteOptions::take()).await;
        assert!(taken.into_iter().all(|taken| taken.unwrap().is_applied()));
    }
}

async fn bad_input(url: String) {
    let counted = Counted::with(&url, |config| config.with_max_value_bytes(10)).await;
    let put = PutOptions::new(LONG);
    let large = counted.store.put(&key("k"), vec![0; 11].into(), put.clone()).await.unwrap_err();
    assert_eq!(large.kind(), ErrorKind::TooLarge);
    let reserved = Patch::new().set("ttl:version", 1);
    let error = counted.store.patch(&key("k"), &reserved, PatchOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidField);
    let cursor: ttl_core::Cursor = "bad".parse().unwrap();
    let error = counted.store.scan(ScanOptions::new("").with_cursor(cursor)).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidCursor, Some("scan")));
    counted.expect(0, "bad input");
    assert!(counted.store.get(&key("k"), GetOptions::new()).await.unwrap().is_none());
}
