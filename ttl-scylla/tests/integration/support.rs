//! A table of its own for each trial, with a raw session beside it.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use scylla::client::session::Session;
use scylla::value::Row;
use ttl_conformance::servers::{ServerUrl, trial};
use ttl_core::{Key, Outcome, Result, Ttl, Value, Version};
use ttl_scylla::{ScyllaConfig, ScyllaStore};

pub(crate) const LONG: Ttl = Ttl::hours(1);

/// Long enough for a machine on which much else runs.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The server's URL with another mode.
pub(crate) fn in_mode(url: &str, mode: impl Display) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}mode={mode}")
}

/// A trial that is handed the server's URL.
pub(crate) fn with_server<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    server: &ServerUrl,
    test: impl FnOnce(String) -> F + Send + 'static,
) -> Trial {
    let server = server.clone();
    trial(name, async move { test(server.url().to_owned()).await })
}

/// A configuration for a table that nobody else uses.
pub(crate) fn config(url: &str) -> ScyllaConfig {
    let unique = Version::random().to_string();
    let config = ScyllaConfig::from_url(url).unwrap();
    config.with_table(format!("trial_{}", &unique[..16])).with_ensure_schema().with_timeout(TIMEOUT)
}

/// A store on such a table.
pub(crate) struct Table {
    pub(crate) store: ScyllaStore,
    pub(crate) config: ScyllaConfig,
    pub(crate) raw: Arc<Session>,
}

impl Table {
    pub(crate) async fn new(url: &str) -> Self {
        let config = config(url);
        let store = ScyllaStore::connect(&config).await.unwrap();
        let raw = store.session();
        Self { store, config, raw }
    }

    /// Runs CQL in which `{}` stands for the table.
    pub(crate) async fn run(&self, cql: &str) -> Vec<Row> {
        let cql = cql.replace("{}", &self.config.table_name());
        let result = self.raw.query_unpaged(cql, ()).await.unwrap();
        if !result.is_rows() {
            return Vec::new();
        }
        result.into_rows_result().unwrap().rows::<Row>().unwrap().map(std::result::Result::unwrap).collect()
    }

    /// Removes the table; a trial that fails leaves it for people to look at.
    pub(crate) async fn drop(self) {
        self.run("DROP TABLE {}").await;
    }
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

pub(crate) fn blob(text: &str) -> Value {
    Value::Blob(ttl_core::Bytes::copy_from_slice(text.as_bytes()))
}

pub(crate) fn applied<T>(outcome: Result<Outcome<T>>) -> T {
    outcome.unwrap().applied().expect("the write was applied")
}
