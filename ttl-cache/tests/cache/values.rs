//! What loaders return: values, none, unmodified ones, errors and panics.

use std::error::Error as _;
use std::time::Duration;

use ttl_cache::{Cache, CacheError, LoadOptions, Loaded};
use ttl_core::codec::{Codec, Json, Raw};
use ttl_core::options::{GetOptions, ScanOptions};
use ttl_core::{Key, Ttl, TtlStore};

use crate::support::{Counted, failure, fresh_for, number};

#[tokio::test]
async fn an_error_is_returned_and_not_stored() {
    let store = Counted::new();
    let cache = store.cache();
    let error = cache.get_or_load("a", |_| failure()).await.unwrap_err();
    assert_eq!(error.loader_error::<std::io::Error>().unwrap().to_string(), "no answer");
    assert_eq!(error.source().unwrap().to_string(), "no answer");
    assert!(!error.to_string().contains("no answer"));
    // The key is free at once.
    assert_eq!(*cache.get_or_load("a", |_| number(1)).await.unwrap(), 1);
    assert_eq!((cache.stats().loads, cache.stats().load_errors), (1, 1));
}

#[tokio::test]
async fn the_answer_that_there_is_none_has_its_own_lifetime() {
    let store = Counted::new();
    let cache = store.builder().absent_ttl(Ttl::seconds(5)).build().unwrap();
    let none = |_| async { Ok::<_, std::io::Error>(None::<u64>) };
    let unexpected = |_| async { Err::<Option<u64>, _>(std::io::Error::other("loaded")) };
    assert_eq!(cache.find_or_load("a", none).await.unwrap(), None);
    assert_eq!(cache.find_or_load("a", unexpected).await.unwrap(), None);
    assert_eq!(cache.get("a").await.unwrap(), None);
    assert_eq!((cache.stats().hits, cache.stats().misses), (2, 1));
    store.clock.advance(Duration::from_secs(5));
    assert!(cache.find_or_load("a", unexpected).await.is_err());
    // A call that needs a value loads.
    assert_eq!(cache.find_or_load("b", none).await.unwrap(), None);
    assert_eq!(*cache.get_or_load("b", |_| number(2)).await.unwrap(), 2);
    assert_eq!(cache.find_or_load("b", none).await.unwrap().as_deref(), Some(&2));
}

#[tokio::test]
async fn an_unmodified_value_begins_a_new_lifetime() {
    let store = Counted::new();
    let cache = store.builder().soft_timeout(Duration::from_secs(10)).build().unwrap();
    let unmodified = |context: ttl_cache::LoadContext<u64>| async move {
        assert_eq!(context.stale().map(|stale| **stale), Some(1));
        Ok::<_, std::io::Error>(Loaded::not_modified())
    };
    cache.get_or_load("a", |_| fresh_for(1, Ttl::seconds(1))).await.unwrap();
    store.clock.advance(Duration::from_secs(500));
    assert_eq!(*cache.get_or_load("a", unmodified).await.unwrap(), 1);
    store.clock.advance(Duration::from_secs(500));
    assert_eq!(*cache.get_or_load("a", |_| number(2)).await.unwrap(), 1);
    assert_eq!((cache.stats().loads, cache.stats().stale), (2, 0));
    // Without a value, there is nothing to keep.
    let nothing = |_| async { Ok::<_, std::io::Error>(Loaded::not_modified()) };
    assert!(matches!(cache.get_or_load("b", nothing).await, Err(CacheError::Loader(_))));
}

#[tokio::test]
async fn late_tags_are_known_to_the_next_load() {
    let store = Counted::new();
    let cache = store.cache();
    let tagged =
        |number| move |_| async move { Ok::<_, std::io::Error>(Loaded::new(number).with_tags(["t"])) };
    assert_eq!(*cache.get_or_load("a", tagged(1)).await.unwrap(), 1);
    assert_eq!(*cache.get_or_load("a", tagged(2)).await.unwrap(), 2);
    assert_eq!(*cache.get_or_load("a", tagged(3)).await.unwrap(), 2);
    cache.invalidate_tag("t").await.unwrap();
    // The tag is known from the invalidated value.
    assert_eq!(*cache.get_or_load("a", tagged(4)).await.unwrap(), 4);
    assert_eq!(*cache.get_or_load("a", tagged(5)).await.unwrap(), 4);
}

#[tokio::test]
async fn a_value_without_a_tag_of_the_call_is_loaded_again() {
    let store = Counted::new();
    let cache = store.cache();
    let tagged = |tag: &str| LoadOptions::new().with_tags([tag]);
    assert_eq!(*cache.get_or_load_with("a", tagged("t"), |_| number(1)).await.unwrap(), 1);
    assert_eq!(*cache.get_or_load_with("a", tagged("u"), |_| number(2)).await.unwrap(), 2);
    // The value now has both tags, so the two calls do not replace each other's.
    assert_eq!(*cache.get_or_load_with("a", tagged("t"), |_| number(3)).await.unwrap(), 2);
    for (tag, next) in [("t", 4), ("u", 6)] {
        cache.invalidate_tag(tag).await.unwrap();
        assert_eq!(*cache.get_or_load_with("a", tagged("t"), move |_| number(next)).await.unwrap(), next);
        assert_eq!(
            *cache.get_or_load_with("a", tagged("u"), move |_| number(next + 1)).await.unwrap(),
            next + 1
        );
    }
}

