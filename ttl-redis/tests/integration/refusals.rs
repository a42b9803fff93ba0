//! Servers that refuse requests: a read succeeds although its refresh is refused, and writes change nothing.

use libtest_mimic::Trial;
use ttl_core::options::{
    Condition, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, Fields, GetOptions,
    PatchOptions, Projection, PutOptions, Refresh, Returning,
};
use ttl_core::{ErrorKind, Patch, Record, Ttl, TtlStore, Value};
use ttl_redis::{RedisConfig, RedisStore};

use crate::server::{OwnServer, with_own_servers};
use crate::support::{LONG, PATIENCE, applied, blob, key, raw, value};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        with_own_servers("refusals::a_read_only_server_still_reads", || {
            refused(&["REPLICAOF", "127.0.0.1", "1"])
        }),
        with_own_servers("refusals::a_server_without_replicas_still_reads", || {
            refused(&["CONFIG", "SET", "min-replicas-to-write", "1"])
        }),
        with_own_servers("refusals::a_full_server_refuses_writes_and_refreshes", full),
        with_own_servers("refusals::wrong_credentials_are_denied", credentials),
        with_own_servers("refusals::what_a_user_may_not_do_is_denied_and_not_done", grants),
        with_own_servers("refusals::what_is_denied_half_way_is_not_begun", halves),
        with_own_servers("refusals::a_refresh_within_the_slack_is_not_made_without_pttl", slack),
        with_own_servers("refusals::a_user_without_scripts_puts_long_values", scriptless),
        with_own_servers("refusals::a_database_that_is_not_there_is_a_bad_configuration", databases),
    ]
}

async fn run(raw: &mut redis::aio::MultiplexedConnection, command: &[&str]) {
    let mut cmd = redis::Cmd::new();
    command.iter().for_each(|argument| {
        cmd.arg(argument);
    });
    cmd.exec_async(raw).await.unwrap();
}

fn config(server: &OwnServer) -> RedisConfig {
    RedisConfig::from_url(&server.url()).unwrap().with_timeout(PATIENCE)
}

async fn fill(store: &RedisStore) {
    applied(store.put(&key("blob"), blob("v"), PutOptions::new(LONG)).await);
    applied(store.put(&key("record"), Record::new().with("n", 1).into(), PutOptions::new(LONG)).await);
}

/// R9: a read succeeds and reports that its refresh failed; every write is `Unavailable`.
async fn refused(command: &'static [&'static str]) {
    let server = OwnServer::start::<&str>([]);
    let store = RedisStore::connect(&config(&server)).await.unwrap();
    let mut raw = raw(&server.url()).await;
    fill(&store).await;
    let wanted = GetOptions::nothing().with_returning(Returning::DEADLINE | Returning::VERSION);
    let before = store.get(&key("record"), wanted.clone()).await.unwrap().unwrap();
    run(&mut raw, command).await;

    let refresh = Refresh::extend_only(Ttl::days(1));
    let reads = [
        ("blob", Projection::All),
        ("record", Projection::All),
        ("record", Projection::Nothing),
        ("record", Projection::Fields(Fields::new(["n"]).unwrap())),
    ];
    for (name, projection) in reads {
        let get = GetOptions::new()
            .with_projection(projection.clone())
            .with_refresh(refresh)
            .with_returning(Returning::DEADLINE);
        for entry in [
            store.get(&key(name), get.clone()).await.unwrap().unwrap(),
            store.get_many(&[key(name)], get).await.remove(0).unwrap().unwrap(),
        ] {
            let error = entry.refresh_error.expect("the refresh's error");
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error}");
            assert_eq!(entry.value.is_some(), projection != Projection::Nothing);
            assert!(entry.deadline.is_some());
        }
    }
    // A refresh that is not due does not fail.
    let not_due = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::minutes(1)));
    assert!(store.get(&key("blob"), not_due).await.unwrap().unwrap().refresh_error.is_none());

    let put = PutOptions::new(LONG);
    let errors = [
        store.put(&key("blob"), blob("w"), put.clone()).await.map(|_| ()),
        store.put(&key("record"), Record::new().into(), put.clone()).await.map(|_| ()),
        store.put(&key("new"), blob("w"), put).await.map(|_| ()),
        store.patch(&key("record"), &Patch::new().set("n", 2), PatchOptions::new()).await.map(|_| ()),
        store.delete(&key("blob"), DeleteOptions::new()).await.map(|_| ()),
        store.delete(&key("record"), DeleteOptions::take()).await.map(|_| ()),
        store.expire(&key("blob"), ExpiryChange::Extend(LONG), ExpireOptions::new()).await.map(|_| ()),
    ];
    for (at, error) in errors.into_iter().enumerate() {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable, "write {at}");
    }
    let after = store.get(&key("record"), wanted).await.unwrap().unwrap();
    assert_eq!((after.deadline, after.version), (before.deadline, before.version));
    assert_eq!(value(&store, &key("blob")).await, blob("v"));
    assert_eq!(value(&store, &key("record")).await, Record::new().with("n", 1).into());
    assert!(store.get(&key("new"), GetOptions::new()).await.unwrap().is_none());
}

