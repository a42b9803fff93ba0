//! Collections on a store with layers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ttl_store::layers::{
    CircuitBreaker, ClampTtl, Compress, Encrypt, FailOpen, Fallback, Keyring, LayerExt, LimitSize, Prefix,
    ReadOnly, Retry, Timeout,
};
use ttl_store::options::{DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PutOptions};
use ttl_store::results::{ExpireResult, PutResult};
use ttl_store::{
    Actions, Capabilities, Entry, Error, ErrorKind, Key, Outcome, Raw, RefreshMode, RefreshPolicy, Result,
    Store, Ttl, TtlStore, Value, async_trait, forward_ttl_store,
};

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

/// A driver whose backend is down. It counts the calls that reach it.
#[derive(Debug, Default)]
struct Down(AtomicU64);

impl Down {
    fn fail<T>(&self) -> Result<T> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(Error::new(ErrorKind::Unavailable, "the backend is down"))
    }
}

#[async_trait]
impl TtlStore for Down {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new("down")
    }

    async fn get(&self, _: &Key, _: GetOptions) -> Result<Option<Entry>> {
        self.fail()
    }

    async fn put(&self, _: &Key, _: Value, _: PutOptions) -> Result<Outcome<PutResult>> {
        self.fail()
    }

    async fn expire(&self, _: &Key, _: ExpiryChange, _: ExpireOptions) -> Result<Outcome<ExpireResult>> {
        self.fail()
    }
}

#[tokio::test]
async fn a_cache_survives_an_outage_and_a_lease_does_not_pretend() -> Result<()> {
    let (down, fail_open) = (Arc::new(Down::default()), FailOpen::new());
    let store = Store::from(down.clone().layer(&fail_open)?);
    let pages = store.blobs::<String, _>("pages", Ttl::days(1), Raw).build()?;
    pages.put("a", &"html".to_owned()).await?;
    assert_eq!(pages.get("a").await?, None);
    assert!(!pages.delete("a").await?);
    assert!(pages.get_many(["a", "b"]).await.into_iter().all(|page| page.is_ok_and(|page| page.is_none())));
    assert_eq!((fail_open.counts().reads(), fail_open.counts().writes()), (3, 2));
    let sent = down.0.load(Ordering::Relaxed);
    assert_eq!(store.leases("jobs", Ttl::seconds(30)).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(pages.create("a", &"html".to_owned()).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(pages.take("a").await.unwrap_err().kind(), ErrorKind::Unsupported);
    let logins = store.counters("logins", Ttl::seconds(30)).build();
    assert_eq!(logins.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(down.0.load(Ordering::Relaxed), sent, "nothing was sent");
    Ok(())
}

/// A memory store that can be out.
#[derive(Debug)]
struct Switch {
    out: AtomicBool,
    inner: Arc<dyn TtlStore>,
}

impl Switch {
    fn fail(&self) -> Result<()> {
        if self.out.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "the backend is down"));
        }
        Ok(())
    }
}

#[async_trait]
impl TtlStore for Switch {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.fail()?;
        self.inner.get(key, options).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.fail()?;
        self.inner.put(key, value, options).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.fail()?;
        self.inner.expire(key, change, options).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.fail()?;
        self.inner.delete(key, options).await
    }

    forward_ttl_store!(self, self.inner => capabilities now patch scan get_many put_many delete_many changes);
}

#[tokio::test]
async fn sessions_of_an_outage_slide_and_end_with_a_logout() -> Result<()> {
    let memory = async || ttl_store::connect("memory:").await.map(|store| Arc::clone(store.driver()));
    let switch = Arc::new(Switch { out: AtomicBool::new(false), inner: memory().await? });
    let fallback = Fallback::new(memory().await?);
    let store = Store::from(switch.clone().layer(&fallback)?);
    // Each read is due to refresh, with a second request.
    let sliding = RefreshPolicy::on(Actions::FETCH)?.with_mode(RefreshMode::Reset);
    let sessions = store.blobs::<String, _>("sessions", Ttl::minutes(30), Raw).refresh(sliding).build()?;
    switch.out.store(true, Ordering::Relaxed);
    sessions.put("s1", &"ada".to_owned()).await?;
    for _ in 0..3 {
        assert_eq!(sessions.get("s1").await?.as_deref(), Some("ada"));
    }
    assert!(sessions.remaining("s1").await?.is_some_and(|left| left <= Duration::from_secs(300)));
    assert_eq!(sessions.get("s2").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(sessions.delete("s1").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(sessions.get("s1").await.unwrap_err().kind(), ErrorKind::Unavailable);
    switch.out.store(false, Ordering::Relaxed);
    assert_eq!(sessions.get("s1").await?, None);
    assert_eq!((fallback.counts().writes, fallback.counts().failed_removals), (1, 0));
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
