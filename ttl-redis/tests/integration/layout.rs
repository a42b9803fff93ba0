//! The layout, byte by byte and in both directions: entries that the driver writes, and entries that others write.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use libtest_mimic::Trial;
use serde_json::json;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, DeleteOptions, Fields, GetOptions, PatchOptions, Projection, PutOptions, Returning,
};
use ttl_core::{ErrorKind, Expiry, Kind, Lifespan, Patch, Record, Ttl, TtlStore, Value};

use crate::support::{LONG, Namespace, applied, blob, key, value, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("layout::a_blob_is_a_plain_string", server, blobs),
        with_server("layout::a_record_is_a_hash_of_texts", server, records),
        with_server("layout::a_capped_blob_is_a_hash", server, capped_blobs),
        with_server("layout::expiry_is_one_millisecond_before_the_deadline", server, deadlines),
        with_server("layout::what_another_client_wrote_is_read", server, foreign),
        with_server("layout::what_is_not_ours_is_corrupt_and_stays", server, not_ours),
        with_server("layout::every_path_agrees_on_what_is_damaged", server, damage),
        with_server("layout::namespaces_do_not_meet", server, namespaces),
    ]
}

async fn hash(space: &Namespace, name: &str) -> BTreeMap<String, String> {
    let mut hgetall = redis::cmd("HGETALL");
    hgetall.arg(space.full(name)).query_async(&mut space.raw.clone()).await.unwrap()
}

async fn run<T: redis::FromRedisValue>(space: &Namespace, command: &[&str]) -> T {
    let mut cmd = redis::Cmd::new();
    command.iter().for_each(|argument| {
        cmd.arg(argument);
    });
    cmd.query_async(&mut space.raw.clone()).await.unwrap()
}

async fn blobs(url: String) {
    let space = Namespace::new(&url).await;
    let bytes = b"\0\xff any bytes".to_vec();
    let put = PutOptions::new(Expiry::Never).with_returning(Returning::VERSION);
    let meta = applied(space.store.put(&key("k"), bytes.clone().into(), put).await);
    assert_eq!(run::<String>(&space, &["TYPE", &space.full("k")]).await, "string");
    assert_eq!(run::<Vec<u8>>(&space, &["GET", &space.full("k")]).await, bytes);
    assert_eq!(run::<i64>(&space, &["PTTL", &space.full("k")]).await, -1);

    applied(
        space
            .store
            .put(&key("abc"), blob("abc"), PutOptions::new(LONG).with_returning(Returning::VERSION))
            .await,
    );
    let peek = GetOptions::nothing().with_returning(Returning::VERSION);
    let version = space.store.get(&key("abc"), peek).await.unwrap().unwrap().version.unwrap();
    assert_eq!(version.to_string(), "a9993e364706816aba3e25717850c26c9cd0d89d", "the SHA-1 of the content");
    assert_eq!(meta.version.unwrap().as_bytes().len(), 20);
}

