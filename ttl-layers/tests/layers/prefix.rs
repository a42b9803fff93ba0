//! `Prefix`: keys are translated in both directions, and nothing crosses from one prefix to another.

use std::num::NonZeroUsize;
use std::sync::Arc;

use ttl_core::options::{DeleteOptions, GetOptions, PatchOptions, ScanOptions};
use ttl_core::{CursorSecret, ErrorKind, Key, Page, Patch, Result, TtlStore};
use ttl_layers::{LayerExt, Prefix};

use crate::recorder::{Fault, Recorder, items, key, keys, kind, kinds, lasting, text};

fn prefixed(prefix: &str) -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(Prefix::new(prefix)).unwrap();
    (recorder, store)
}

fn page_of(limit: usize, prefix: &str) -> ScanOptions {
    ScanOptions::new(prefix).with_limit(NonZeroUsize::new(limit).unwrap())
}

fn listed(page: &Page) -> Vec<String> {
    page.items.iter().map(|item| item.key.to_string()).collect()
}

/// Lists all keys, and returns them sorted, with the number of pages.
async fn list(store: &dyn TtlStore, limit: usize, prefix: &str) -> (Vec<String>, usize) {
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = store.scan(page_of(limit, prefix).with_cursor(cursor)).await.unwrap();
        assert!(page.next.is_none() || page.items.len() == limit, "only the last page may be short");
        found.extend(listed(&page));
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            found.sort();
            return (found, pages);
        }
    }
}

#[tokio::test]
async fn every_call_uses_the_prefixed_key() {
    let (recorder, store) = prefixed("p:");
    let _ = store.put(&key("a"), "1".into(), lasting()).await.unwrap();
    assert_eq!(text(recorder.memory(), "p:a").await.as_deref(), Some("1"));
    let _ = store.get(&key("a"), GetOptions::new()).await;
    let _ = store.patch(&key("a"), &Patch::new(), PatchOptions::new()).await;
    store.put_many(items([("b", "2"), ("c", "3")])).await;
    store.get_many(&keys(["b", "c"]), GetOptions::new()).await;
    store.delete_many(&keys(["b"]), DeleteOptions::new()).await;
    let _ = store.scan(ScanOptions::new("x")).await;
    let seen: Vec<String> = recorder.calls().into_iter().flat_map(|(_, keys)| keys).collect();
    assert_eq!(seen, ["p:a", "p:a", "p:a", "p:b", "p:c", "p:b", "p:c", "p:b", "p:x"]);
}

#[tokio::test]
async fn prefixes_share_nothing_and_scans_list_the_callers_keys() {
    let (recorder, one) = prefixed("one:");
    let two = recorder.clone().layer(Prefix::new("two:")).unwrap();
    one.put_many(items([("user:1", "a"), ("user:2", "b"), ("x", "c")])).await;
    two.put_many(items([("user:1", "z")])).await;
    let _ = recorder.memory().put(&key("user:9"), "plain".into(), lasting()).await.unwrap();
    recorder.calls();
    assert_eq!(list(&*one, 2, "").await, (vec!["user:1".into(), "user:2".into(), "x".into()], 2));
    assert_eq!(list(&*one, 100, "user:").await, (vec!["user:1".into(), "user:2".into()], 1));
    assert_eq!(list(&*two, 100, "").await, (vec!["user:1".into()], 1));
    assert_eq!(recorder.methods(), ["scan"; 4]);
    assert_eq!(text(&*two, "user:1").await.as_deref(), Some("z"));
}

