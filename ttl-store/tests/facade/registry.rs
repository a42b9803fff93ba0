//! Schemes: known, unknown, disabled, and of a third party.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ttl_store::{Error, ErrorKind, Registry, Result, Store, connect};

use crate::support::{Fixture, TTL};

fn refusal(result: Result<Store>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains("s3cret"), "{printed}");
    error.to_string()
}

#[tokio::test]
async fn an_unknown_scheme_lists_the_known_ones() {
    let text = refusal(connect("mongodb://user:s3cret@host/db").await);
    assert!(text.contains("\"mongodb\""), "{text}");
    assert!(
        text.contains(
            "cassandra, dynamodb, memory, null, redis, redis+unix, rediss, scylla, valkey, valkey+unix, valkeys"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn null_keeps_nothing_and_grants_no_lease() -> Result<()> {
    // The settings of the URL that it replaces have no meaning.
    for url in ["null:", "null:?timeout=2s", "null://host/0"] {
        let store = connect(url).await?;
        store.put("k", "v", TTL).await?;
        assert_eq!(store.get("k").await?, None);
        assert_eq!(store.keys().count().await?, 0);
        assert_eq!(store.leases("jobs", TTL).unwrap_err().kind(), ErrorKind::Unsupported);
        assert!(!store.capabilities().stores);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_url_is_refused_and_not_printed() {
    for url in ["", "s3cret", ":s3cret", "s3cret@host:6379", "//user:s3cret@host", "6379:s3cret", "s3 cret:x"]
    {
        let text = refusal(connect(url).await);
        assert!(text.contains("has no valid scheme"), "{text}");
    }
}

#[tokio::test]
async fn a_scheme_whose_feature_is_off_names_the_feature() {
    for (feature, url, on) in [
        ("dynamodb", "dynamodb://s3cret@table", cfg!(feature = "dynamodb")),
        ("memory", "memory:", cfg!(feature = "memory")),
        ("scylla", "scylla://u:s3cret@host", cfg!(feature = "scylla")),
        ("scylla", "CASSANDRA://u:s3cret@host", cfg!(feature = "scylla")),
        ("redis", "redis://:s3cret@host", cfg!(feature = "redis")),
        ("redis", "VALKEYS://:s3cret@host", cfg!(feature = "redis")),
    ] {
        if !on {
            let text = refusal(connect(url).await);
            assert!(text.contains(&format!("needs the feature {feature:?} of ttl-store")), "{text}");
        }
    }
}

#[tokio::test]
async fn a_driver_refuses_what_it_does_not_understand_before_it_connects() {
    for (url, says, on) in [
        ("memory:?colour=s3cret", "colour", cfg!(feature = "memory")),
        ("redis://:s3cret@host?colour=1", "colour", cfg!(feature = "redis")),
        ("valkey://:s3cret@host?colour=1", "colour", cfg!(feature = "redis")),
        ("dynamodb://table?colour=1", "colour", cfg!(feature = "dynamodb")),
        ("scylla://u:s3cret@host", "KEYSPACE/TABLE", cfg!(feature = "scylla")),
        ("Cassandra://u:s3cret@host/shop/sessions?colour=1", "colour", cfg!(feature = "scylla")),
        (
            "scylla://u:s3cret@host/shop/sessions?tls=true",
            "`scylla-tls` of ttl-store",
            cfg!(feature = "scylla") && !cfg!(feature = "scylla-tls"),
        ),
    ] {
        if on {
            let text = refusal(connect(url).await);
            assert!(text.contains(says), "{text}");
        }
    }
}

#[tokio::test]
async fn a_third_party_joins_with_its_own_scheme() {
    let fixture = Fixture::new();
    let opened = Arc::new(AtomicUsize::new(0));
    let (store, count) = (fixture.store.clone(), Arc::clone(&opened));
    let registry = Registry::default().with("Files", move |url: String| {
        let (store, count) = (store.clone(), Arc::clone(&count));
        async move {
            if !url.ends_with("/var/lib/app") {
                return Err(Error::new(ErrorKind::InvalidConfig, "no such folder"));
            }
            count.fetch_add(1, Ordering::SeqCst);
            Ok(store)
        }
    });
    assert!(registry.schemes().any(|scheme| scheme == "files"));
    let store = registry.connect("files:/var/lib/app").await.unwrap();
    store.put("k", "v", TTL).await.unwrap();
    assert!(fixture.store.contains("k").await.unwrap());
    registry.connect("FILES:/var/lib/app").await.unwrap();
    assert_eq!(opened.load(Ordering::SeqCst), 2);
    assert_eq!(refusal(registry.connect("files:/s3cret").await), "invalid configuration: no such folder");
}

#[tokio::test]
async fn schemes_can_be_replaced_and_left_out() {
    let fixture = Fixture::new();
    let store = fixture.store.clone();
    let registry = Registry::empty().with("memory", move |_| std::future::ready(Ok(store.clone())));
    assert_eq!(registry.schemes().collect::<Vec<_>>(), ["memory"]);
    registry.connect("memory:").await.unwrap().put("k", "v", TTL).await.unwrap();
    assert!(fixture.store.contains("k").await.unwrap());
    assert!(refusal(Registry::empty().connect("memory:").await).contains("known schemes: none"));
}

#[cfg(feature = "memory")]
#[tokio::test]
async fn memory_is_a_store_of_its_own_each_time() {
    let (one, two) = (connect("memory:").await.unwrap(), connect("memory:").await.unwrap());
    one.put("k", "v", TTL).await.unwrap();
    assert!(one.contains("k").await.unwrap());
    assert!(!two.contains("k").await.unwrap());
}
