//! Helpers of the trials: stores with separate namespaces, and direct connections without the driver.

use std::time::Duration;

use libtest_mimic::Trial;
use redis::aio::MultiplexedConnection;
use ttl_conformance::servers::{ServerUrl, trial};
use ttl_core::options::GetOptions;
use ttl_core::results::PutResult;
use ttl_core::{Bytes, Key, Outcome, TtlStore, Value, Version};
use ttl_redis::{RedisConfig, RedisStore};

pub(crate) const LONG: ttl_core::Ttl = ttl_core::Ttl::hours(1);

/// Long enough for a busy machine. Trials of the limit set their own.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Returns an unused namespace.
pub(crate) struct Namespace {
    pub(crate) config: RedisConfig,
    pub(crate) prefix: String,
    pub(crate) store: RedisStore,
    pub(crate) raw: MultiplexedConnection,
}

impl Namespace {
    pub(crate) async fn new(url: &str) -> Self {
        let name = format!("trial-{}", Version::random());
        let config = RedisConfig::from_url(url).unwrap().with_namespace(&*name).with_timeout(PATIENCE);
        let store = RedisStore::connect(&config).await.unwrap();
        Self { config, prefix: format!("{name}:"), store, raw: raw(url).await }
    }

    /// Returns the key in Redis.
    pub(crate) fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

/// Opens a direct connection, without the driver.
pub(crate) async fn raw(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url.split('?').next().unwrap()).unwrap();
    let patient = redis::AsyncConnectionConfig::new()
        .set_response_timeout(Some(PATIENCE))
        .set_connection_timeout(Some(PATIENCE));
    client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
}

/// Creates a trial on the shared server.
pub(crate) fn with_server<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    server: &ServerUrl,
    test: impl FnOnce(String) -> F + Send + 'static,
) -> Trial {
    let server = server.clone();
    trial(name, async move { test(server.url().to_owned()).await })
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

/// Returns the result of a put that must be applied.
pub(crate) fn applied(outcome: ttl_core::Result<Outcome<PutResult>>) -> PutResult {
    outcome.unwrap().applied().expect("an applied put")
}

/// Returns the value of an entry that must be live.
pub(crate) async fn value(store: &dyn TtlStore, key: &Key) -> Value {
    let entry = store.get(key, GetOptions::new()).await.unwrap();
    entry.expect("a live entry").value.expect("its value")
}

pub(crate) fn blob(text: &'static str) -> Value {
    Value::Blob(Bytes::from_static(text.as_bytes()))
}

/// Waits until a condition holds, within a limit.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..2000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not happen within 20 s");
}
