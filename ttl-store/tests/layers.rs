//! Collections on a store with layers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ttl_store::layers::{
    CircuitBreaker, ClampTtl, Compress, Encrypt, Keyring, LayerExt, LimitSize, Prefix, ReadOnly, Retry,
    Timeout,
};
use ttl_store::{ErrorKind, Raw, Result, Store, Ttl};

#[tokio::test]
async fn collections_work_on_layers() -> Result<()> {
    let plain = ttl_store::connect("memory:").await?;
    let driver = Arc::clone(plain.driver())
        .layer(Prefix::new("tenant-7:"))?
        .layer(LimitSize::new(100))?
        .layer(ClampTtl::new().with_max(Ttl::hours(1)))?
        .layer(Timeout::new(Duration::from_secs(3_600)))?
        .layer(CircuitBreaker::new())?
        .layer(Retry::new())?;
    let store = Store::from(driver);
    let tokens = store.blobs::<String, _>("tokens", Ttl::days(1), Raw).build()?;
    tokens.put("a", &"ada".to_owned()).await?;
    assert_eq!(tokens.get("a").await?.as_deref(), Some("ada"));
    let left = tokens.remaining("a").await?;
    assert!(left.is_some_and(|left| left <= Ttl::hours(1).as_duration()), "{left:?}");
    let error = tokens.put("b", &"x".repeat(101)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.key().map(|key| key.as_str().starts_with("tenant"))),
        (ErrorKind::TooLarge, Some(false))
    );
    assert_eq!(tokens.keys().count().await?, 1);

    let view = Store::from(Arc::clone(store.driver()).layer(ReadOnly::new())?);
    let tokens = view.blobs::<String, _>("tokens", Ttl::days(1), Raw).build()?;
    assert_eq!(tokens.get("a").await?.as_deref(), Some("ada"));
    assert_eq!(tokens.delete("a").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    Ok(())
}

#[tokio::test]
async fn collections_work_on_encrypted_and_compressed_stores() -> Result<()> {
    let plain = ttl_store::connect("memory:").await?;
    let secret = |byte| Keyring::new("key", [byte; 32]);
    let open = |keys| {
        let encrypted = Arc::clone(plain.driver()).layer(Encrypt::new("app", keys))?;
        encrypted.layer(Compress::gzip()).map(Store::from)
    };
    let store = open(secret(1))?;
    let pages = store.records::<BTreeMap<String, String>>("pages", Ttl::days(1)).build()?;
    let page = BTreeMap::from([("text".to_owned(), "a long text, ".repeat(1_000))]);
    pages.put("a", &page).await?;
    assert_eq!(pages.get("a").await?, Some(page));
    assert_eq!(pages.keys().count().await?, 1);
    let counters = store.counters("hits", Ttl::days(1)).build()?;
    counters.add("a", 2).await?;
    assert_eq!(counters.add("a", 3).await?, 5);

    let other = open(secret(2))?;
    let pages = other.records::<BTreeMap<String, String>>("pages", Ttl::days(1)).build()?;
    let error = pages.get("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains(r#"with the key "key""#), "{error}");
    Ok(())
}
