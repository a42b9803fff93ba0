//! The harness of the CQL driver on an existing cluster, with a manual clock and a table for each case. A
//! table is emptied afterwards, reused, and dropped at the end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::Mutex;
use scylla::client::session::Session;
use ttl_core::{Clock, Error, ErrorKind, Key, ManualClock, Result, Value, Version, async_trait};
use ttl_scylla::{Replication, ScyllaConfig, ScyllaStore};

use super::place::{self, HASTE};
use crate::{Beneath, FaultProxy, Fixture, Harness, Time};

/// A limit that is small enough to be tested by the suite.
const MAX_VALUE_BYTES: u64 = 1 << 20;

/// A timeout that is long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The clock skew: the servers' clocks go on while the manual clock stops, and entries that are live by the
/// manual clock must not be deleted.
const CLOCK_SKEW: Duration = Duration::from_secs(3_600);

/// The free tables of this process, by the URL of their cluster. A case creates a new table only if all
/// others are in use.
static FREE_TABLES: Mutex<Option<HashMap<String, Vec<String>>>> = Mutex::new(None);

/// Stores in one keyspace.
#[derive(Clone, Debug)]
pub struct ScyllaHarness {
    config: ScyllaConfig,
    /// The URL.
    place: String,
}

impl ScyllaHarness {
    /// Creates a harness for the keyspace of this URL, parsed by [`ScyllaConfig::from_url`]. A missing
    /// keyspace is created (with one copy, if the URL has no `replication`). Each case has its own table, so
    /// the table of the URL is ignored. The names of the tables begin with `suite_`. A process that is killed
    /// leaves its tables.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for a URL that is invalid for this driver.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self { config: config(url)?, place: url.to_owned() })
    }

    /// Creates a fixture. Its direct access to the cluster uses the session of `second`.
    fn fixture(
        &self,
        store: ScyllaStore,
        second: ScyllaStore,
        config: &ScyllaConfig,
        table: String,
        clock: Arc<ManualClock>,
    ) -> Fixture {
        let session = second.session();
        let place = (self.place.clone(), table);
        let beneath = ScyllaBeneath { table: config.table_name(), place, session, clock: clock.clone() };
        Fixture::new(Arc::new(store), Time::Manual(clock))
            .with_second(Arc::new(second))
            .with_beneath(Arc::new(beneath))
    }

    fn take_table(&self) -> String {
        let mut free = FREE_TABLES.lock();
        let free = free.get_or_insert_default().entry(self.place.clone()).or_default();
        free.pop().unwrap_or_else(|| {
            // Table names have at most 48 bytes.
            let unique = Version::random().to_string();
            format!("suite_{}", &unique[..16])
        })
    }

    fn take_free_tables(&self) -> Vec<String> {
        FREE_TABLES.lock().get_or_insert_default().remove(&self.place).unwrap_or_default()
    }
}

fn config(url: &str) -> Result<ScyllaConfig> {
    let config = ScyllaConfig::from_url(url)?
        .with_max_value_bytes(MAX_VALUE_BYTES)
        .with_timeout(TIMEOUT)
        .with_clock_skew(CLOCK_SKEW)
        .with_ensure_schema();
    Ok(if url.contains("replication=") {
        config
    } else {
        config.with_replication(Replication::everywhere(1))
    })
}

fn give_back(place: String, table: String) {
    FREE_TABLES.lock().get_or_insert_default().entry(place).or_default().push(table);
}

#[async_trait]
impl Harness for ScyllaHarness {
    async fn fresh(&self) -> Result<Fixture> {
        let (table, clock) = (self.take_table(), Arc::new(ManualClock::new()));
        let config = self.config.clone().with_table(&*table).with_clock(clock.clone());
        let store = ScyllaStore::connect(&config).await?;
        let second = ScyllaStore::from_session(store.session(), &config).await?;
        Ok(self.fixture(store, second, &config, table, clock))
    }

    /// Returns the server only for a cluster of one node without TLS, because the client library connects to
    /// other nodes by their own addresses.
    fn upstream(&self) -> Option<String> {
        (!self.place.contains("tls")).then(|| place::upstream(&self.place, 9042)).flatten()
    }

    async fn fresh_through(&self, proxy: &FaultProxy) -> Result<Option<Fixture>> {
        let (table, clock) = (self.take_table(), Arc::new(ManualClock::new()));
        let straight = self.config.clone().with_table(&*table).with_clock(clock.clone());
        let second = ScyllaStore::connect(&straight).await?;
        if second.session().get_cluster_state().get_nodes_info().len() > 1 {
            give_back(self.place.clone(), table);
            return Ok(None);
        }
        let config = config(&place::through(&self.place, proxy.address()))?
            .with_table(&*table)
            .with_clock(clock.clone());
        // With the long timeout: that of a call is too short to connect and to prepare statements.
        let session = ScyllaStore::connect(&config).await?.session();
        let store = ScyllaStore::from_session(session, &config.with_timeout(HASTE)).await?;
        Ok(Some(self.fixture(store, second, &straight, table, clock)))
    }