async fn full() {
    let server = OwnServer::start::<&str>([]);
    let store = RedisStore::connect(&config(&server)).await.unwrap();
    let mut raw = raw(&server.url()).await;
    fill(&store).await;
    run(&mut raw, &["CONFIG", "SET", "maxmemory", "1"]).await;
    // Moving an expiry takes no memory, so Redis allows it.
    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::days(1)));
    for name in ["blob", "record"] {
        let entry = store.get(&key(name), refresh.clone()).await.unwrap().unwrap();
        assert!(entry.refresh_error.is_none() && entry.value.is_some());
    }
    let put = PutOptions::new(LONG);
    let errors = [
        store.put(&key("blob"), blob("w"), put.clone()).await.map(|_| ()),
        store.put(&key("new"), Record::new().with("n", 1).into(), put).await.map(|_| ()),
        store.patch(&key("record"), &Patch::new().set("n", 2), PatchOptions::new()).await.map(|_| ()),
    ];
    for (at, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_err();
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Unavailable, true),
            "write {at}: {error}"
        );
    }
    assert_eq!(value(&store, &key("blob")).await, blob("v"));
    assert_eq!(value(&store, &key("record")).await, Record::new().with("n", 1).into());
    assert!(store.get(&key("new"), GetOptions::new()).await.unwrap().is_none());
    assert!(store.delete(&key("blob"), DeleteOptions::new()).await.unwrap().is_applied());
}

async fn credentials() {
    let server =
        OwnServer::start(["--requirepass", "r1ght", "--user", "app", "on", ">s3cret", "~*", "+@all"]);
    let wrong = [
        config(&server),
        config(&server).with_password("wr0ng"),
        config(&server).with_credentials("app", "wr0ng"),
        config(&server).with_credentials("nobody", "wr0ng"),
    ];
    for config in wrong {
        for error in [
            RedisStore::connect(&config).await.unwrap_err(),
            RedisStore::lazy(&config).unwrap().get(&key("k"), GetOptions::new()).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::PermissionDenied, false), "{error}");
            assert!(!format!("{error} {error:?}").contains("wr0ng"), "{error:?}");
        }
    }
    let url = server.url().replace("redis://", "redis://app:s3cret@");
    for config in [
        config(&server).with_password("r1ght"),
        config(&server).with_credentials("app", "s3cret"),
        RedisConfig::from_url(&url).unwrap(),
    ] {
        let store = RedisStore::connect(&config).await.unwrap();
        fill(&store).await;
        assert!(!format!("{store:?} {config:?}").contains("s3cret"));
    }
}

