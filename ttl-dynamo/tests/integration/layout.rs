//! The layout, attribute by attribute and both ways: what the driver writes, and what it reads of what others wrote.

use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;
use libtest_mimic::Trial;
use serde_json::{Value as Json, json};
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, Fields, GetOptions, PatchOptions, Projection,
    PutOptions, Refresh, Returning,
};
use ttl_core::{ErrorKind, Expiry, Kind, Lifespan, Patch, Record, Ttl, TtlStore, Value};

use crate::raw::{Item, Raw, b, item, l, m, n, s};
use crate::support::{LONG, Space, applied, blob, key, value, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("layout::a_blob_is_bytes", server, blobs),
        with_server("layout::a_record_is_a_map_of_native_types", server, records),
        with_server("layout::deadline_cap_and_epoch_are_numbers", server, lifetimes),
        with_server("layout::every_number_comes_back", server, numbers),
        with_server("layout::nested_names_that_dynamodb_refuses_are_escaped", server, nested),
        with_server("layout::what_another_client_wrote_is_read", server, foreign),
        with_server("layout::what_is_not_ours_is_corrupt_and_stays", server, not_ours),
        with_server("layout::what_cannot_be_read_is_not_kept_alive_by_reading", server, not_refreshed),
        with_server("layout::any_number_is_an_instant_for_all_operations", server, odd_instants),
        with_server("layout::the_key_and_the_ttl_attribute_have_names_of_choice", server, names),
        with_server("layout::namespaces_do_not_meet", server, namespaces),
    ]
}

/// What a manual clock starts at, in milliseconds.
const START: u64 = 1_767_225_600_000;
const GRACE: u64 = 3600;

/// Takes the version out of an item.
fn token(item: &mut Item) -> String {
    let Some(AttributeValue::S(token)) = item.remove("ttl:version") else { panic!("{item:?}") };
    token
}

async fn blobs(endpoint: String) {
    let space = Space::new(endpoint).await;
    for bytes in [b"\0\xff any bytes".to_vec(), Vec::new()] {
        let put = PutOptions::new(Expiry::Never).with_returning(Returning::VERSION);
        let meta = applied(space.store.put(&key("k"), bytes.clone().into(), put).await);
        let mut found = space.raw.get("k").await.unwrap();
        let token = token(&mut found);
        assert_eq!(token.len(), 22);
        assert_eq!(token.as_bytes(), meta.version.unwrap().as_bytes());
        let expected = [("ttl:key", s("k")), ("ttl:created", n(START)), ("ttl:value", b(bytes))];
        assert_eq!(found, item(expected));
    }
}

async fn records(endpoint: String) {
    let space = Space::new(endpoint).await;
    let record = Record::new()
        .with("int", 1.0)
        .with("fraction", 0.25)
        .with("text", "")
        .with("nested", json!({ "list": [1, null, {}], "yes": true }))
        .with("naïve name. #:x", json!([]));
    applied(space.store.put(&key("k"), record.clone().into(), PutOptions::new(LONG)).await);
    let mut found = space.raw.get("k").await.unwrap();
    let first = token(&mut found);
    let null = AttributeValue::Null(true);
    let nested = [("list", l([n(1), null, m([])])), ("yes", AttributeValue::Bool(true))];
    let fields = [
        ("int", n(1)),
        ("fraction", n("0.25")),
        ("text", s("")),
        ("nested", m(nested)),
        ("naïve name. #:x", l([])),
    ];
    let life = [
        ("ttl:key", s("k")),
        ("ttl:created", n(START)),
        ("ttl:deadline", n(START + 3_600_000)),
        ("ttl:epoch", n(START / 1000 + 3600 + GRACE)),
    ];
    let mut expected = item(life.clone());
    expected.insert("ttl:fields".to_owned(), m(fields));
    assert_eq!(found, expected);

    // Patches leave the creation.
    space.clock.advance(Duration::from_secs(1));
    let patch = Patch::new()
        .append("naïve name. #:x", json!({ "x": 1 }))
        .increment("int", 0.5)
        .unset("text")
        .unset("nested")
        .prepend("new", "a");
    assert!(space.store.patch(&key("k"), &patch, PatchOptions::new()).await.unwrap().is_applied());
    let mut found = space.raw.get("k").await.unwrap();
    let second = token(&mut found);
    assert_ne!(first, second);
    let fields = [
        ("int", n("1.5")),
        ("fraction", n("0.25")),
        ("naïve name. #:x", l([m([("x", n(1))])])),
        ("new", l([s("a")])),
    ];
    expected.insert("ttl:fields".to_owned(), m(fields));
    assert_eq!(found, expected);

    let emptied = Patch::new().unset("int").unset("fraction").unset("new").unset("naïve name. #:x");
    assert!(space.store.patch(&key("k"), &emptied, PatchOptions::new()).await.unwrap().is_applied());
    let mut found = space.raw.get("k").await.unwrap();
    token(&mut found);
    expected.insert("ttl:fields".to_owned(), m([]));
    assert_eq!(found, expected);

    // A blob over a record, and the reverse, leave nothing of each other.
    applied(space.store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await);
    assert!(!space.raw.get("k").await.unwrap().contains_key("ttl:fields"));
    applied(space.store.put(&key("k"), record.into(), PutOptions::new(LONG)).await);
    assert!(!space.raw.get("k").await.unwrap().contains_key("ttl:value"));
}

