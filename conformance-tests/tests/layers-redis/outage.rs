//! A Redis that is out in the middle of a program: a proxy refuses its connections and closes the open ones.

use std::sync::Arc;
use std::time::Duration;

use ttl_conformance::{Fault, FaultProxy};
use ttl_core::options::{DeleteOptions, GetOptions, PutOptions};
use ttl_core::{ErrorKind, Key, Ttl, TtlStore, Version};
use ttl_memory::MemoryStore;
use ttl_redis::{RedisConfig, RedisStore};
use ttl_store::Store;
use ttl_store::layers::{CircuitBreaker, CircuitState, FailOpen, Fallback, LayerExt};

/// The time for which a circuit stays open.
const OPEN_FOR: Duration = Duration::from_millis(300);

/// A Redis behind a proxy.
struct Behind {
    proxy: FaultProxy,
    driver: Arc<dyn TtlStore>,
}

impl Behind {
    async fn new(url: &str) -> Self {
        let address = url.trim_start_matches("redis://").split(['/', '?']).next().unwrap().to_owned();
        let proxy = FaultProxy::start(address.clone()).await.unwrap();
        let through = url.replacen(&address, &proxy.address().to_string(), 1);
        let config = RedisConfig::from_url(&through).unwrap().with_timeout(Duration::from_secs(5));
        let config = config.with_namespace(format!("outage-{}", Version::random()));
        let driver = Arc::new(RedisStore::connect(&config).await.unwrap());
        Self { proxy, driver }
    }

    fn stop(&self) {
        self.proxy.set(Fault::Refuse);
    }

    /// Ends the outage, and waits until the driver works again.
    async fn start(&self) {
        self.proxy.heal();
        for _ in 0..200 {
            if self.driver.get(&key(), GetOptions::new()).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the driver has not recovered in ten seconds");
    }
}

fn key() -> Key {
    Key::new("page").unwrap()
}

fn put() -> PutOptions {
    PutOptions::new(Ttl::hours(1))
}

async fn kind_of_get(store: &dyn TtlStore) -> Option<ErrorKind> {
    store.get(&key(), GetOptions::new()).await.err().map(|error| error.kind())
}

/// Without a layer for outages, the error reaches the caller. `FailOpen` serves misses and counts them.
pub(crate) async fn fail_open(url: &str) {
    let redis = Behind::new(url).await;
    let fail_open = FailOpen::new();
    let store = redis.driver.clone().layer(&fail_open).unwrap();
    assert!(store.put(&key(), "v".into(), put()).await.unwrap().is_applied());
    redis.stop();
    assert_eq!(kind_of_get(&*redis.driver).await, Some(ErrorKind::Unavailable));
    for _ in 0..3 {
        assert!(store.get(&key(), GetOptions::new()).await.unwrap().is_none(), "a miss");
    }
    assert!(store.put(&key(), "lost".into(), put()).await.unwrap().is_applied());
    assert!(store.delete(&key(), DeleteOptions::new()).await.unwrap().is_absent());
    assert_eq!((fail_open.counts().reads(), fail_open.counts().writes()), (3, 2));
    let leases = Store::from(store.clone()).leases("jobs", Ttl::seconds(30));
    assert_eq!(leases.unwrap_err().kind(), ErrorKind::Unsupported, "a lease is not granted to everybody");
    redis.start().await;
    let value = store.get(&key(), GetOptions::new()).await.unwrap().and_then(|entry| entry.value);
    assert_eq!(value, Some("v".into()), "the entry from before the outage");
    assert_eq!(fail_open.counts().reads(), 3);
    let _ = store.delete(&key(), DeleteOptions::new()).await.unwrap();
}

/// The circuit opens, fails calls without a request, and closes after a probe.
pub(crate) async fn circuit(url: &str) {
    let redis = Behind::new(url).await;
    let breaker = CircuitBreaker::new().with_outages(3).with_open_for(OPEN_FOR);
    let store = redis.driver.clone().layer(&breaker).unwrap();
    assert!(store.put(&key(), "v".into(), put()).await.unwrap().is_applied());
    assert_eq!(breaker.state(), CircuitState::Closed);
    redis.stop();
    for _ in 0..3 {
        assert_eq!(kind_of_get(&*store).await, Some(ErrorKind::Unavailable));
    }
    assert_eq!(breaker.state(), CircuitState::Open);
    let connections = redis.proxy.connections();
    for _ in 0..100 {
        assert_eq!(kind_of_get(&*store).await, Some(ErrorKind::Unavailable));
    }
    // The probes that the time allows connect, and the other calls do not.
    assert!(redis.proxy.connections() - connections < 50, "an open circuit sends nothing");
    redis.start().await;
    for _ in 0..200 {
        if store.get(&key(), GetOptions::new()).await.is_ok() {
            assert_eq!(breaker.state(), CircuitState::Closed);
            let _ = store.delete(&key(), DeleteOptions::new()).await.unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the circuit has not closed in ten seconds");
}

/// The second store keeps what is written during the outage, and the first one is used again afterwards.
pub(crate) async fn fallback(url: &str) {
    let redis = Behind::new(url).await;
    let fallback = Fallback::new(Arc::new(MemoryStore::default()));
    let store = redis.driver.clone().layer(&fallback).unwrap();
    assert!(store.put(&key(), "before".into(), put()).await.unwrap().is_applied());
    redis.stop();
    assert_eq!(
        kind_of_get(&*store).await,
        Some(ErrorKind::Unavailable),
        "nothing was written during the outage"
    );
    assert!(store.put(&key(), "during".into(), put()).await.unwrap().is_applied());
    let value = store.get(&key(), GetOptions::new()).await.unwrap().and_then(|entry| entry.value);
    assert_eq!(value, Some("during".into()));
    redis.start().await;
    let value = store.get(&key(), GetOptions::new()).await.unwrap().and_then(|entry| entry.value);
    assert_eq!(value, Some("before".into()));
    assert!(store.delete(&key(), DeleteOptions::new()).await.unwrap().is_applied());
    redis.stop();
    assert_eq!(kind_of_get(&*store).await, Some(ErrorKind::Unavailable), "deleted from both");
}