/// A separate command sets the deadline of a record. A user who may not run it leaves no record without one (E4).
async fn grants() {
    let server = OwnServer::start([
        "--user",
        "app",
        "on",
        ">p",
        "~ttl:*",
        "+@all",
        "-pexpireat",
        "--user",
        "reader",
        "on",
        ">p",
        "~*",
        "+@read",
    ]);
    let store = RedisStore::connect(&config(&server).with_credentials("app", "p")).await.unwrap();
    let record: Value = Record::new().with("n", 1).into();
    let put = store.put(&key("k"), record.clone(), PutOptions::new(LONG)).await;
    assert_eq!(put.unwrap_err().kind(), ErrorKind::PermissionDenied);
    let create = PatchOptions::new().with_create(ttl_core::options::Create::new(LONG));
    let patch = store.patch(&key("k"), &Patch::new().set("n", 1), create).await;
    assert_eq!(patch.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert!(store.get(&key("k"), GetOptions::new()).await.unwrap().is_none(), "nothing was written");
    applied(store.put(&key("k"), record.clone(), PutOptions::new(ttl_core::Expiry::Never)).await);
    let refresh = PatchOptions::new().with_refresh(Refresh::reset(LONG));
    let patch = store.patch(&key("k"), &Patch::new().set("n", 2), refresh).await;
    assert_eq!(patch.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(value(&store, &key("k")).await, record, "neither field nor deadline");

    let elsewhere = config(&server).with_namespace("other").with_credentials("app", "p");
    let elsewhere = RedisStore::connect(&elsewhere).await.unwrap();
    for error in [
        elsewhere.put(&key("k"), blob("v"), PutOptions::new(LONG)).await.map(|_| ()).unwrap_err(),
        elsewhere.get(&key("k"), GetOptions::new()).await.map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    }

    // Not even a script may be loaded: plain reads work, and the rest says why it does not.
    applied(store.put(&key("text"), blob("v"), PutOptions::new(LONG)).await);
    let contents = [("text", blob("v")), ("k", record.clone())];
    for batch in [false, true] {
        // A store guesses that an entry has the kind of those before.
        for contents in [contents.clone(), [contents[1].clone(), contents[0].clone()]] {
            let reader = RedisStore::connect(&config(&server).with_credentials("reader", "p")).await.unwrap();
            for (name, expected) in contents.iter().chain(&contents) {
                if batch {
                    let keys = [key(name), key("absent"), key(name)];
                    let read = reader.get_many(&keys, GetOptions::new()).await;
                    let read = read.into_iter().map(|entry| entry.unwrap().and_then(|entry| entry.value));
                    let expected = Some(expected.clone());
                    assert_eq!(read.collect::<Vec<_>>(), [expected.clone(), None, expected]);
                } else {
                    assert_eq!(value(&reader, &key(name)).await, *expected);
                }
            }
        }
    }
    let reader = RedisStore::connect(&config(&server).with_credentials("reader", "p")).await.unwrap();
    let denied = reader.put(&key("k"), blob("v"), PutOptions::new(LONG)).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::PermissionDenied);
}

/// Writes of several commands, one of which the user may not run, are refused as a whole (E4, P1).
async fn halves() {
    let users = [
        ("no-hset", "-hset"),
        ("no-hdel", "-hdel"),
        ("no-del", "-del"),
        ("no-persist", "-persist"),
        ("no-pexpire", "-pexpire -pexpireat"),
        ("no-pexpiretime", "-pexpiretime"),
    ];
    let rules = users.iter().flat_map(|(name, rules)| {
        ["--user", name, "on", ">p", "~ttl:*", "+@all"].into_iter().chain(rules.split(' '))
    });
    let server = OwnServer::start(rules);
    let owner = RedisStore::connect(&config(&server)).await.unwrap();
    let before: Value = Record::new().with("m", 1).with("n", 1).into();
    applied(owner.put(&key("k"), before.clone(), PutOptions::new(LONG)).await);
    let wanted = GetOptions::new().with_returning(Returning::DEADLINE | Returning::VERSION);
    let entry = owner.get(&key("k"), wanted.clone()).await.unwrap().unwrap();

    let capped = PutOptions::new(ttl_core::Lifespan::from(LONG).with_max_lifetime(LONG));
    let persist = ExpiryChange::Set(ttl_core::Expiry::Never);
    for (name, _) in users {
        let store = RedisStore::connect(&config(&server).with_credentials(name, "p")).await.unwrap();
        let errors = match name {
            "no-hdel" => {
                let patch = Patch::new().set("m", 2).unset("n");
                vec![store.patch(&key("k"), &patch, PatchOptions::new()).await.map(|_| ())]
            }
            "no-pexpire" => {
                let refresh = PatchOptions::new().with_refresh(Refresh::extend_only(Ttl::days(1)));
                vec![store.patch(&key("k"), &Patch::new().increment("n", 1), refresh).await.map(|_| ())]
            }
            "no-pexpiretime" => {
                let timed = PatchOptions::new().with_returning(Returning::DEADLINE);
                vec![store.patch(&key("k"), &Patch::new().increment("n", 1), timed).await.map(|_| ())]
            }
            "no-persist" => vec![store.expire(&key("k"), persist, ExpireOptions::new()).await.map(|_| ())],
            _ => vec![
                store
                    .put(&key("k"), Record::new().with("n", 2).into(), PutOptions::new(LONG))
                    .await
                    .map(|_| ()),
                store.put(&key("k"), blob("v"), capped.clone()).await.map(|_| ()),
            ],
        };
        for error in errors {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{name}: {error}");
            let now = owner.get(&key("k"), wanted.clone()).await.unwrap();
            let now = now.unwrap_or_else(|| panic!("{name}: the entry is gone"));
            let same =
                (&now.value, now.deadline, now.version) == (&entry.value, entry.deadline, entry.version);
            assert!(same, "{name}: the entry has changed");
        }
    }
}

/// R5: a refresh that is not due is not made, by whichever command the driver tells.
async fn slack() {
    let server = OwnServer::start(["--user", "app", "on", ">p", "~ttl:*", "+@all", "-pttl"]);
    let store = RedisStore::connect(&config(&server).with_credentials("app", "p")).await.unwrap();
    applied(store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await);
    let timed = GetOptions::new().with_returning(Returning::DEADLINE);
    let before = store.get(&key("k"), timed.clone()).await.unwrap().unwrap().deadline.unwrap();
    for (slack, made) in [(Ttl::hours(2), false), (Ttl::minutes(1), true)] {
        let refresh = Refresh::extend_only(Ttl::hours(2)).with_slack(slack);
        let entry = store.get(&key("k"), GetOptions::new().with_refresh(refresh)).await.unwrap().unwrap();
        assert!(entry.refresh_error.is_none() && entry.value == Some(blob("v")));
        let after = store.get(&key("k"), timed.clone()).await.unwrap().unwrap().deadline.unwrap();
        assert_eq!(after > before, made, "a slack of {slack:?}");
    }
}

/// A put that would be a script only for the sake of the traffic stays a SET for a user who may not run scripts.
async fn scriptless() {
    let server = OwnServer::start(["--user", "app", "on", ">p", "~ttl:*", "+@all", "-@scripting"]);
    let store = RedisStore::connect(&config(&server).with_credentials("app", "p")).await.unwrap();
    let put = PutOptions::new(LONG);
    for (n, options) in [
        put.clone(),
        put.clone(),
        put.clone(),
        put.clone().with_condition(Condition::IfPresent),
        put.clone().with_condition(Condition::IfAbsent),
    ]
    .into_iter()
    .enumerate()
    {
        let length = 10_000 + n;
        let absent = options.condition == Condition::IfAbsent;
        let outcome = store.put(&key("k"), vec![7; length].into(), options).await.unwrap();
        assert_eq!(outcome.is_applied(), !absent, "put {n}");
        let stored = value(&store, &key("k")).await;
        assert_eq!(stored == Value::from(vec![7; length]), !absent, "put {n}");
    }
    let keeping = put.with_existing_deadline(ExistingDeadline::Keep);
    let denied = store.put(&key("k"), blob("v"), keeping).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::PermissionDenied, "what needs a script");
}

async fn databases() {
    let server = OwnServer::start(["--databases", "2"]);
    let error = RedisStore::connect(&config(&server).with_database(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    let zero = RedisStore::connect(&config(&server)).await.unwrap();
    let one = RedisStore::connect(&config(&server).with_database(1)).await.unwrap();
    applied(one.put(&key("k"), blob("one"), PutOptions::new(LONG)).await);
    assert!(zero.get(&key("k"), GetOptions::new()).await.unwrap().is_none());
}