async fn lifetimes(endpoint: String) {
    let space = Space::new(endpoint).await;
    let times = |found: Item| ["ttl:deadline", "ttl:cap", "ttl:epoch"].map(|name| found.get(name).cloned());
    let at = |millis: u64| PutOptions::new(UNIX_EPOCH + Duration::from_millis(millis));

    // The second is rounded up, then comes the grace.
    for (millis, seconds) in [(START + 123, 1), (START + 1000, 1), (START + 1001, 2), (START + 60_000, 60)] {
        applied(space.store.put(&key("k"), blob("v"), at(millis)).await);
        let epoch = START / 1000 + seconds + GRACE;
        assert_eq!(times(space.raw.get("k").await.unwrap()), [Some(n(millis)), None, Some(n(epoch))]);
    }
    applied(space.store.put(&key("k"), blob("v"), PutOptions::new(Expiry::Never)).await);
    assert_eq!(times(space.raw.get("k").await.unwrap()), [None, None, None]);

    let lifespan = Lifespan::from(Ttl::minutes(1)).with_max_lifetime(LONG);
    applied(space.store.put(&key("c"), Record::new().into(), PutOptions::new(lifespan)).await);
    let [deadline, max, epoch] = times(space.raw.get("c").await.unwrap());
    assert_eq!((deadline, max), (Some(n(START + 60_000)), Some(n(START + 3_600_000))));
    assert_eq!(epoch, Some(n(START / 1000 + 60 + GRACE)));

    // Each way to move a deadline moves the epoch with it, and never before the deadline that is seen.
    let later = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::minutes(30)));
    let check = |what: &'static str| {
        let space = space.clone();
        async move {
            let peek = GetOptions::nothing().with_returning(Returning::DEADLINE);
            let seen = space.quiet.get(&key("c"), peek).await.unwrap().unwrap().deadline.unwrap();
            let found = space.raw.get("c").await.unwrap();
            assert_eq!(found["ttl:cap"], n(START + 3_600_000), "{what}: the cap stays");
            let epoch: u64 = found["ttl:epoch"].as_n().unwrap().parse().unwrap();
            assert!(epoch * 1000 >= seen.as_epoch_millis() + GRACE * 1000, "{what}: {epoch}, {seen:?}");
            assert!(seen.as_epoch_millis() <= START + 3_600_000, "{what}");
            found["ttl:deadline"].as_n().expect("a capped entry has a deadline").clone()
        }
    };
    space.store.get(&key("c"), later).await.unwrap();
    assert_eq!(check("get").await, (START + 30 * 60_000).to_string());
    let far = ExpiryChange::Set(Ttl::days(2).into());
    for (what, change) in [
        ("far", far),
        ("extend", ExpiryChange::Extend(Ttl::days(1))),
        ("persist", ExpiryChange::Set(Expiry::Never)),
    ] {
        let changed = space.store.expire(&key("c"), change, ExpireOptions::new()).await.unwrap();
        assert_eq!(changed.applied().unwrap().deadline.as_epoch_millis(), START + 3_600_000, "{what}");
        check(what).await;
    }
    applied(space.store.put(&key("c"), blob("v"), PutOptions::new(Ttl::minutes(2))).await);
    assert_eq!(check("put").await, (START + 120_000).to_string());
}

