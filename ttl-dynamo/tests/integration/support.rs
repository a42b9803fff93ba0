//! What the trials share: stores on tables of their own, on a clock that stands still and a wire that is listened to.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use ttl_conformance::servers::{ServerUrl, trial};
use ttl_core::options::GetOptions;
use ttl_core::results::PutResult;
use ttl_core::{Bytes, Key, ManualClock, Outcome, Record, Ttl, TtlStore, Value};
use ttl_dynamo::{DynamoConfig, DynamoStore};

use crate::raw::{self, PATIENCE, Raw};
use crate::wire::Wire;

pub(crate) const LONG: Ttl = Ttl::hours(1);

/// For trials in which a request is never answered: it is waited for.
pub(crate) const SHORT: Duration = Duration::from_millis(250);

/// A table that nobody else uses, and a store on it.
#[derive(Clone)]
pub(crate) struct Space {
    pub(crate) endpoint: String,
    pub(crate) raw: Raw,
    pub(crate) wire: Wire,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) config: DynamoConfig,
    pub(crate) store: DynamoStore,
    /// The same, by a wire that nobody touches.
    pub(crate) quiet: DynamoStore,
}

impl Space {
    pub(crate) async fn new(endpoint: String) -> Self {
        Self::with(endpoint, |config| config).await
    }

    /// With another configuration than that of most trials.
    pub(crate) async fn with(endpoint: String, change: impl FnOnce(DynamoConfig) -> DynamoConfig) -> Self {
        let raw = Raw::create(&endpoint).await;
        Self::on(endpoint, raw, change)
    }

    /// On a table that is there.
    pub(crate) fn on(endpoint: String, raw: Raw, change: impl FnOnce(DynamoConfig) -> DynamoConfig) -> Self {
        let clock = Arc::new(ManualClock::new());
        let config = change(config(&raw.table).with_clock(clock.clone()));
        let wire = Wire::new();
        let store = DynamoStore::from_client(&raw::client(&endpoint, wire.clone()), &config).unwrap();
        let quiet = DynamoStore::from_client(&raw.client, &config).unwrap();
        Self { endpoint, raw, wire, clock, config, store, quiet }
    }

    /// Another store on the same table, with a wire of its own.
    pub(crate) fn another(&self, change: impl FnOnce(DynamoConfig) -> DynamoConfig) -> (DynamoStore, Wire) {
        let wire = Wire::new();
        let client = raw::client(&self.endpoint, wire.clone());
        (DynamoStore::from_client(&client, &change(self.config.clone())).unwrap(), wire)
    }

    pub(crate) fn now_millis(&self) -> u64 {
        let since = self.store.now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::try_from(since.as_millis()).unwrap()
    }
}

/// Patient with the machine, and quick to try again.
pub(crate) fn config(table: &str) -> DynamoConfig {
    DynamoConfig::new(table)
        .with_timeout(3 * PATIENCE)
        .with_attempt_timeout(PATIENCE)
        .with_connect_timeout(PATIENCE)
        .with_backoff(Duration::from_millis(1), Duration::from_millis(2))
}

/// A trial on the common server, given its endpoint.
pub(crate) fn with_server<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    server: &ServerUrl,
    test: impl FnOnce(String) -> F + Send + 'static,
) -> Trial {
    let server = server.clone();
    trial(name, async move { test(raw::endpoint(server.url())).await })
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(crate) fn blob(text: &'static str) -> Value {
    Value::Blob(Bytes::from_static(text.as_bytes()))
}

/// A record with a number, a list and a text.
pub(crate) fn record() -> Value {
    Record::new().with("n", 1).with("list", ["a", "b"]).with("text", "x").into()
}

/// What a put that must be applied reports.
#[track_caller]
pub(crate) fn applied(outcome: ttl_core::Result<Outcome<PutResult>>) -> PutResult {
    outcome.unwrap().applied().expect("an applied put")
}

/// The value of an entry that must be live.
pub(crate) async fn value(store: &dyn TtlStore, key: &Key) -> Value {
    let entry = store.get(key, GetOptions::new()).await.unwrap();
    entry.expect("a live entry").value.expect("its value")
}

/// Waits until something holds, for a while.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..2000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not happen within 20 s");
}
