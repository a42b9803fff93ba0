//! The suite on a stack of layers over Redis.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use ttl_conformance::drivers::redis::RedisHarness;
use ttl_conformance::servers::{ServerUrl, conformance_trials};
use ttl_conformance::{Beneath, FaultProxy, Fixture, Harness};
use ttl_core::{Key, Result, TtlStore, Value, async_trait};
use ttl_store::layers::{Compress, Encrypt, Keyring, LayerExt, Observe, Prefix, Retry, Timeout};

const PREFIX: &str = "tenant-7:";

/// The cases with keys of 1024 bytes, which the prefix makes too long.
const LONGEST_KEYS: [&str; 5] = [
    "conformance::keys::the_longest_key_works",
    "conformance::keys::the_longest_key_may_be_of_wide_characters",
    "conformance::keys::long_keys_differ_by_their_heads",
    "conformance::keys::long_keys_differ_by_their_tails",
    "conformance::scan::a_long_prefix_finds_nothing",
];

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let mut trials = conformance_trials(server, |url| Ok(Arc::new(Stack(RedisHarness::new(url)?))));
    let before = trials.len();
    trials.retain(|trial| !LONGEST_KEYS.contains(&trial.name()));
    assert_eq!(before - trials.len(), LONGEST_KEYS.len(), "a case of LONGEST_KEYS has another name");
    trials.into_iter().map(|trial| trial.with_kind("stack on Redis")).collect()
}

fn stack(store: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
    store
        .layer(Encrypt::new("suite", Keyring::new("key", [7; 32])))?
        .layer(Compress::zstd().over(64))?
        .layer(Prefix::new(PREFIX))?
        .layer(Timeout::new(Duration::from_secs(3_600)))?
        .layer(Retry::new())?
        .layer(Observe::new().with_name("suite"))
}

/// Redis with the stack around each store.
#[derive(Debug)]
struct Stack(RedisHarness);

fn layered(inner: Fixture) -> Result<Fixture> {
    let fixture = Fixture::new(stack(inner.store)?, inner.time).with_second(stack(inner.second)?);
    Ok(match inner.beneath {
        Some(beneath) => fixture.with_beneath(Arc::new(Prefixed(beneath))),
        None => fixture,
    })
}

#[async_trait]
impl Harness for Stack {
    async fn fresh(&self) -> Result<Fixture> {
        layered(self.0.fresh().await?)
    }

    fn upstream(&self) -> Option<String> {
        self.0.upstream()
    }

    async fn fresh_through(&self, proxy: &FaultProxy) -> Result<Option<Fixture>> {
        self.0.fresh_through(proxy).await?.map(layered).transpose()
    }

    async fn backend_version(&self) -> Result<Option<String>> {
        self.0.backend_version().await
    }

    async fn finish(&self) {
        self.0.finish().await;
    }
}

/// Direct access below the layers, which knows the prefix.
#[derive(Debug)]
struct Prefixed(Arc<dyn Beneath>);

impl Prefixed {
    fn key(key: &Key) -> Result<Key> {
        Key::new([PREFIX, key.as_str()].concat())
    }
}

#[async_trait]
impl Beneath for Prefixed {
    async fn plant_ghost(&self, key: &Key, value: &Value, dead_for: Duration) -> Result<bool> {
        self.0.plant_ghost(&Self::key(key)?, value, dead_for).await
    }

    async fn corrupt(&self, key: &Key) -> Result<bool> {
        self.0.corrupt(&Self::key(key)?).await
    }

    async fn count_stored(&self) -> Result<Option<usize>> {
        self.0.count_stored().await
    }

    async fn clean_up(&self) {
        self.0.clean_up().await;
    }
}
