//! Answers that make no sense: the outcome of a write is unknown, and no later caller gets another key's value.

use std::sync::atomic::Ordering;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, Fields, GetOptions, PatchOptions,
    Projection, PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{ErrorKind, Kind, Patch, Record, Result, TtlStore, Version};
use ttl_redis::{RedisConfig, RedisStore};

use crate::proxy::Proxy;
use crate::support::{LONG, Namespace, PATIENCE, applied, blob, key, value, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("garbled::a_write_whose_answer_makes_no_sense_is_unknown", server, writes),
        with_server("garbled::a_read_whose_answer_makes_no_sense_says_so", server, reads),
        with_server("garbled::an_answer_of_another_script_makes_no_sense", server, other_forms),
        with_server("garbled::an_answer_too_many_reaches_nobody_else", server, shifted),
        with_server(
            "garbled::a_connection_that_was_handed_in_is_asked_before_it_is_used_again",
            server,
            handed_in,
        ),
        with_server("garbled::a_take_that_cannot_be_read_is_unknown", server, unreadable_take),
    ]
}

struct Garbled {
    space: Namespace,
    proxy: Proxy,
    store: RedisStore,
}

impl Garbled {
    async fn new(url: &str) -> Self {
        let space = Namespace::new(url).await;
        let proxy = Proxy::start(url).await;
        let config = RedisConfig::from_url(&proxy.url(url)).unwrap().with_timeout(PATIENCE);
        let config = config.with_namespace(space.prefix.trim_end_matches(':'));
        let store = RedisStore::connect(&config).await.unwrap();
        let garbled = Self { space, proxy, store };
        garbled.fill().await;
        garbled
    }

    /// Uses another handle, so that the tested one sends only the tested request.
    async fn fill(&self) {
        let store = &self.space.store;
        applied(store.put(&key("blob"), blob("value"), PutOptions::new(LONG)).await);
        let record = Record::new().with("n", 1).with("list", [1]);
        applied(store.put(&key("record"), record.into(), PutOptions::new(LONG)).await);
        applied(store.put(&key("witness"), blob("mine"), PutOptions::new(LONG)).await);
    }

    fn connections(&self) -> u64 {
        self.proxy.watch.connections.load(Ordering::SeqCst)
    }
}

/// Answers that no command of the driver can have.
const NONSENSE: [&[u8]; 9] = [
    b":7\r\n",
    b"+WHAT\r\n",
    b"#t\r\n",
    b"*1\r\n$1\r\nZ\r\n",
    b"*3\r\n$4\r\ndone\r\n$1\r\nx\r\n$1\r\ny\r\n",
    b"*0\r\n",
    b"~1\r\n:1\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x84\x00\x00\x00\x00\x00\x00\x00\r\n",
];

const WRITES: usize = 12;

/// Makes the write with this number; there is one of each kind.
async fn write(store: &RedisStore, number: usize) -> Vec<Result<()>> {
    let put = || PutOptions::new(LONG);
    let one = |result: Result<()>| vec![result];
    let record = || ttl_core::Value::from(Record::new().with("n", 2));
    match number {
        0 => one(store.put(&key("blob"), blob("w"), put()).await.map(|_| ())),
        1 => one(store
            .put(&key("blob"), blob("w"), put().with_condition(Condition::IfAbsent))
            .await
            .map(|_| ())),
        2 => one(store.put(&key("record"), record(), put()).await.map(|_| ())),
        3 => {
            let condition = Condition::IfVersion(Version::random());
            one(store.put(&key("record"), record(), put().with_condition(condition)).await.map(|_| ()))
        }
        4 => {
            let patch = Patch::new().increment("n", 1).pop_back("list").remove_value("list", 1);
            one(store.patch(&key("record"), &patch, PatchOptions::new()).await.map(|_| ()))
        }
        5 => {
            let create = PatchOptions::new().with_create(Create::new(LONG));
            one(store.patch(&key("new"), &Patch::new().increment("n", 1), create).await.map(|_| ()))
        }
        6 => {
            let change = ExpiryChange::Extend(LONG);
            one(store.expire(&key("blob"), change, ExpireOptions::new()).await.map(|_| ()))
        }
        7 => one(store.delete(&key("blob"), DeleteOptions::new()).await.map(|_| ())),
        8 => one(store.delete(&key("blob"), DeleteOptions::take()).await.map(|_| ())),
        9 => {
            let typed = DeleteOptions::new().with_kind(Kind::Record);
            one(store.delete(&key("record"), typed).await.map(|_| ()))
        }
        10 => {
            let items = [("blob", blob("w")), ("record", record()), ("other", blob("w"))];
            let items = items.map(|(name, value)| PutItem::new(key(name), value, put()));
            let results = store.put_many(items.to_vec()).await;
            results.into_iter().map(|result| result.map(|_| ())).collect()
        }
        _ => {
            let results = store.delete_many(&["blob", "record"].map(key), DeleteOptions::take()).await;
            results.into_iter().map(|result| result.map(|_| ())).collect()
        }
    }
}