#[tokio::test]
async fn a_cursor_works_with_its_prefix_and_its_scan_only() {
    let (recorder, store) = prefixed("a");
    // Without the binding, the inner store sees the same scan of "ab" in the first three.
    let neighbours = [
        (recorder.clone().layer(Prefix::new("ab")).unwrap(), ""),
        (recorder.clone() as Arc<dyn TtlStore>, "ab"),
        (
            recorder
                .clone()
                .layer(Prefix::new("a").with_cursor_secret(CursorSecret::new([7; 16]).unwrap()))
                .unwrap(),
            "b",
        ),
        (store.clone(), ""),
    ];
    store.put_many(items([("b1", "1"), ("b2", "2"), ("b3", "3")])).await;
    let cursor = store.scan(page_of(1, "b")).await.unwrap().next.unwrap();
    for (at, (neighbour, prefix)) in neighbours.into_iter().enumerate() {
        let scan = neighbour.scan(page_of(1, prefix).with_cursor(cursor.clone())).await;
        assert_eq!(kind(scan), ErrorKind::InvalidCursor, "{at}");
        // And the reverse.
        let foreign = neighbour.scan(page_of(1, prefix)).await.unwrap().next.unwrap();
        let scan = store.scan(page_of(1, "b").with_cursor(foreign)).await;
        assert_eq!(kind(scan), ErrorKind::InvalidCursor, "{at}");
    }
    assert_eq!(store.scan(page_of(2, "b").with_cursor(cursor)).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn a_key_that_is_the_prefix_alone_is_not_listed_and_pages_stay_full() {
    let expected: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
    // The order of a scan is random, and the key is on the last page of some stores.
    for _ in 0..20 {
        let (recorder, store) = prefixed("p:");
        let _ = recorder.memory().put(&key("p:"), "no caller's".into(), lasting()).await.unwrap();
        store.put_many(items([("a", "1"), ("b", "2"), ("c", "3")])).await;
        for limit in 1..6 {
            assert_eq!(list(&*store, limit, "").await.0, expected, "{limit}");
        }
    }
}

#[tokio::test]
async fn the_longest_key_is_shorter_by_the_prefix() {
    let (recorder, store) = prefixed("tenant:");
    let most = Key::MAX_BYTES - "tenant:".len();
    let longest = "k".repeat(most);
    for text in
        [longest.clone(), "é".repeat(most / 2), format!("{}a", &longest[1..]), format!("a{}", &longest[1..])]
    {
        let put = store.put(&key(&text), text.clone().into(), lasting()).await.unwrap();
        assert!(put.applied().unwrap().created, "every key has an entry of its own");
        assert_eq!(crate::recorder::text(&*store, &text).await, Some(text));
    }
    let page = store.scan(ScanOptions::new(longest.clone())).await.unwrap();
    assert_eq!(listed(&page), std::slice::from_ref(&longest));
    assert!(store.scan(ScanOptions::new("k".repeat(Key::MAX_BYTES + 1))).await.unwrap().items.is_empty());
    recorder.calls();
    let too_long = key(&(longest + "k"));
    let error = store.get(&too_long, GetOptions::new()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "get on memory: invalid key: expected 1 to 1017 bytes on this store, which adds a prefix, found 1018"
    );
    assert_eq!(error.key(), Some(&too_long));
    assert_eq!(kind(store.put(&too_long, "v".into(), lasting()).await), ErrorKind::InvalidKey);
    assert_eq!(kind(store.delete(&too_long, DeleteOptions::new()).await), ErrorKind::InvalidKey);
    assert!(recorder.calls().is_empty());
}

#[tokio::test]
async fn a_key_too_long_fails_alone_in_a_batch() {
    let (recorder, store) = prefixed("p:");
    let too_long = key(&"k".repeat(Key::MAX_BYTES));
    let mut batch = items([("a", "1"), ("x", "2"), ("b", "3")]);
    batch[1].key = too_long.clone();
    let invalid = Some(ErrorKind::InvalidKey);
    assert_eq!(kinds(&store.put_many(batch).await), [None, invalid, None]);
    let three = [key("a"), too_long.clone(), key("b")];
    let got = store.get_many(&three, GetOptions::new()).await;
    assert_eq!(kinds(&got), [None, invalid, None]);
    assert!(got[0].as_ref().unwrap().is_some() && got[2].as_ref().unwrap().is_some());
    assert_eq!(got[1].as_ref().unwrap_err().key(), Some(&too_long));
    assert_eq!(kinds(&store.delete_many(&three, DeleteOptions::new()).await), [None, invalid, None]);
    assert_eq!(recorder.methods(), ["put_many", "get_many", "delete_many"]);
    assert_eq!(kinds(&store.get_many(&three[1..2], GetOptions::new()).await), [invalid]);
    assert!(recorder.calls().is_empty(), "nothing remains to be sent");
}

#[tokio::test]
async fn errors_carry_the_callers_key() -> Result<()> {
    let (recorder, store) = prefixed("p:");
    recorder.fail(1, ErrorKind::Corrupt);
    let error = store.get(&key("a"), GetOptions::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.key()), (ErrorKind::Corrupt, Some(&key("a"))));
    recorder.script([Some(Fault::Items(vec![None, Some(ErrorKind::Corrupt)]))]);
    let deleted = store.delete_many(&keys(["a", "b"]), DeleteOptions::new()).await;
    assert_eq!(deleted[1].as_ref().unwrap_err().key(), Some(&key("b")));
    recorder.script([Some(Fault::Fails(ErrorKind::Unavailable))]);
    let put = store.put_many(items([("a", "1"), ("b", "2")])).await;
    let found: Vec<&Key> = put.iter().map(|put| put.as_ref().unwrap_err().key().unwrap()).collect();
    assert_eq!(found, [&key("a"), &key("b")]);
    Ok(())
}

#[tokio::test]
async fn the_error_of_a_refresh_carries_the_callers_key() {
    // The inner layer refuses the refresh and reports its own key.
    let recorder = Recorder::new();
    let _ = recorder.memory().put(&key("p:a"), "v".into(), lasting()).await.unwrap();
    let store = recorder.layer(ttl_layers::ReadOnly::new()).unwrap().layer(Prefix::new("p:")).unwrap();
    let options = GetOptions::new().with_refresh(ttl_core::options::Refresh::reset(ttl_core::Ttl::hours(2)));
    let one = store.get(&key("a"), options.clone()).await.unwrap().unwrap();
    assert_eq!(one.refresh_error.unwrap().key(), Some(&key("a")));
    let many = store.get_many(&keys(["a"]), options).await.remove(0).unwrap().unwrap();
    assert_eq!(many.refresh_error.unwrap().key(), Some(&key("a")));
}
