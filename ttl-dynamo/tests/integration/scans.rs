//! Scans of a table with several namespaces: wherever a position lies, nothing of others is answered.

use std::num::NonZeroUsize;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{Projection, PutItem, PutOptions, ScanOptions};
use ttl_core::{Cursor, CursorSecret, ErrorKind, TtlStore};
use ttl_dynamo::DynamoStore;

use crate::support::{LONG, Space, blob, key, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("scans::a_position_outside_shows_nothing_of_others", server, outside),
        with_server("scans::a_cursor_of_others_is_refused_unsent", server, of_others),
    ]
}

const SECRET: &str = "0123456789abcdef";

fn secret() -> CursorSecret {
    CursorSecret::new(SECRET).unwrap()
}

/// Entries that say whose they are.
async fn fill(store: &DynamoStore, namespace: &'static str) {
    let names = ["in", "out"].into_iter().flat_map(|part| (0..20).map(move |n| format!("{part}{n:02}")));
    let items = names.map(|name| PutItem::new(key(&name), blob(namespace), PutOptions::new(LONG)));
    for result in store.put_many(items.collect()).await {
        assert!(result.unwrap().is_applied());
    }
}

/// A table of three namespaces, the stores of which have the same cursor secret.
async fn spaces(endpoint: String) -> [Space; 3] {
    let middle =
        Space::with(endpoint, |config| config.with_namespace("b").with_cursor_secret(secret())).await;
    let other = |name: &str| {
        let named =
            |config: ttl_dynamo::DynamoConfig| config.with_namespace(name).with_cursor_secret(secret());
        Space::on(middle.endpoint.clone(), middle.raw.clone(), named)
    };
    let spaces = [other("a"), middle.clone(), other("bb")];
    for (space, namespace) in spaces.iter().zip(["a", "b", "bb"]) {
        fill(&space.store, namespace).await;
    }
    spaces
}

/// What a cursor of this store is bound to.
fn scope<'a>(space: &'a Space, namespace: &'a str, prefix: &'a str) -> [&'a str; 5] {
    ["dynamodb", &space.raw.table, "ttl:key", namespace, prefix]
}

/// A position of one segment, after this stored key.
fn after(stored: &str) -> Vec<u8> {
    let mut position = vec![1, 1];
    position.extend_from_slice(&u16::try_from(stored.len()).unwrap().to_be_bytes());
    position.extend_from_slice(stored.as_bytes());
    position
}

async fn outside(endpoint: String) {
    let [_, space, _] = spaces(endpoint).await;
    for prefix in ["", "in", "in0", "zz"] {
        let options = ScanOptions::new(prefix).with_projection(Projection::All);
        // Positions that nobody can make who does not have the secret: of other namespaces, of none, of keys that are not
        // there, and of a part of the namespace that was not asked for.
        for stored in
            ["a:in03", "a:out19", "b:in03", "b:out07", "b:", "b", "bb:in10", "bb:", "\u{10ffff}", "x"]
        {
            let forged = Cursor::seal(&secret(), &scope(&space, "b:", prefix), &after(stored));
            let mut options = options.clone().with_cursor(Some(forged));
            loop {
                let page = space.store.scan(options.clone().with_limit(NonZeroUsize::new(7).unwrap())).await;
                let page = page.unwrap();
                for item in page.items {
                    let name = item.key.as_str();
                    assert!(name.starts_with(prefix), "{prefix:?} after {stored:?}: {name}");
                    assert_eq!(
                        item.entry.unwrap().value,
                        Some(blob("b")),
                        "{prefix:?} after {stored:?}: {name}"
                    );
                }
                let Some(next) = page.next else { break };
                options = options.with_cursor(Some(next));
            }
        }
        // By itself it gets everywhere too, since DynamoDB answers with the last key that it looked at.
        let (mut options, mut seen, mut places) =
            (options.with_limit(NonZeroUsize::MIN), Vec::new(), Vec::new());
        loop {
            let page = space.store.scan(options.clone()).await.unwrap();
            seen.extend(page.items.iter().map(|item| item.key.as_str().to_owned()));
            let Some(next) = page.next else { break };
            let position = next.open(&secret(), &scope(&space, "b:", prefix)).unwrap();
            places.push(String::from_utf8_lossy(&position[4..]).into_owned());
            options = options.with_cursor(Some(next));
        }
        seen.sort_unstable();
        let mut expected: Vec<String> = ["in", "out"]
            .into_iter()
            .flat_map(|part| (0..20).map(move |n| format!("{part}{n:02}")))
            .collect();
        expected.retain(|name| name.starts_with(prefix));
        assert_eq!(seen, expected, "{prefix:?}");
        assert!(prefix == "zz" || !places.is_empty());
    }
}

async fn of_others(endpoint: String) {
    let [before, space, behind] = spaces(endpoint).await;
    let few = |prefix: &str| ScanOptions::new(prefix).with_limit(NonZeroUsize::MIN);
    let mut cursors = Vec::new();
    for (store, prefix) in [(&before, ""), (&behind, ""), (&space, "in"), (&space, "out")] {
        cursors.push(store.store.scan(few(prefix)).await.unwrap().next.expect("more"));
    }
    // Another table, another key, another secret, no secret at all.
    let table =
        Space::with(space.endpoint.clone(), |config| config.with_namespace("b").with_cursor_secret(secret()))
            .await;
    fill(&table.store, "b").await;
    cursors.push(table.store.scan(few("")).await.unwrap().next.expect("more"));
    let position = after("b:in03");
    let named = ["dynamodb", &space.raw.table, "id", "b:", ""];
    cursors.push(Cursor::seal(&secret(), &named, &position));
    let other = CursorSecret::new("fedcba9876543210").unwrap();
    cursors.push(Cursor::seal(&other, &scope(&space, "b:", ""), &position));
    space.wire.requests();
    for (number, cursor) in cursors.into_iter().enumerate() {
        let error = space.store.scan(few("").with_cursor(Some(cursor))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidCursor, "{number}: {error}");
    }
    assert!(space.wire.requests().is_empty());
}
