//! The limits of DynamoDB, from below and from above: none of its expressions' limits is met by what the contract allows.

use libtest_mimic::Trial;
use serde_json::json;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{Fields, GetOptions, PatchOptions, Projection, PutOptions};
use ttl_core::{ErrorKind, Expiry, Key, Lifespan, Patch, Record, Ttl, TtlStore, Value, rules};

use crate::support::{LONG, Space, applied, blob, key, value, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("limits::an_item_of_400_kb_fits_and_a_larger_one_is_refused_unsent", server, items),
        with_server("limits::a_patch_that_makes_an_item_too_large_changes_nothing", server, growing),
        with_server("limits::a_limit_of_the_programs_own_holds_for_all_writes", server, own_limit),
        with_server("limits::a_thousand_operations_of_each_kind_are_applied", server, thousands),
        with_server("limits::a_thousand_fields_are_selected", server, selected),
        with_server("limits::the_longest_names_and_the_deepest_values_fit", server, extremes),
    ]
}

async fn own_limit(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_max_value_bytes(1024)).await;
    assert_eq!(space.store.capabilities().max_value_bytes, 1024);
    let text = |bytes: usize| Record::new().with("t", "x".repeat(bytes - r#"{"t":""}"#.len()));
    for (fits, large) in
        [(Value::from(vec![7; 1024]), vec![7; 1025].into()), (text(1024).into(), text(1025).into())]
    {
        applied(space.store.put(&key("k"), fits.clone(), PutOptions::new(LONG)).await);
        space.wire.requests();
        let error = space.store.put(&key("k"), large, PutOptions::new(LONG)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert!(space.wire.requests().is_empty(), "it was sent");
        assert_eq!(value(&space.store, &key("k")).await, fits);
    }
    // What patches make of a record counts too: it is read before.
    let before = value(&space.store, &key("k")).await;
    let create = PatchOptions::new().with_create(ttl_core::options::Create::new(LONG));
    for (name, large) in [("k", Patch::new().set("n", 1)), ("new", Patch::new().set("t", "x".repeat(1024)))] {
        let error = space.store.patch(&key(name), &large, create.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }
    assert_eq!(value(&space.store, &key("k")).await, before);
    assert!(space.store.get(&key("new"), GetOptions::new()).await.unwrap().is_none());
    space.wire.requests();
    let smaller = space.store.patch(&key("k"), &Patch::new().set("t", "y"), PatchOptions::new()).await;
    assert!(smaller.unwrap().is_applied());
    assert_eq!(space.wire.requests().len(), 2);
}

/// A value of about so many bytes.
type Sized = fn(usize) -> Value;

const SHAPES: [(&str, Sized); 5] = [
    ("a blob", |bytes| vec![7; bytes].into()),
    ("a text", |bytes| Record::new().with("text", "x".repeat(bytes)).into()),
    ("a list of numbers", |bytes| Record::new().with("list", vec![1234; bytes / 4]).into()),
    ("small fields", |bytes| {
        let names = (0..bytes / 12).map(|number| (format!("name{number:05}"), json!(7)));
        Record::from_fields(names).unwrap().into()
    }),
    ("objects", |bytes| Record::new().with("o", vec![json!({ "ab": ["c", null] }); bytes / 14]).into()),
];

/// The largest size that is not refused; what is refused is refused unsent.
async fn largest(space: &Space, key: &Key, make: Sized, options: &PutOptions) -> usize {
    let (mut fits, mut refused) = (0, 500_000);
    while refused - fits > 1 {
        let middle = usize::midpoint(fits, refused);
        space.wire.requests();
        match space.store.put(key, make(middle), options.clone()).await {
            Ok(outcome) => {
                assert!(outcome.is_applied());
                fits = middle;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
                assert!(space.wire.requests().is_empty(), "it was sent");
                refused = middle;
            }
        }
    }
    fits
}

async fn items(endpoint: String) {
    let space = Space::new(endpoint).await;
    let options = [
        PutOptions::new(Expiry::Never),
        PutOptions::new(Lifespan::from(LONG).with_max_lifetime(Ttl::days(1))),
    ];
    for (shape, make) in SHAPES {
        for options in &options {
            let key = key("k");
            let _ = space.quiet.delete(&key, ttl_core::options::DeleteOptions::new()).await.unwrap();
            let most = largest(&space, &key, make, options).await;
            assert!(most > 300_000, "{shape}: {most}");
            applied(space.store.put(&key, make(most), options.clone()).await);
            assert!(value(&space.store, &key).await == make(most), "{shape}");
            // The server draws the line there too, or a little above: what is counted is never too little.
            let error = space.store.put(&key, make(500_000), options.clone()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge, "{shape}");
            assert!(value(&space.store, &key).await == make(most), "{shape}: what was stored stays");
        }
    }
    // What is declared fits under the longest key.
    let most = space.store.capabilities().max_value_bytes;
    assert!((390_000..409_600).contains(&most), "{most}");
    let long = key(&"k".repeat(Key::MAX_BYTES));
    let bytes = vec![1; usize::try_from(most).unwrap()];
    applied(space.store.put(&long, bytes.into(), options[1].clone()).await);
}

async fn growing(endpoint: String) {
    let space = Space::new(endpoint).await;
    let key = key("k");
    let chunk = "x".repeat(100_000);
    applied(
        space.store.put(&key, Record::new().with("list", [&chunk; 3]).into(), PutOptions::new(LONG)).await,
    );
    let patches = [
        Patch::new().append("list", &chunk).append("list", &chunk),
        Patch::new().prepend("list", [&chunk, &chunk]),
        Patch::new().set("other", [&chunk, &chunk]),
        Patch::new().pop_back("list").append("list", &chunk).append("list", [&chunk, &chunk]),
        Patch::new().set("one", [&chunk, &chunk, &chunk, &chunk, &chunk]),
    ];
    for (number, patch) in patches.iter().enumerate() {
        let before = space.raw.get("k").await;
        let error = space.store.patch(&key, patch, PatchOptions::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{number}: {error}");
        assert!(space.raw.get("k").await == before, "{number}");
    }
    let fits = Patch::new().append("list", &chunk);
    assert!(space.store.patch(&key, &fits, PatchOptions::new()).await.unwrap().is_applied());
}

/// A field's name for a number: short, or as long as it may be.
fn name(number: usize, long: bool) -> String {
    if long { format!("{number:04}{}", "é".repeat(125)) } else { format!("f{number}") }
}

/// Each kind of operation, a thousand times.
fn thousand(what: &str, long: bool) -> Patch {
    (0..Patch::MAX_OPERATIONS).fold(Patch::new(), |patch, number| {
        let field = name(if what.contains("one") { 0 } else { number }, long);
        match what.split(' ').next().unwrap() {
            "set" => patch.set(field, number),
            "increment" => patch.increment(field, 3),
            "append" => patch.append(field, number),
            "prepend" => patch.prepend(field, "p"),
            "pop_front" => patch.pop_front(field),
            "pop_back" => patch.pop_back(field),
            "remove_value" => patch.remove_value(field, number),
            "clear" => patch.clear(field),
            "unset" => patch.unset(field),
            _ => match number % 7 {
                0 => patch.set(field, json!({ "deep": [number] })),
                1 => patch.unset(field),
                2 => patch.append(field, number),
                3 => patch.pop_front(field),
                4 => patch.pop_back(field),
                5 => patch.clear(field),
                _ => patch.remove_value(field, number),
            },
        }
    })
}

const THOUSANDS: [&str; 18] = [
    "set",
    "set one",
    "increment",
    "increment one",
    "append",
    "append one",
    "prepend",
    "prepend one",
    "pop_front",
    "pop_front one",
    "pop_back",
    "pop_back one",
    "remove_value",
    "remove_value one",
    "clear",
    "clear one",
    "unset",
    "mixed",
];

async fn thousands(endpoint: String) {
    let space = Space::new(endpoint).await;
    let key = key("k");
    for what in THOUSANDS {
        for long in [false, true] {
            let patch = thousand(what, long);
            let numbers = what.starts_with("increment");
            let initial = (0..Patch::MAX_OPERATIONS).map(|number| {
                let value = if numbers { json!(number) } else { json!([number, "x"]) };
                (name(number, long), value)
            });
            for initial in [Record::from_fields(initial).unwrap(), Record::new()] {
                applied(space.quiet.put(&key, initial.clone().into(), PutOptions::new(LONG)).await);
                let mut expected = initial;
                let effects = rules::apply(&mut expected, &patch).unwrap().unwrap();
                let done = space.store.patch(&key, &patch, PatchOptions::new()).await;
                let done = done.unwrap_or_else(|error| panic!("{what}, {long}: {error}")).applied().unwrap();
                assert!(done.effects == effects, "{what}, {long}");
                let touched = expected.project(&patch.to_fields().unwrap());
                assert!(done.fields == touched, "{what}, {long}");
                assert!(value(&space.quiet, &key).await == expected.into(), "{what}, {long}");
            }
        }
    }
}

async fn selected(endpoint: String) {
    let space = Space::new(endpoint).await;
    for long in [false, true] {
        let names = || (0..Fields::MAX).map(|number| name(number, long));
        let record = Record::from_fields(names().map(|name| (name, json!(1)))).unwrap();
        applied(
            space.store.put(&key("k"), record.clone().with("more", 2).into(), PutOptions::new(LONG)).await,
        );
        applied(space.store.put(&key("b"), blob("v"), PutOptions::new(LONG)).await);
        let projection = Projection::Fields(Fields::new(names()).unwrap());
        let get = || GetOptions::new().with_projection(projection.clone());
        let refresh = get().with_refresh(ttl_core::options::Refresh::extend_only(Ttl::hours(2)));
        for options in [get(), refresh] {
            let entry = space.store.get(&key("k"), options.clone()).await.unwrap().unwrap();
            assert!(entry.value.unwrap() == record.clone().into());
            let mut many = space.store.get_many(&[key("k"), key("none")], options.clone()).await;
            assert!(many.pop().unwrap().unwrap().is_none());
            assert!(many.pop().unwrap().unwrap().unwrap().value.unwrap() == record.clone().into());
            let error = space.store.get(&key("b"), options).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WrongKind);
        }
        let page = space
            .store
            .scan(ttl_core::options::ScanOptions::new("k").with_projection(projection.clone()))
            .await
            .unwrap();
        assert!(page.into_entries().unwrap()[0].1.value == Some(record.clone().into()));
        let take = ttl_core::options::DeleteOptions::new().with_projection(projection);
        let taken = space.store.delete(&key("k"), take).await.unwrap().applied().unwrap().unwrap();
        assert!(taken.value.unwrap() == record.into());
    }
}

async fn extremes(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_namespace("n".repeat(255))).await;
    let mut deep = json!(1);
    for level in 0..30 {
        deep = if level % 2 == 0 { json!([deep]) } else { json!({ "": deep }) };
    }
    let long = key(&"ключ".repeat(128));
    assert_eq!(long.as_str().len(), Key::MAX_BYTES);
    let field = "é".repeat(127);
    let record = Record::new().with(&*field, &deep).with("l", [1]);
    applied(space.store.put(&long, record.clone().into(), PutOptions::new(LONG)).await);
    assert_eq!(value(&space.store, &long).await, record.clone().into());
    let shallow = deep[0].clone();
    let patch = Patch::new().set("set", &deep).append("l", &shallow).prepend("l", &shallow);
    let done = space.store.patch(&long, &patch, PatchOptions::new()).await.unwrap().applied().unwrap();
    assert_eq!(done.fields.get("l"), Some(&json!([shallow, 1, shallow])));
    let expected = record.with("set", &deep).with("l", json!([shallow, 1, shallow]));
    assert_eq!(value(&space.store, &long).await, expected.into());
    let page = space.store.scan(ttl_core::options::ScanOptions::new("к")).await.unwrap();
    assert_eq!(page.items.len(), 1);
    // One level more is refused, and not sent.
    space.wire.requests();
    let deeper = Patch::new().append("l", &deep);
    let error = space.store.patch(&long, &deeper, PatchOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidField);
    assert!(space.wire.requests().is_empty());
}