async fn numbers(endpoint: String) {
    let space = Space::new(endpoint).await;
    let fractions = [
        0.1,
        -0.1,
        1.5e-7,
        1e-130,
        -1e-130,
        9.99e125,
        9.9e-131,
        1e126,
        -1e126,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        f64::EPSILON,
        1e20,
        1e22,
        123_456_789.123_456_79,
    ];
    let mut list: Vec<Json> = fractions.map(Json::from).to_vec();
    list.extend([i64::MIN, i64::MAX, -1, 0, (1 << 53) + 1].map(Json::from));
    list.extend([u64::MAX, u64::MAX - 1, 1 << 63].map(Json::from));
    let record = list
        .iter()
        .enumerate()
        .fold(Record::new(), |record, (at, number)| record.with(format!("f{at}"), number));
    let record = record.with("list", list.clone()).with("nested", json!({ "deep": list }));
    applied(space.store.put(&key("put"), record.clone().into(), PutOptions::new(LONG)).await);
    assert_eq!(value(&space.store, &key("put")).await, record.clone().into());

    // By patches, which are other expressions.
    applied(space.store.put(&key("patched"), Record::new().into(), PutOptions::new(LONG)).await);
    let patch = record.iter().fold(Patch::new(), |patch, (name, value)| patch.set(name, value));
    let patch = list.iter().fold(patch, |patch, number| patch.append("appended", number));
    assert!(space.store.patch(&key("patched"), &patch, PatchOptions::new()).await.unwrap().is_applied());
    assert_eq!(value(&space.store, &key("patched")).await, record.with("appended", list.clone()).into());

    let found = space.raw.get("put").await.unwrap();
    let fields = found["ttl:fields"].as_m().unwrap();
    for (at, fraction) in fractions.into_iter().enumerate() {
        let held = &fields[&format!("f{at}")];
        let text = match held {
            AttributeValue::N(text) => text.clone(),
            AttributeValue::B(bytes) => String::from_utf8(bytes.as_ref().to_vec()).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text.parse::<f64>().unwrap().to_bits(), fraction.to_bits(), "{text}");
        let holdable = (1e-130..1e126).contains(&fraction.abs());
        assert_eq!(held.is_n(), holdable, "{fraction:e}");
    }
    assert_eq!(fields["f6"], b("9.9e-131"));
    // What is equal is equal whatever it is held in.
    let remove = list.iter().fold(Patch::new(), |patch, number| patch.remove_value("list", number));
    let done = space.store.patch(&key("put"), &remove, PatchOptions::new()).await.unwrap().applied().unwrap();
    assert_eq!(done.fields.get("list"), Some(&json!([])));
}

async fn nested(endpoint: String) {
    let space = Space::new(endpoint).await;
    let odd = json!({ "": 1, "ttl:": 2, "ttl:key": 3, "plain": { "": { "": [] } } });
    applied(space.store.put(&key("k"), Record::new().with("o", &odd).into(), PutOptions::new(LONG)).await);
    let found = space.raw.get("k").await.unwrap();
    let inner = m([("ttl:", m([("ttl:", l([]))]))]);
    let expected = [("ttl:", n(1)), ("ttl:ttl:", n(2)), ("ttl:ttl:key", n(3)), ("plain", inner)];
    assert_eq!(found["ttl:fields"], m([("o", m(expected))]));
    assert_eq!(value(&space.store, &key("k")).await, Record::new().with("o", &odd).into());

    let patch = Patch::new().append("l", &odd).set("s", &odd);
    assert!(space.store.patch(&key("k"), &patch, PatchOptions::new()).await.unwrap().is_applied());
    let removed = Patch::new().remove_value("l", &odd).unset("o");
    let done = space.store.patch(&key("k"), &removed, PatchOptions::new()).await.unwrap().applied().unwrap();
    assert_eq!(done.fields.get("l"), Some(&json!([])));
    assert_eq!(
        value(&space.store, &key("k")).await,
        Record::new().with("s", odd).with("l", json!([])).into()
    );
}