    /// Returns the name and version of the server. ScyllaDB reports the version of the compatible Cassandra,
    /// and its own version in a table that Cassandra does not have.
    async fn backend_version(&self) -> Result<Option<String>> {
        let table = self.take_table();
        let store = ScyllaStore::connect(&self.config.clone().with_table(&*table)).await?;
        let session = store.session();
        give_back(self.place.clone(), table);
        let ask = async |cql: &str| -> Result<Option<String>> {
            let rows = session.query_unpaged(cql, ()).await.map_err(failed)?;
            let rows = rows.into_rows_result().map_err(failed)?;
            Ok(rows.maybe_first_row::<(String,)>().map_err(failed)?.map(|(version,)| version))
        };
        if let Ok(Some(version)) = ask("SELECT version FROM system.versions").await {
            return Ok(Some(format!("ScyllaDB {version}")));
        }
        let version = ask("SELECT release_version FROM system.local").await?;
        Ok(version.map(|version| format!("Apache Cassandra {version}")))
    }

    async fn finish(&self) {
        let tables = self.take_free_tables();
        let Some(first) = tables.first() else { return };
        let config = self.config.clone().with_table(&**first);
        // If the cluster is no longer reachable, there is nothing to remove.
        let Ok(store) = ScyllaStore::connect(&config).await else { return };
        for table in tables {
            let name = config.clone().with_table(table).table_name();
            let _ = store.session().query_unpaged(format!("DROP TABLE IF EXISTS {name}"), ()).await;
        }
    }
}

/// The longest time by which the timestamp of a write in lww mode is ahead of the clock, after a few writes of one
/// key in quick succession. A write beneath the driver, with the time of the clock, would lose against it.
const AHEAD: Duration = Duration::from_millis(10);

/// Direct access to a table, without the driver.
#[derive(Debug)]
struct ScyllaBeneath {
    /// The name of the table in CQL.
    table: String,
    place: (String, String),
    session: Arc<Session>,
    clock: Arc<ManualClock>,
}

impl ScyllaBeneath {
    fn millis(&self) -> i64 {
        let since = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    async fn write(&self, key: &Key, kind: i8, value: &[u8], deadline: i64) -> Result<()> {
        tokio::time::sleep(AHEAD).await;
        let cql = format!(
            "UPDATE {} USING TTL 3600 SET kind = ?, value = ?, deadline = ?, covers = ?, cap = ?, created = ?, \
             version = 00000000-0000-4000-8000-000000000001 WHERE key = ?",
            self.table
        );
        let values = (kind, value, deadline, deadline, i64::MAX, deadline, key.as_str());
        self.session.query_unpaged(cql, values).await.map(drop).map_err(failed)
    }

    async fn keys(&self) -> Result<Vec<(String,)>> {
        let select = format!("SELECT key FROM {}", self.table);
        let rows = self.session.query_unpaged(select, ()).await.map_err(failed)?;
        let rows = rows.into_rows_result().map_err(failed)?;
        rows.rows().map_err(failed)?.map(|row| row.map_err(failed)).collect()
    }

    /// Deletes all rows, and returns whether the table is empty. A row that was written with a timestamp
    /// ahead of the servers' clocks remains.
    async fn empty(&self) -> Result<bool> {
        let delete = format!("DELETE FROM {} WHERE key = ?", self.table);
        for key in self.keys().await? {
            self.session.query_unpaged(&*delete, key).await.map_err(failed)?;
        }
        Ok(self.keys().await?.is_empty())
    }
}

#[async_trait]
impl Beneath for ScyllaBeneath {
    /// Writes an expired row that the servers keep for an hour.
    async fn plant_ghost(&self, key: &Key, value: &Value, dead_for: Duration) -> Result<bool> {
        let (kind, bytes) = match value {
            Value::Blob(bytes) => (1, bytes.to_vec()),
            Value::Record(record) => (2, record.to_json_text().into_bytes()),
        };
        let since = i64::try_from(dead_for.as_millis()).unwrap_or(i64::MAX);
        self.write(key, kind, &bytes, self.millis().saturating_sub(since)).await?;
        Ok(true)
    }

    /// Writes a record of an unknown kind that is not JSON.
    async fn corrupt(&self, key: &Key) -> Result<bool> {
        self.write(key, 99, b"{", self.millis() + 60_000).await?;
        Ok(true)
    }

    async fn clean_up(&self) {
        if matches!(self.empty().await, Ok(true)) {
            let (place, table) = self.place.clone();
            give_back(place, table);
        } else {
            let _ = self.session.query_unpaged(format!("DROP TABLE IF EXISTS {}", self.table), ()).await;
        }
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Backend, "the direct session of the harness failed").with_source(error)
}