async fn writes(url: String) {
    let garbled = Garbled::new(&url).await;
    for number in 0..WRITES {
        for text in NONSENSE {
            let about = || format!("write {number}, {:?}", String::from_utf8_lossy(text));
            garbled.fill().await;
            let before = garbled.connections();
            garbled.proxy.watch.garble(text);
            for result in write(&garbled.store, number).await {
                let error = result.expect_err(&about());
                assert_eq!(
                    (error.kind(), error.is_retryable()),
                    (ErrorKind::OutcomeUnknown, false),
                    "{}",
                    about()
                );
            }
            assert_eq!(value(&garbled.store, &key("witness")).await, blob("mine"), "{}", about());
            assert_eq!(garbled.connections(), before + 1, "the connection is given up: {}", about());
        }
        // An error of something in between is an answer, but not the server's.
        let before = garbled.connections();
        garbled.proxy.watch.garble(b"-upstream failure\r\n");
        for result in write(&garbled.store, number).await {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::OutcomeUnknown, "write {number}");
        }
        assert_eq!(value(&garbled.store, &key("witness")).await, blob("mine"));
        assert_eq!(garbled.connections(), before);
    }
}

async fn reads(url: String) {
    let garbled = Garbled::new(&url).await;
    let gets = [
        ("blob", GetOptions::new()),
        ("blob", GetOptions::new().with_kind(Kind::Blob)),
        ("record", GetOptions::new().with_kind(Kind::Record)),
        (
            "record",
            GetOptions::new().with_projection(Projection::Fields(Fields::new(["n", "list"]).unwrap())),
        ),
        ("blob", GetOptions::nothing()),
        ("blob", GetOptions::nothing().with_returning(Returning::DEADLINE | Returning::VERSION)),
        ("record", GetOptions::new().with_returning(Returning::DEADLINE | Returning::VERSION)),
        ("record", GetOptions::new().with_refresh(Refresh::reset(LONG))),
    ];
    for (name, options) in gets {
        // An empty list is what HGETALL answers in RESP2 where there is no hash.
        for text in NONSENSE.into_iter().filter(|text| *text != b"*0\r\n") {
            let about = || format!("{name} {options:?}, {:?}", String::from_utf8_lossy(text));
            let before = garbled.connections();
            garbled.proxy.watch.garble(text);
            let error = garbled.store.get(&key(name), options.clone()).await.expect_err(&about());
            // Of two commands whose answers are no protocol, the client library says that the connection is closed.
            let expected = [ErrorKind::Backend, ErrorKind::Unavailable];
            let expected =
                if text.ends_with(b"\r\n\r\n") || text[0] == 0x84 { &expected[..] } else { &expected[..1] };
            assert!(expected.contains(&error.kind()), "{}: {error}", about());
            assert_eq!(value(&garbled.store, &key("witness")).await, blob("mine"), "{}", about());
            assert_eq!(garbled.connections(), before + 1, "{}", about());
            garbled.proxy.watch.garble(text);
            for result in garbled.store.get_many(&[key(name), key("witness")], options.clone()).await {
                let kind = result.expect_err(&about()).kind();
                assert!(matches!(kind, ErrorKind::Backend | ErrorKind::Unavailable), "{}: {kind}", about());
            }
            assert_eq!(value(&garbled.store, &key("witness")).await, blob("mine"), "{}", about());
        }
    }
    for text in NONSENSE {
        let before = garbled.connections();
        garbled.proxy.watch.garble(text);
        let error = garbled.store.scan(ScanOptions::new("")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Backend, "{:?}", String::from_utf8_lossy(text));
        assert_eq!(value(&garbled.store, &key("witness")).await, blob("mine"));
        assert_eq!(garbled.connections(), before + 1);
    }
}

