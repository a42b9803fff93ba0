//! The foundation of a store: connection, clock, capabilities, and the statements of the table's mode.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ttl_core::{Capabilities, Clock, CursorSecret, Key, Result};

use crate::connection::{Client, Runtime};
use crate::layout::Row;
use crate::patch_locks::PatchLocks;
use crate::timestamps::Timestamps;
use crate::wire::{LwwStatements, ReadStatements, StrictStatements};

/// A store in a table of ScyllaDB or Apache Cassandra. Cloning is cheap; clones share the session.
///
/// ```no_run
/// use ttl_core::options::PutOptions;
/// use ttl_core::{Key, Ttl, TtlStore};
/// use ttl_scylla::{ScyllaConfig, ScyllaStore};
///
/// # async fn example() -> ttl_core::Result<()> {
/// let config = ScyllaConfig::from_url("scylla://localhost/shop/pages?ensure_schema=true&replication=3")?;
/// let store = ScyllaStore::connect(&config).await?;
/// let key = Key::new("page:/cart")?;
/// let _ = store.put(&key, "<html>".into(), PutOptions::new(Ttl::minutes(5))).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ScyllaStore(pub(crate) Table);

/// A table in its mode.
#[derive(Clone)]
pub(crate) enum Table {
    Strict(Arc<Strict>),
    Lww(Arc<Lww>),
}

impl Table {
    pub(crate) fn inner(&self) -> &Inner {
        match self {
            Self::Strict(strict) => &strict.inner,
            Self::Lww(lww) => &lww.inner,
        }
    }
}

/// A table whose rows lightweight transactions change.
#[derive(Clone)]
pub(crate) struct Strict {
    pub(crate) inner: Inner,
    pub(crate) statements: Arc<StrictStatements>,
    pub(crate) patch_locks: Arc<PatchLocks>,
}

/// A table whose rows plain writes change.
#[derive(Clone)]
pub(crate) struct Lww {
    pub(crate) inner: Inner,
    pub(crate) statements: Arc<LwwStatements>,
    pub(crate) timestamps: Arc<Timestamps>,
}

/// The parts that both modes share.
#[derive(Clone)]
pub(crate) struct Inner {
    pub(crate) client: Client,
    pub(crate) reads: Arc<ReadStatements>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clock_skew: Duration,
    pub(crate) capabilities: Capabilities,
    pub(crate) cursor_secret: CursorSecret,
    /// Keyspace and table; scan cursors are bound to them.
    pub(crate) table: Arc<str>,
    pub(crate) runtime: Runtime,
}

impl Inner {
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Reads a row, with or without its value. Returns it with the instant at which to evaluate its expiry,
    /// which is after the read, so a slow read revives nothing. If the deadline passed meanwhile, it may have
    /// been moved in time, so the row is read again.
    pub(crate) async fn read(&self, key: &Key, whole: bool) -> Result<(SystemTime, Row)> {
        let statement = if whole { &self.reads.row } else { &self.reads.head };
        let mut before = Some(self.now());
        loop {
            let row = self.client.read(statement, key).await?;
            let now = self.now();
            let passed = !row.is_live(now) && before.take().is_some_and(|before| row.is_live(before));
            if !passed {
                return Ok((now, row));
            }
        }
    }
}

impl fmt::Debug for ScyllaStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { table, client, .. } = self.0.inner();
        f.debug_struct("ScyllaStore").field("table", table).field("client", client).finish_non_exhaustive()
    }
}