async fn records(url: String) {
    let space = Namespace::new(&url).await;
    let record = Record::new()
        .with("int", 1.0)
        .with("fraction", 1.5e-7)
        .with("text", "a\"b")
        .with("nested", json!({ "b": [1, null, {}], "a": true }))
        .with("naïve name", json!([]));
    let put = PutOptions::new(LONG).with_returning(Returning::VERSION);
    let meta = applied(space.store.put(&key("k"), record.clone().into(), put).await);
    let mut fields = hash(&space, "k").await;
    let mark = fields.remove("ttl:version").unwrap();
    let (token, size) = mark.split_once('.').unwrap();
    assert_eq!((token.len(), &token[..1]), (23, "r"));
    assert_eq!(&token.as_bytes()[1..], meta.version.unwrap().as_bytes());
    assert_eq!(size.parse::<usize>().unwrap() + 1, record.to_json_text().len());
    let expected = [
        ("fraction", "1.5e-7"),
        ("int", "1"),
        ("naïve name", "[]"),
        ("nested", r#"{"a":true,"b":[1,null,{}]}"#),
        ("text", r#""a\"b""#),
    ];
    assert_eq!(fields, expected.map(|(name, text)| (name.to_owned(), text.to_owned())).into());

    let patch = Patch::new().append("naïve name", json!({ "x": 1 })).increment("int", 0.25).unset("text");
    let outcome = space.store.patch(&key("k"), &patch, PatchOptions::new()).await.unwrap();
    assert!(outcome.is_applied());
    let fields = hash(&space, "k").await;
    assert_eq!(fields["naïve name"], r#"[{"x":1}]"#);
    assert_eq!(fields["int"], "1.25");
    assert!(!fields.contains_key("text"));
    assert_ne!(fields["ttl:version"], mark);

    let emptied = Patch::new().unset("int").unset("fraction").unset("nested").unset("naïve name");
    assert!(space.store.patch(&key("k"), &emptied, PatchOptions::new()).await.unwrap().is_applied());
    assert_eq!(hash(&space, "k").await.keys().collect::<Vec<_>>(), ["ttl:version"]);
    assert_eq!(value(&space.store, &key("k")).await, Record::new().into());
}

async fn capped_blobs(url: String) {
    let space = Namespace::new(&url).await;
    let lifespan = Lifespan::from(Ttl::minutes(1)).with_max_lifetime(LONG);
    applied(space.store.put(&key("k"), blob("value"), PutOptions::new(lifespan)).await);
    let fields = hash(&space, "k").await;
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["ttl:cap", "ttl:value", "ttl:version"]);
    assert_eq!(fields["ttl:value"], "value");
    assert_eq!((fields["ttl:version"].len(), &fields["ttl:version"][..1]), (23, "b"));
    let expiry: u64 = run(&space, &["PEXPIRETIME", &space.full("k")]).await;
    let cap: u64 = fields["ttl:cap"].parse().unwrap();
    assert_eq!(cap - (expiry + 1), Ttl::minutes(59).as_millis(), "one clock for deadline and cap");

    // A plain put keeps the cap; only delete and put make it a string again.
    applied(space.store.put(&key("k"), blob("other"), PutOptions::new(Expiry::Never)).await);
    let fields = hash(&space, "k").await;
    assert_eq!((&*fields["ttl:value"], &*fields["ttl:cap"]), ("other", &*cap.to_string()));
    assert_eq!(run::<u64>(&space, &["PEXPIRETIME", &space.full("k")]).await + 1, cap);
    assert_eq!(value(&space.store, &key("k")).await, blob("other"));
    assert!(space.store.delete(&key("k"), DeleteOptions::new()).await.unwrap().is_applied());
    applied(space.store.put(&key("k"), blob("new"), PutOptions::new(LONG)).await);
    assert_eq!(run::<String>(&space, &["TYPE", &space.full("k")]).await, "string");
}

async fn deadlines(url: String) {
    let space = Namespace::new(&url).await;
    let at = UNIX_EPOCH + Duration::from_millis(2_000_000_000_123);
    for value in [blob("v"), Record::new().into()] {
        let put = PutOptions::new(at).with_returning(Returning::DEADLINE);
        let meta = applied(space.store.put(&key("k"), value, put).await);
        assert_eq!(meta.deadline.unwrap().as_epoch_millis(), 2_000_000_000_123);
        assert_eq!(run::<u64>(&space, &["PEXPIRETIME", &space.full("k")]).await, 2_000_000_000_122);
        let peek = GetOptions::nothing().with_returning(Returning::DEADLINE);
        let entry = space.store.get(&key("k"), peek).await.unwrap().unwrap();
        assert_eq!(entry.deadline, meta.deadline);
    }
}

async fn foreign(url: String) {
    let space = Namespace::new(&url).await;
    let _: () = run(&space, &["SET", &space.full("blob"), "theirs", "PX", "3600000"]).await;
    assert_eq!(value(&space.store, &key("blob")).await, blob("theirs"));
    // Another version of the same layout: no size behind the token, other white space, numbers in other forms.
    let full = space.full("record");
    let token = "0123456789abcdefghij_-";
    let mark = format!("r{token}");
    let fields = ["ttl:version", &mark, "list", " [ 1 , 2 ] ", "n", "1.0", "e", "[ ]", "big", "1e3"];
    let _: () = run(&space, &[&["HSET", &*full], &fields[..]].concat()).await;
    let read = value(&space.store, &key("record")).await;
    assert_eq!(
        read,
        Record::new().with("list", [1, 2]).with("n", 1).with("e", json!([])).with("big", 1000).into()
    );
    let patch =
        Patch::new().append("list", 3).append("e", 1).increment("n", 1).increment("big", 1).pop_front("list");
    let outcome = space.store.patch(&key("record"), &patch, PatchOptions::new()).await.unwrap();
    let expected = Record::new().with("list", [2, 3]).with("e", [1]).with("n", 2).with("big", 1001);
    assert_eq!(outcome.applied().unwrap().fields, expected);
    assert_eq!(value(&space.store, &key("record")).await, expected.into());
}

async fn not_ours(url: String) {
    let space = Namespace::new(&url).await;
    let token = "0123456789abcdefghij_-";
    let make: [&[&str]; 6] = [
        &["RPUSH", "K", "a"],
        &["HSET", "K", "f", "1"],
        &["HSET", "K", "ttl:version", "r123", "f", "1"],
        &["HSET", "K", "ttl:version", &format!("x{token}"), "f", "1"],
        &["HSET", "K", "ttl:version", &format!("r{token}.5"), "f", "no JSON"],
        &["HSET", "K", "ttl:version", &format!("b{token}")],
    ];
    let full = space.full("k");
    for (number, command) in make.iter().enumerate() {
        let command: Vec<&str> =
            command.iter().map(|part| if *part == "K" { &*full } else { part }).collect();
        let _: i64 = run(&space, &["DEL", &full]).await;
        let _: i64 = run(&space, &command).await;
        let store = &space.store;
        let refresh = ttl_core::options::Refresh::extend_only(LONG);
        let gets = [
            GetOptions::new(),
            GetOptions::new().with_kind(Kind::Blob),
            GetOptions::new().with_kind(Kind::Record),
            GetOptions::new().with_refresh(refresh),
            GetOptions::new().with_returning(Returning::DEADLINE | Returning::VERSION),
            GetOptions::new().with_projection(Projection::Fields(Fields::new(["f"]).unwrap())),
            GetOptions::nothing(),
            GetOptions::nothing().with_returning(Returning::DEADLINE | Returning::VERSION),
        ];
        for (at, options) in gets.into_iter().enumerate() {
            if number >= 4 && at >= 6 {
                // Whose mark can be read is there, whatever is in its fields.
                assert!(store.get(&key("k"), options).await.unwrap().is_some(), "{command:?}, get {at}");
                continue;
            }
            let error = store.get(&key("k"), options).await.unwrap_err();
            // A mark that says blob is enough to know that the kind is another one.
            let other_kind = number == 5 && at == 5;
            let other_kind = other_kind || (number == 4 && at == 1);
            let kind = if other_kind { ErrorKind::WrongKind } else { ErrorKind::Corrupt };
            assert_eq!(error.kind(), kind, "{command:?}, get {at}");
        }
        let take = store.delete(&key("k"), DeleteOptions::take()).await.unwrap_err();
        assert_eq!(take.kind(), ErrorKind::Corrupt, "{command:?}");
        if number < 4 {
            for condition in [Condition::Always, Condition::IfPresent] {
                let put = PutOptions::new(LONG).with_condition(condition);
                for value in [blob("new"), Record::new().into()] {
                    let error = store.put(&key("k"), value, put.clone()).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{command:?}");
                }
            }
        }
        assert_eq!(run::<i64>(&space, &["EXISTS", &full]).await, 1, "{command:?}");
        assert_eq!(run::<i64>(&space, &["PTTL", &full]).await, -1, "{command:?}");
        // What nobody can read can still be deleted.
        assert!(store.delete(&key("k"), DeleteOptions::new()).await.unwrap().is_applied());
    }
    // A take hands over what it deletes, so it deletes nothing that it cannot read; a pop likewise.
    for text in ["", "1,2", "0x10", "007", "nan", "[}1,{]", "[1}]"] {
        let _: i64 = run(&space, &["DEL", &full]).await;
        let _: i64 = run(&space, &["HSET", &full, "ttl:version", &format!("r{token}.5"), "f", text]).await;
        let take = space.store.delete(&key("k"), DeleteOptions::take()).await.unwrap_err();
        assert_eq!(take.kind(), ErrorKind::Corrupt, "{text:?}");
        if text.starts_with('[') {
            let pop = space.store.patch(&key("k"), &Patch::new().pop_back("f"), PatchOptions::new()).await;
            assert_eq!(pop.unwrap_err().kind(), ErrorKind::Corrupt, "{text:?}");
        }
        assert_eq!(run::<String>(&space, &["HGET", &full, "f"]).await, text);
    }
}

/// Checks damaged entries by reads, a scan, writes and deletes.
async fn damage(url: String) {
    let space = Namespace::new(&url).await;
    let (store, full) = (&space.store, space.full("k"));
    let mark = "r0123456789abcdefghij_-.5";
    let gets = || {
        [
            GetOptions::new(),
            GetOptions::new().with_kind(Kind::Record),
            GetOptions::new().with_returning(Returning::DEADLINE | Returning::VERSION),
            GetOptions::new().with_projection(Projection::Fields(Fields::new(["f"]).unwrap())),
        ]
    };
    let peeks = || {
        [
            GetOptions::nothing(),
            GetOptions::nothing().with_returning(Returning::DEADLINE | Returning::VERSION),
        ]
    };
    // Texts that are no JSON: the entry is there, and its value is corrupt.
    for text in ["", "nan", "0x10", "1,2", "007", "{"] {
        let _: i64 = run(&space, &["HSET", &full, "ttl:version", mark, "f", text]).await;
        for get in gets() {
            assert_eq!(store.get(&key("k"), get).await.unwrap_err().kind(), ErrorKind::Corrupt, "{text:?}");
        }
        for peek in peeks() {
            assert!(store.get(&key("k"), peek).await.unwrap().is_some(), "{text:?}");
        }
        for patch in [Patch::new().increment("f", 1), Patch::new().append("f", 1)] {
            let error = store.patch(&key("k"), &patch, PatchOptions::new()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text:?} {patch:?}");
        }
        let page = store.scan(ttl_core::options::ScanOptions::new("")).await.unwrap();
        assert_eq!(page.items.len(), 1, "{text:?}");
        assert!(store.delete(&key("k"), DeleteOptions::new()).await.unwrap().is_applied());
    }
    // Caps that are no instant.
    for cap in ["", "nan", "0x10", "1e300", "-5", "soon"] {
        let _: i64 = run(&space, &["HSET", &full, "ttl:version", mark, "ttl:cap", cap, "f", "1"]).await;
        for get in gets().into_iter().chain(peeks()) {
            let error = store.get(&key("k"), get.clone()).await.expect_err(cap);
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{cap:?} {get:?}");
        }
        assert!(store.delete(&key("k"), DeleteOptions::new()).await.unwrap().is_applied());
    }
    // A cap that has passed ends the entry on every path, whatever the key's expiry says; one that comes bounds it.
    let hour = LONG.as_duration().as_millis();
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let (past, future) = ((now - hour).to_string(), (now + hour).to_string());
    for expiry in ["never", "later"] {
        for (cap, live) in [(&past, false), (&future, true)] {
            let _: i64 = run(&space, &["HSET", &full, "ttl:version", mark, "ttl:cap", cap, "f", "1"]).await;
            if expiry == "later" {
                let _: i64 = run(&space, &["PEXPIRE", &full, &(2 * hour).to_string()]).await;
            }
            for get in gets().into_iter().chain(peeks()) {
                let entry = store.get(&key("k"), get.clone()).await.unwrap();
                assert_eq!(entry.is_some(), live, "{expiry} {get:?}");
                if let Some(deadline) = entry.and_then(|entry| entry.deadline) {
                    assert_eq!(deadline.as_epoch_millis().to_string(), *cap, "{expiry} {get:?}");
                }
            }
            for projection in [Projection::Nothing, Projection::All] {
                for returning in
                    [Returning::empty(), Returning::DEADLINE, Returning::DEADLINE | Returning::VERSION]
                {
                    let scan = ttl_core::options::ScanOptions::new("")
                        .with_projection(projection.clone())
                        .with_returning(returning);
                    let page = store.scan(scan).await.unwrap();
                    assert_eq!(page.items.len(), usize::from(live), "{expiry} {projection:?} {returning:?}");
                }
            }
            let _: i64 = run(&space, &["DEL", &full]).await;
        }
    }
}

async fn namespaces(url: String) {
    let space = Namespace::new(&url).await;
    let outer = space.config.clone().with_namespace("trial");
    let outer = ttl_redis::RedisStore::connect(&outer).await.unwrap();
    applied(space.store.put(&key("k"), blob("inner"), PutOptions::new(LONG)).await);
    // The whole key, as it would be if a namespace could hold the separator.
    let inner = key(&space.full("k"));
    assert!(outer.get(&inner, GetOptions::new()).await.unwrap().is_none());
    applied(outer.put(&inner, blob("outer"), PutOptions::new(Ttl::minutes(1))).await);
    assert_eq!(value(&space.store, &key("k")).await, Value::from("inner"));
    assert!(outer.delete(&inner, DeleteOptions::new()).await.unwrap().is_applied());
}