async fn foreign(endpoint: String) {
    let space = Space::new(endpoint).await;
    // A version of theirs, no epoch, an attribute of their own, numbers in other forms.
    let theirs = || [("ttl:version", s("v1")), ("owner", s("them")), ("ttl:deadline", n(START + 5000))];
    let mut blob_item = item(theirs());
    blob_item.insert("ttl:value".to_owned(), b("theirs"));
    space.raw.put("blob", blob_item).await;
    assert_eq!(value(&space.store, &key("blob")).await, blob("theirs"));

    let mut record_item = item(theirs());
    let fields = [("n", n("1.0")), ("big", n("1E3")), ("list", l([n("2.50"), s("x")]))];
    record_item.insert("ttl:fields".to_owned(), m(fields));
    space.raw.put("record", record_item).await;
    let expected = Record::new().with("n", 1).with("big", 1000).with("list", json!([2.5, "x"]));
    assert_eq!(value(&space.store, &key("record")).await, expected.into());
    let peek = GetOptions::nothing().with_returning(Returning::DEADLINE | Returning::VERSION);
    let entry = space.store.get(&key("record"), peek).await.unwrap().unwrap();
    assert_eq!(entry.deadline.unwrap().as_epoch_millis(), START + 5000);
    assert_eq!(entry.version.unwrap().as_bytes(), b"v1");

    let patch = Patch::new().increment("n", 1).increment("big", 1).remove_value("list", 2.5);
    let options = PatchOptions::new().with_if_version(entry.version.unwrap());
    let done = space.store.patch(&key("record"), &patch, options).await.unwrap().applied().unwrap();
    assert_eq!(done.fields, Record::new().with("n", 2).with("big", 1001).with("list", ["x"]));
    let found = space.raw.get("record").await.unwrap();
    assert_eq!(found["owner"], s("them"), "what is theirs stays");
    applied(space.store.put(&key("record"), Record::new().into(), PutOptions::new(LONG)).await);
    space.clock.advance(2 * LONG.as_duration());
    assert!(space.store.get(&key("record"), GetOptions::new()).await.unwrap().is_none());
}

