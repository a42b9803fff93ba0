//! The harness of the Redis driver on an existing server, with a random namespace for each case, which is
//! emptied afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use ttl_core::options::PutOptions;
use ttl_core::{Error, ErrorKind, Key, Result, Ttl, TtlStore, Value, Version, async_trait};
use ttl_redis::{RedisConfig, RedisStore};

use super::place::{self, HASTE};
use crate::{Beneath, FaultProxy, Fixture, Harness, Time};

/// A limit that is small enough to be tested by the suite.
const MAX_VALUE_BYTES: u64 = 1 << 20;

/// A timeout that is long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Stores on one server.
#[derive(Clone, Debug)]
pub struct RedisHarness {
    url: String,
    config: RedisConfig,
    /// A client of the same server, for connections without the driver.
    client: redis::Client,
}

impl RedisHarness {
    /// Creates a harness for the server of this URL, parsed by [`RedisConfig::from_url`]. Each case has its
    /// own namespace, which replaces that of the URL.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for a URL that is invalid for this driver.
    pub fn new(url: &str) -> Result<Self> {
        let config = RedisConfig::from_url(url)?.with_max_value_bytes(MAX_VALUE_BYTES).with_timeout(TIMEOUT);
        let client = redis::Client::open(plain(url)).map_err(failed)?;
        Ok(Self { url: url.to_owned(), config, client })
    }

    /// Creates a fixture whose store has this configuration, except for the namespace.
    async fn fixture(&self, config: RedisConfig) -> Result<Fixture> {
        let namespace = format!("suite-{}", Version::random());
        let store = RedisStore::connect(&config.with_namespace(&*namespace)).await?;
        let second = RedisStore::connect(&self.config.clone().with_namespace(&*namespace)).await?;
        let patient = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        let raw = self.client.get_multiplexed_async_connection_with_config(&patient).await.map_err(failed)?;
        let (prefix, planted) = (format!("{namespace}:"), AtomicBool::new(false));
        let beneath = RedisBeneath { prefix, store: second.clone(), raw, planted };
        Ok(Fixture::new(Arc::new(store), Time::Real)
            .with_second(Arc::new(second))
            .with_beneath(Arc::new(beneath)))
    }
}

#[async_trait]
impl Harness for RedisHarness {
    async fn fresh(&self) -> Result<Fixture> {
        self.fixture(self.config.clone()).await
    }

    /// Returns the server only for plain TCP, because a certificate contains the server's own name.
    fn upstream(&self) -> Option<String> {
        self.url.starts_with("redis://").then(|| place::upstream(&self.url, 6379)).flatten()
    }

    async fn fresh_through(&self, proxy: &FaultProxy) -> Result<Option<Fixture>> {
        let config = RedisConfig::from_url(&place::through(&self.url, proxy.address()))?;
        let config = config.with_max_value_bytes(MAX_VALUE_BYTES).with_timeout(HASTE);
        self.fixture(config).await.map(Some)
    }

    /// Returns the name and version of the server. Valkey reports both its own version and that of the
    /// compatible Redis.
    async fn backend_version(&self) -> Result<Option<String>> {
        let mut raw = self.client.get_multiplexed_async_connection().await.map_err(failed)?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut raw).await.map_err(failed)?;
        let line = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
        let valkey = line("valkey_version:").map(|version| format!("Valkey {version}"));
        Ok(valkey.or_else(|| line("redis_version:").map(|version| format!("Redis {version}"))))
    }
}

/// Direct access to a namespace, without the driver.
#[derive(Debug)]
struct RedisBeneath {
    prefix: String,
    store: RedisStore,
    raw: MultiplexedConnection,
    /// Whether the server's active expiry was switched off for a ghost.
    planted: AtomicBool,
}

impl RedisBeneath {
    async fn delete_expired_by_itself(&self, on: bool) -> redis::RedisResult<()> {
        let mut switch = redis::cmd("DEBUG");
        switch.arg("SET-ACTIVE-EXPIRE").arg(u8::from(on)).exec_async(&mut self.raw.clone()).await
    }

    fn key(&self, key: &Key) -> Vec<u8> {
        [self.prefix.as_bytes(), key.as_bytes()].concat()
    }
}

#[async_trait]
impl Beneath for RedisBeneath {
    /// Plants a ghost only if the server allows its active expiry to be switched off
    /// (`enable-debug-command`).
    async fn plant_ghost(&self, key: &Key, value: &Value, dead_for: Duration) -> Result<bool> {
        if self.delete_expired_by_itself(false).await.is_err() {
            return Ok(false);
        }
        self.planted.store(true, Ordering::Relaxed);
        let ttl = Ttl::millis(3);
        let put = self.store.put(key, value.clone(), PutOptions::new(ttl)).await?;
        tokio::time::sleep(ttl.as_duration() + dead_for).await;
        Ok(put.is_applied())
    }

    /// Writes a hash with a version that the driver does not write.
    async fn corrupt(&self, key: &Key) -> Result<bool> {
        let key = self.key(key);
        let mut hash = redis::pipe();
        hash.atomic().del(&key).hset(&key, "n", "{").hset(&key, "ttl:version", "?").expire(&key, 60);
        hash.exec_async(&mut self.raw.clone()).await.map_err(failed)?;
        Ok(true)
    }

    async fn clean_up(&self) {
        // The server may be shared, so its setting is restored. This may delete a ghost that another case has
        // planted meanwhile, which affects no verdict.
        if self.planted.load(Ordering::Relaxed) {
            let _ = self.delete_expired_by_itself(true).await;
        }
        let mut raw = self.raw.clone();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{}*", self.prefix)).arg("COUNT").arg(1000);
            let Ok((next, keys)) = scan.query_async::<(u64, Vec<Vec<u8>>)>(&mut raw).await else { return };
            if !keys.is_empty() {
                let _ = redis::cmd("UNLINK").arg(keys).exec_async(&mut raw).await;
            }
            if next == 0 {
                return;
            }
            cursor = next;
        }
    }
}

/// Returns the URL of the same server for the client library, which does not know the driver's own query
/// keys.
fn plain(url: &str) -> String {
    let (server, query) = url.split_once('?').unwrap_or((url, ""));
    let known = query.split('&').filter_map(|pair| match pair.split_once('=')? {
        ("username", name) => Some(format!("user={name}")),
        ("password", word) => Some(format!("pass={word}")),
        ("database", number) => Some(format!("db={number}")),
        _ => None,
    });
    format!("{server}?{}", known.collect::<Vec<_>>().join("&"))
}

fn failed(error: redis::RedisError) -> Error {
    Error::new(ErrorKind::Backend, "the direct connection of the harness failed").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_connections_mean_the_same_database() {
        for url in [
            "redis://me:p%26w@h/4?timeout=2s",
            "redis+unix:///s?namespace=x&username=me&password=p%26w&database=4",
        ] {
            let harness = RedisHarness::new(url).unwrap();
            let settings = harness.client.get_connection_info().redis_settings();
            assert_eq!(
                (settings.db(), settings.username(), settings.password()),
                (4, Some("me"), Some("p&w")),
                "{url}"
            );
        }
    }
}