/// Each short script has its own form of an answer, with a deadline or without. No other is accepted.
async fn other_forms(url: String) {
    let garbled = Garbled::new(&url).await;
    let bare = b"$1\r\n6\r\n".as_slice();
    let timed = b"*2\r\n:-1\r\n$1\r\n6\r\n".as_slice();
    let gone = b"*2\r\n:-2\r\n$1\r\n6\r\n".as_slice();
    let long = b"*3\r\n:-1\r\n$1\r\n6\r\n$1\r\n6\r\n".as_slice();
    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(LONG));
    let with_deadline = GetOptions::new().with_returning(Returning::DEADLINE);
    for (options, texts) in [(refresh, [timed, gone, long]), (with_deadline, [bare, gone, long])] {
        for text in texts {
            // On a connection that is made already.
            assert_eq!(value(&garbled.store, &key("witness")).await, blob("mine"));
            garbled.proxy.watch.garble(text);
            let error = garbled.store.get(&key("blob"), options.clone()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Backend, "{options:?}, {:?}", String::from_utf8_lossy(text));
        }
    }
    let increment = Patch::new().increment("n", 1);
    let with_deadline = PatchOptions::new().with_returning(Returning::DEADLINE);
    for (options, texts) in [(PatchOptions::new(), [timed, gone, long]), (with_deadline, [bare, gone, long])]
    {
        for text in texts {
            assert_eq!(value(&garbled.store, &key("witness")).await, blob("mine"));
            garbled.proxy.watch.garble(text);
            let error = garbled.store.patch(&key("record"), &increment, options.clone()).await.unwrap_err();
            let about = String::from_utf8_lossy(text);
            assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{options:?}, {about:?}");
        }
    }
}

/// The answers of a batch are shifted by one. None is taken for that of another request.
async fn shifted(url: String) {
    let garbled = Garbled::new(&url).await;
    let keys = ["blob", "witness", "record"].map(key);
    let typed = GetOptions::new().with_kind(Kind::Blob);
    // Three answers for three requests, the first of which is nobody's.
    garbled.proxy.watch.garble_once(b"$5\r\nvalue\r\n:1\r\n$5\r\nvalue\r\n");
    for result in garbled.store.get_many(&keys, typed).await {
        let kind = result.expect_err("nobody knows whose answer this is").kind();
        assert!(matches!(kind, ErrorKind::Backend | ErrorKind::Unavailable), "{kind}");
    }
    assert_eq!(value(&garbled.store, &key("witness")).await, blob("mine"));
}

async fn handed_in(url: String) {
    let space = Namespace::new(&url).await;
    let proxy = Proxy::start(&url).await;
    let client = redis::Client::open(proxy.url(&url)).unwrap();
    let patient = redis::AsyncConnectionConfig::new()
        .set_response_timeout(Some(PATIENCE))
        .set_connection_timeout(Some(PATIENCE));
    let connection = client.get_multiplexed_async_connection_with_config(&patient).await.unwrap();
    let store = RedisStore::from_connection(connection, &space.config).await.unwrap();
    applied(store.put(&key("witness"), blob("mine"), PutOptions::new(LONG)).await);
    for _ in 0..3 {
        proxy.watch.garble(b":7\r\n");
        let error = store.put(&key("blob"), blob("w"), PutOptions::new(LONG)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        // Still nonsense, so nothing is sent.
        proxy.watch.garble(b":7\r\n");
        let error = store.put(&key("blob"), blob("x"), PutOptions::new(LONG)).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error}");
        assert_eq!(value(&store, &key("witness")).await, blob("mine"));
        assert_eq!(value(&store, &key("blob")).await, blob("w"));
    }
    assert_eq!(proxy.watch.connections.load(Ordering::SeqCst), 1);
}

/// The script accepts a text as JSON that this process rejects. If the take has deleted the entry, the
/// outcome is unknown.
async fn unreadable_take(url: String) {
    let space = Namespace::new(&url).await;
    let mark = "r0123456789abcdefghij_-.5";
    for text in ["[nan]", "\"\\ud800\"", "[007]", "1e999"] {
        let _: i64 = redis::cmd("HSET")
            .arg(space.full("k"))
            .arg(&["ttl:version", mark, "f", text])
            .query_async(&mut space.raw.clone())
            .await
            .unwrap();
        let error = space.store.delete(&key("k"), DeleteOptions::take()).await.unwrap_err();
        let left: i64 =
            redis::cmd("EXISTS").arg(space.full("k")).query_async(&mut space.raw.clone()).await.unwrap();
        let expected = if left == 1 { ErrorKind::Corrupt } else { ErrorKind::OutcomeUnknown };
        assert_eq!(error.kind(), expected, "{text}: {error}");
        let _ = space.store.delete(&key("k"), DeleteOptions::new()).await.unwrap();
    }
}