async fn not_ours(endpoint: String) {
    let space = Space::new(endpoint).await;
    let with = |attributes: &[(&'static str, AttributeValue)]| item(attributes.iter().cloned());
    let version = ("ttl:version", s("0123456789abcdefghij_-"));
    let bad = [
        with(&[]),
        with(&[("ttl:value", b("v"))]),
        with(&[("ttl:version", n(1)), ("ttl:value", b("v"))]),
        with(std::slice::from_ref(&version)),
        with(&[version.clone(), ("ttl:value", s("v"))]),
        with(&[version.clone(), ("ttl:fields", s("v"))]),
        with(&[version.clone(), ("ttl:deadline", s("soon")), ("ttl:fields", m([]))]),
        with(&[version.clone(), ("ttl:fields", m([("f", AttributeValue::Ss(vec!["x".to_owned()]))]))]),
        with(&[version, ("ttl:fields", m([("f", b("no number"))]))]),
    ];
    for (number, bad) in bad.into_iter().enumerate() {
        space.raw.put("k", bad.clone()).await;
        let before = space.raw.get("k").await;
        let corrupt = |error: ttl_core::Error, what: &str| {
            // A value of bytes, whatever it is, tells the kind.
            let allowed =
                error.kind() == ErrorKind::Corrupt || number == 4 && error.kind() == ErrorKind::WrongKind;
            assert!(allowed, "{bad:?}, {what}: {error}");
        };
        let gets = [
            GetOptions::new(),
            GetOptions::new().with_kind(Kind::Record),
            GetOptions::new().with_refresh(Refresh::extend_only(LONG)),
            GetOptions::new().with_projection(Projection::Fields(Fields::new(["f"]).unwrap())),
        ];
        for (at, options) in gets.into_iter().enumerate() {
            // A record without a map of fields cannot be told from one whose fields are others.
            let result = space.store.get(&key("k"), options).await;
            if at == 3 && (number == 3 || number == 5) {
                assert!(!matches!(result, Ok(None)));
                continue;
            }
            // A refresh sees nothing of the value that makes the entry unreadable, and may move its deadline.
            corrupt(result.expect_err(&format!("{number}, get {at}")), "get");
        }
        if number == 6 || number < 3 {
            assert_eq!(space.raw.get("k").await, before, "{number}");
        }
        let take = space.store.delete(&key("k"), DeleteOptions::take()).await.unwrap_err();
        if number >= 7 {
            assert_eq!(
                take.kind(),
                ErrorKind::OutcomeUnknown,
                "{number}: it has deleted what nobody can read"
            );
        } else {
            corrupt(take, "take");
        }
        if number < 7 {
            assert_eq!(
                space.raw.get("k").await,
                before,
                "{number}: what is not handed out is not taken away"
            );
        } else {
            // No condition looks into the fields.
            space.raw.put("k", bad.clone()).await;
        }
        // A scan shows it with its error, and goes on.
        let page = space
            .store
            .scan(ttl_core::options::ScanOptions::new("k").with_projection(Projection::All))
            .await
            .unwrap();
        let [item] = <[_; 1]>::try_from(page.items).unwrap();
        assert_eq!((item.key, page.next.is_none()), (key("k"), true), "{number}");
        corrupt(item.entry.unwrap_err(), "scan");
        // Who writes without looking is told, and changes nothing.
        if number < 3 {
            let put = space.store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await;
            corrupt(put.unwrap_err(), "put");
            let patch = space.store.patch(&key("k"), &Patch::new().set("f", 1), PatchOptions::new()).await;
            corrupt(patch.unwrap_err(), "patch");
            let to = ExpiryChange::Set(LONG.into());
            corrupt(space.store.expire(&key("k"), to, ExpireOptions::new()).await.unwrap_err(), "expire");
            assert_eq!(space.raw.get("k").await, before, "{number}");
        }
        let swap = PutOptions::new(LONG).with_condition(Condition::IfVersion(ttl_core::Version::random()));
        let outcome = space.store.put(&key("k"), blob("v"), swap).await;
        assert!(outcome.map_or(true, |outcome| outcome.is_refused()), "{number}");
        assert!(space.raw.get("k").await.is_some(), "{number}");
        // What nobody can read can still be deleted.
        let delete = space.store.delete(&key("k"), DeleteOptions::new()).await;
        assert!(delete.is_ok_and(|outcome| outcome.is_applied()), "{number}: it can be deleted");
    }
}

/// R1: what a read cannot make sense of it does not keep alive; what only the fields tell is known from then on.
async fn not_refreshed(endpoint: String) {
    let space = Space::new(endpoint).await;
    let base = || {
        item([("ttl:version", s("0123456789abcdefghij_-")), ("ttl:deadline", n(space.now_millis() + 60_000))])
    };
    let fields = Projection::Fields(Fields::new(["f"]).unwrap());
    let refreshes = [Refresh::extend_only(LONG), Refresh::reset(LONG)];
    let odd = AttributeValue::Ss(vec!["x".to_owned()]);
    let deep = [("f", m([("a", l([n(1), odd.clone()]))]))];
    for (what, name, attribute, told) in [
        ("a text for a blob", "ttl:value", s("v"), true),
        ("a text for the fields", "ttl:fields", s("v"), true),
        ("a set of texts", "ttl:fields", m([("f", odd)]), false),
        ("a set deep down", "ttl:fields", m(deep), false),
        ("bytes for a number", "ttl:fields", m([("f", b("no number"))]), false),
    ] {
        for (at, (refresh, projection)) in refreshes
            .iter()
            .flat_map(|refresh| [(refresh, Projection::All), (refresh, fields.clone())])
            .enumerate()
        {
            let what = format!("{what}, {refresh:?}, {projection:?}");
            let name_of_key = format!("{name}-{at}-{what}");
            let key = key(&name_of_key);
            let mut bad = base();
            bad.insert(name.to_owned(), attribute.clone());
            space.raw.put(&name_of_key, bad.clone()).await;
            let planted = space.raw.get(&name_of_key).await;
            let options = GetOptions::new().with_projection(projection).with_refresh(*refresh);
            let read = space.store.get(&key, options.clone()).await;
            assert!(read.is_err(), "{what}: {read:?}");
            let first = space.raw.get(&name_of_key).await;
            if told {
                assert_eq!(first, planted, "{what}: the first read");
            }
            // Later ones know, those of a batch too.
            space.clock.advance(std::time::Duration::from_secs(1));
            space.wire.requests();
            for read in [
                space.store.get(&key, options.clone()).await,
                space.store.get_many(std::slice::from_ref(&key), options.clone()).await.remove(0),
            ] {
                let error = read.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::WrongKind), "{what}: {error}");
            }
            assert_eq!(space.raw.get(&name_of_key).await, first, "{what}: the later reads");
            // When it is repaired, all is as before.
            bad.remove(name);
            bad.insert("ttl:fields".to_owned(), m([("f", n(1))]));
            space.raw.put(&name_of_key, bad).await;
            for requests in [if told { 1 } else { 2 }, 1] {
                space.clock.advance(std::time::Duration::from_secs(1));
                space.wire.requests();
                let entry = space.store.get(&key, options.clone()).await.unwrap().unwrap();
                assert_eq!(entry.value, Some(Record::new().with("f", 1).into()), "{what}");
                assert_eq!(space.wire.requests().len(), requests, "{what}");
                let deadline = space.now_millis() + LONG.as_duration().as_millis() as u64;
                assert_eq!(space.raw.get(&name_of_key).await.unwrap()["ttl:deadline"], n(deadline), "{what}");
            }
        }
    }
}

