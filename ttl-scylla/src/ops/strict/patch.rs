//! Patch in strict mode: a `CasStore` on rows. Patches of one key by one process wait for each other.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use ttl_core::driver::{CasBackend, CasStore, MAX_ATTEMPTS, Stored, contention};
use ttl_core::options::PatchOptions;
use ttl_core::results::PatchResult;
use ttl_core::{Capabilities, Error, ErrorKind, Key, Outcome, Patch, Result, TtlStore, async_trait};

use super::mark::mark_expired;
use super::transaction::wait_after_conflict;
use super::write::{Target, delete_seen, move_deadline, replace};
use crate::connection::Transaction;
use crate::inner::Strict;
use crate::layout::{CellLifetime, Cells, Row, driver_uuid, to_column};

pub(crate) async fn patch(
    strict: &Arc<Strict>,
    key: &Key,
    patch: &Patch,
    options: PatchOptions,
) -> Result<Outcome<PatchResult>> {
    let _turn = strict.patch_locks.lock(key, strict.inner.client.timeout).await;
    CasStore::new(Rows(Arc::clone(strict))).patch(key, patch, options).await
}

/// The rows of a table, as the backend of patches.
struct Rows(Arc<Strict>);

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rows").field(&self.0.inner.table).finish()
    }
}

/// The state of a row.
#[derive(Debug)]
struct Stamp {
    /// The row without its value.
    row: Row,
    /// Whether the row was live when it was loaded.
    live: bool,
}

#[async_trait]
impl CasBackend for Rows {
    type Stamp = Stamp;

    fn capabilities(&self) -> Capabilities {
        self.0.inner.capabilities
    }

    fn now(&self) -> SystemTime {
        self.0.inner.now()
    }

    async fn load(&self, key: &Key) -> Result<Option<(Stored, Stamp)>> {
        let (now, mut row) = read_marked(&self.0, key).await?;
        let Some(stored) = row.stored(now)? else { return Ok(None) };
        row.value = None;
        let live = row.is_live(now);
        Ok(Some((stored, Stamp { row, live })))
    }

    async fn swap(&self, key: &Key, seen: Option<&Stamp>, next: Option<&Stored>) -> Result<bool> {
        let (strict, now, nothing) = (&*self.0, self.now(), Row::default());
        // An entry that ended since it was loaded counts as expired, and is evaluated again.
        if seen.is_some_and(|seen| seen.live && !seen.row.is_live(now)) {
            return Ok(false);
        }
        let row = seen.map_or(&nothing, |seen| &seen.row);
        let transaction = match next {
            None => delete_seen(strict, key, row).await?,
            Some(next) if row.version == Some(driver_uuid(&next.version)) => {
                let target = Target::Step(to_column(next.deadline));
                match move_deadline(strict, key, row, target, Some(next)).await? {
                    Some(transaction) => transaction,
                    None => return Ok(false),
                }
            }
            Some(next) => {
                let cells = Cells::of(next);
                let lifetime = CellLifetime::until(cells.deadline, now, strict.inner.clock_skew);
                replace(strict, key, row, &cells, lifetime).await?
            }
        };
        Ok(matches!(transaction, Transaction::Applied))
    }

    /// Tables have no order of keys. Scans use tokens instead of this method.
    async fn list(&self, _: &str, _: Option<&Key>, _: usize) -> Result<Vec<(Key, Result<Stored>)>> {
        Err(Error::new(ErrorKind::Unsupported, "tables list their keys by token, not by name"))
    }

    async fn back_off(&self, attempt: usize) {
        wait_after_conflict(attempt).await;
    }
}

/// Reads a complete row. An expired row has been marked.
async fn read_marked(strict: &Strict, key: &Key) -> Result<(SystemTime, Row)> {
    for attempt in 0..MAX_ATTEMPTS {
        let (now, mut row) = strict.inner.read(key, true).await?;
        if row.is_live(now) || mark_expired(strict, key, &mut row).await? {
            return Ok((now, row));
        }
        wait_after_conflict(attempt).await;
    }
    Err(contention())
}