#[tokio::test]
async fn programs_with_different_types_replace_each_other_once() {
    let store = Counted::new();
    let numbers: Cache<String, u64> =
        Cache::builder(store.clone() as std::sync::Arc<dyn TtlStore>, "c", Ttl::minutes(10), Json)
            .build()
            .unwrap();
    let texts: Cache<String, String> =
        Cache::builder(store.clone() as std::sync::Arc<dyn TtlStore>, "c", Ttl::minutes(10), Json)
            .build()
            .unwrap();
    for _ in 0..20 {
        assert_eq!(*numbers.get_or_load("a", |_| number(1)).await.unwrap(), 1);
        let text = texts.get_or_load("a", |_| async { Ok::<_, std::io::Error>("one".to_owned()) });
        assert_eq!(*text.await.unwrap(), "one");
    }
    let (numbers, texts) = (numbers.stats(), texts.stats());
    // The texts replaced the number, which then did not replace them.
    assert_eq!((numbers.loads, texts.loads), (20, 1), "{numbers:?} {texts:?}");
    assert_eq!((numbers.unreadable, texts.unreadable), (19, 1));
}

#[tokio::test]
async fn a_higher_schema_version_wins() {
    let store = Counted::new();
    let old = store.builder().schema_version(1).build().unwrap();
    let new = store.builder().schema_version(2).build().unwrap();
    for _ in 0..5 {
        assert_eq!(*old.get_or_load("a", |_| number(1)).await.unwrap(), 1);
        assert_eq!(*new.get_or_load("a", |_| number(2)).await.unwrap(), 2);
    }
    assert_eq!((old.stats().loads, new.stats().loads), (5, 1));
}

#[tokio::test]
async fn another_codec_is_not_tried() {
    let store = Counted::new();
    let json: Cache<String, String> =
        Cache::builder(store.clone() as std::sync::Arc<dyn TtlStore>, "c", Ttl::minutes(10), Json)
            .build()
            .unwrap();
    let raw: Cache<String, String> =
        Cache::builder(store.clone() as std::sync::Arc<dyn TtlStore>, "c", Ttl::minutes(10), Raw)
            .build()
            .unwrap();
    json.insert("a", "text".to_owned()).await.unwrap();
    // The raw codec could decode the quotes as a part of the text.
    assert_eq!(raw.get("a").await.unwrap(), None);
    assert_ne!(Codec::<String>::id(&Json), Codec::<String>::id(&Raw));
}

#[tokio::test]
async fn generations_outlive_values() {
    let store = Counted::new();
    let cache = store.cache();
    let options = || LoadOptions::new().with_tags(["t"]);
    let long =
        |number| move |_| async move { Ok::<_, std::io::Error>(Loaded::new(number).with_ttl(Ttl::days(30))) };
    cache.get_or_load_with("a", options(), long(1)).await.unwrap();
    store.clock.advance(Ttl::days(29).as_duration());
    assert_eq!(*cache.get_or_load_with("a", options(), long(2)).await.unwrap(), 1);
    cache.invalidate_tag("t").await.unwrap();
    assert_eq!(*cache.get_or_load_with("a", options(), long(3)).await.unwrap(), 3);
    store.clock.advance(Ttl::days(30).as_duration());
    assert_eq!(cache.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn every_entry_expires() {
    let store = Counted::new();
    let cache = store.cache();
    cache.get_or_load_with("a", LoadOptions::new().with_tags(["t"]), |_| number(1)).await.unwrap();
    cache.get_or_load("b", |_| fresh_for(1, Ttl::MIN)).await.unwrap();
    store.clock.advance(Duration::from_secs(1));
    let _ = cache.get_or_load("b", |_| failure()).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let keys: Vec<Key> =
        store.scan(ScanOptions::new("")).await.unwrap().items.into_iter().map(|item| item.key).collect();
    assert!(keys.len() >= 4, "{keys:?}");
    for key in keys {
        let entry = store
            .get(&key, GetOptions::new().with_returning(ttl_core::options::Returning::DEADLINE))
            .await
            .unwrap();
        assert!(!entry.unwrap().deadline.unwrap().is_never());
    }
}

#[tokio::test]
async fn debug_output_names_no_key_and_no_value() {
    let cache = Counted::new().cache();
    cache.get_or_load("s3cret", |_| number(73_519)).await.unwrap();
    let text = format!("{cache:?} {:?} {:?}", cache.stats(), LoadOptions::new());
    assert!(!text.contains("s3cret") && !text.contains("73519"), "{text}");
}