/// Deadlines and caps that no driver wrote: every operation goes by the same instant as the server's conditions.
async fn odd_instants(endpoint: String) {
    let space = Space::new(endpoint).await;
    let (store, now) = (&space.store, space.now_millis());
    let base = || item([("ttl:version", s("0123456789abcdefghij_-")), ("ttl:fields", m([("n", n(1))]))]);
    let later = n(now + 60_000);
    for (live, odd) in [
        (false, vec![("ttl:deadline", n(-1))]),
        (false, vec![("ttl:deadline", n(format!("{}.5", now - 1)))]),
        (false, vec![("ttl:cap", n(-1))]),
        (false, vec![("ttl:cap", n(now - 1))]),
        (false, vec![("ttl:deadline", later.clone()), ("ttl:cap", n(now - 1))]),
        (true, vec![("ttl:deadline", n(format!("{now}.5")))]),
        (true, vec![("ttl:deadline", n("1E+30"))]),
        (true, vec![("ttl:cap", n(format!("{}.25", now + 60_000)))]),
    ] {
        let plant = || async {
            let mut planted = base();
            planted.extend(odd.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
            space.raw.put("k", planted).await;
        };
        plant().await;
        assert_eq!(store.get(&key("k"), GetOptions::new()).await.unwrap().is_some(), live, "{odd:?}");
        let many = store.get_many(&[key("k"), key("l")], GetOptions::new()).await;
        assert_eq!(many[0].as_ref().unwrap().is_some(), live, "{odd:?}");
        let page = store
            .scan(ttl_core::options::ScanOptions::new("k").with_projection(Projection::All))
            .await
            .unwrap();
        assert_eq!(page.into_entries().unwrap().len(), usize::from(live), "{odd:?}");
        let patch =
            store.patch(&key("k"), &Patch::new().increment("n", 1), PatchOptions::new()).await.unwrap();
        assert_eq!(patch.is_applied(), live, "{odd:?}");
        let reset = PatchOptions::new().with_refresh(Refresh::reset(LONG));
        let swap =
            store.patch(&key("k"), &Patch::new().remove_value("l", 1), PatchOptions::new()).await.unwrap();
        assert_eq!(swap.is_applied(), live, "{odd:?}");
        if odd[0].1 != n("1E+30") {
            let swap = store.patch(&key("k"), &Patch::new().remove_value("l", 1), reset).await.unwrap();
            assert_eq!(swap.is_applied(), live, "{odd:?}");
        }
        plant().await;
        let refresh = GetOptions::new().with_refresh(Refresh::reset(LONG));
        assert_eq!(store.get(&key("k"), refresh).await.unwrap().is_some(), live, "{odd:?}");
        plant().await;
        let expired =
            store.expire(&key("k"), ExpiryChange::Set(LONG.into()), ExpireOptions::new()).await.unwrap();
        assert_eq!(expired.is_applied(), live, "{odd:?}");
        plant().await;
        let deleted = store.delete(&key("k"), DeleteOptions::new()).await.unwrap();
        // The delete of a ghost removes it too, and reports it as absent.
        assert_eq!((deleted.is_applied(), space.raw.get("k").await), (live, None), "{odd:?}");
        plant().await;
        assert_eq!(applied(store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await).created, !live);
        assert_eq!(value(store, &key("k")).await, blob("v"), "{odd:?}");
    }
    // What is no instant at all: a put that is applied says so.
    space
        .raw
        .put("k", {
            let mut odd = base();
            odd.insert("ttl:deadline".to_owned(), s("soon"));
            odd
        })
        .await;
    applied(store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await);
    assert_eq!(value(store, &key("k")).await, blob("v"));
    // A patch that meets what it cannot tell was applied.
    let strange = m([("l", l([AttributeValue::Ss(vec!["x".to_owned()])]))]);
    space.raw.put("k", item([("ttl:version", s("0123456789abcdefghij_-")), ("ttl:fields", strange)])).await;
    let pop = store.patch(&key("k"), &Patch::new().pop_front("l"), PatchOptions::new()).await.unwrap_err();
    assert_eq!(pop.kind(), ErrorKind::OutcomeUnknown, "{pop}");
}

async fn names(endpoint: String) {
    let raw = Raw::create_keyed(&endpoint, "id").await;
    let space = Space::on(endpoint, raw, |config| {
        config.with_key_attribute("id").with_ttl_attribute("expires").with_grace(Duration::ZERO)
    });
    let put = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
    applied(space.store.put(&key("k"), blob("v"), put).await);
    let mut found = space.raw.get("k").await.unwrap();
    token(&mut found);
    let deadline = START + 3_600_000;
    let expected = [
        ("id", s("k")),
        ("ttl:value", b("v")),
        ("ttl:created", n(START)),
        ("ttl:deadline", n(deadline)),
        ("expires", n(deadline / 1000)),
    ];
    assert_eq!(found, item(expected));
    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(2)));
    assert!(space.store.get(&key("k"), refresh).await.unwrap().is_some());
    assert_eq!(space.raw.get("k").await.unwrap()["expires"], n(START / 1000 + 7200));
    let page = space.store.scan(ttl_core::options::ScanOptions::new("k")).await.unwrap();
    assert_eq!(page.items.len(), 1);
    let results = space.store.get_many(&[key("k"), key("l")], GetOptions::new()).await;
    let found: Vec<bool> = results.into_iter().map(|result| result.unwrap().is_some()).collect();
    assert_eq!(found, [true, false]);
    assert!(space.store.delete(&key("k"), DeleteOptions::take()).await.unwrap().is_applied());
    assert!(space.raw.get("k").await.is_none());
}

async fn namespaces(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_namespace("a")).await;
    let (other, _) = space.another(|config| config.with_namespace("b"));
    applied(space.store.put(&key("k"), blob("of a"), PutOptions::new(LONG)).await);
    applied(other.put(&key("k"), blob("of b"), PutOptions::new(LONG)).await);
    assert_eq!(space.raw.get("a:k").await.unwrap()["ttl:value"], b("of a"));
    assert_eq!(space.raw.get("b:k").await.unwrap()["ttl:value"], b("of b"));
    let page = space
        .store
        .scan(ttl_core::options::ScanOptions::new("").with_projection(Projection::All))
        .await
        .unwrap();
    let seen: Vec<_> =
        page.into_entries().unwrap().into_iter().map(|(key, entry)| (key, entry.value.unwrap())).collect();
    assert_eq!(seen, [(key("k"), Value::from("of a"))]);
    assert!(space.store.get(&key("a:k"), GetOptions::new()).await.unwrap().is_none());
}
