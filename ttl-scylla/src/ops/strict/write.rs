//! The base of strict mode: rows are read serially and changed by lightweight transactions. Also the backend
//! of patches.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rand::RngExt;
use ttl_core::driver::{CasBackend, Stored};
use ttl_core::{Capabilities, Clock, CursorSecret, Error, ErrorKind, Key, Result, async_trait};

use crate::connection::client::{Client, Swap};
use crate::error;
use crate::layout::lifetime::{NEVER, Reach, to_column};
use crate::layout::row::{Cells, Row, own_uuid};
use crate::ops::strict::transaction::Lost;
use crate::wire::strict::{Reads, Strict as Statements};

/// The maximum number of retries after conflicts.
pub(crate) const ATTEMPTS: usize = 64;

/// The parts that both modes share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) client: Client,
    pub(crate) reads: Arc<Reads>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) skew: Duration,
    pub(crate) capabilities: Capabilities,
    pub(crate) cursor_secret: CursorSecret,
    /// Keyspace and table; scan cursors are bound to them.
    pub(crate) table: Arc<str>,
}

impl Common {
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Reads a row, with or without its value. Returns it with the instant at which to judge it, which is
    /// after the read, so a slow read revives nothing. If the deadline passed meanwhile, it may have been
    /// moved in time, so the row is read again.
    pub(crate) async fn read(&self, key: &Key, whole: bool) -> Result<(SystemTime, Row)> {
        let statement = if whole { &self.reads.row } else { &self.reads.head };
        let mut before = Some(self.now());
        loop {
            let row = self.client.read(statement, key).await?;
            let now = self.now();
            let fell = !row.is_live(now) && before.take().is_some_and(|before| row.is_live(before));
            if !fell {
                return Ok((now, row));
            }
        }
    }
}

/// The target of a moved deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To {
    /// An instant: if the deadline is there, any caller may have moved it.
    Instant(i64),
    /// A step, to this instant. Two callers with the same step from the same deadline get the same instant,
    /// and both must count.
    Step(i64),
}

/// The store of rows that lightweight transactions change.
#[derive(Clone)]
pub(crate) struct Strict {
    pub(crate) common: Common,
    pub(crate) writes: Arc<Statements>,
}

impl Strict {
    /// Writes a new value with all its cells, if the row is unchanged since it was read.
    pub(crate) async fn replace(&self, key: &Key, seen: &Row, cells: &Cells, reach: Reach) -> Result<Swap> {
        let Reach { covers, ttl } = reach;
        let Cells { kind, value, deadline, cap, version, created } = cells;
        // Every value has a new version.
        let own = |row: &Row| row.version == Some(cells.version);
        if seen.is_empty() {
            let values = (ttl, kind, value, deadline, covers, cap, version, created, key.as_str());
            let nothing = *seen == Row::default();
            let statement = if nothing { &self.writes.create } else { &self.writes.create_over };
            return self.swap(key, statement, values, Lost::Look(&own)).await;
        }
        let values = || {
            (
                ttl,
                kind,
                value,
                deadline,
                covers,
                cap,
                version,
                created,
                key.as_str(),
                seen.version,
                seen.deadline,
            )
        };
        // A write for a live entry must not be applied to an expired one.
        let lived = seen.is_live(self.common.now());
        let again = || (!lived || seen.is_live(self.common.now())).then(values);
        let lost = if seen.version.is_some() { Lost::Again(&own, &again) } else { Lost::Look(&own) };
        self.swap(key, &self.writes.replace, values(), lost).await
    }

    /// Writes the deadline, if the row is unchanged since it was read. Writes only the deadline if the cells
    /// allow it, otherwise all cells, which requires the value in `whole`. Returns `None` if the value is
    /// missing.
    pub(crate) async fn move_deadline(
        &self,
        key: &Key,
        seen: &Row,
        to: To,
        whole: Option<&Stored>,
    ) -> Result<Option<Swap>> {
        let (now, skew) = (self.common.now(), self.common.skew);
        let (To::Instant(at) | To::Step(at)) = to;
        let own = |row: &Row| row.version == seen.version && row.deadline == Some(at);
        let tells = matches!(to, To::Instant(_));
        let covers = seen.covers.unwrap_or(0);
        if let Some(ttl) = Reach::within(covers, at, now, skew) {
            let values = (ttl, at, key.as_str(), seen.version, seen.deadline, seen.covers);
            let lost = if tells { Lost::Look(&own) } else { Lost::Unknown };
            return self.swap(key, &self.writes.move_seen, values, lost).await.map(Some);
        }
        let Some(stored) = whole else { return Ok(None) };
        let cells = Cells { deadline: at, ..Cells::of(stored) };
        let Reach { covers, ttl } = if seen.deadline < Some(at) {
            Reach::beyond(at, cells.cap, now, skew)
        } else {
            Reach::until(at, now, skew)
        };
        let Cells { kind, value, deadline, cap, version, created } = &cells;
        let values = (
            ttl,
            kind,
            value,
            deadline,
            covers,
            cap,
            version,
            created,
            key.as_str(),
            seen.version,
            seen.deadline,
        );
        let lost = if tells { Lost::Look(&own) } else { Lost::Unknown };
        self.swap(key, &self.writes.replace, values, lost).await.map(Some)
    }

    /// Deletes the row, if it is unchanged since it was read. The result cannot be distinguished from another
    /// caller's delete.
    pub(crate) async fn delete_seen(&self, key: &Key, seen: &Row) -> Result<Swap> {
        let values = (key.as_str(), seen.version, seen.deadline);
        self.swap(key, &self.writes.delete_seen, values, Lost::Unknown).await
    }

    /// Waits for a random time that grows with each attempt. Of many writers, a lightweight transaction lets
    /// one through only if the others pause.
    pub(crate) async fn pause(&self, attempt: usize) {
        let most = 1_000_u64 << attempt.min(6);
        let pause = Duration::from_micros(rand::rng().random_range(0..most));
        tokio::time::sleep(pause).await;
    }
}

impl Strict {
    /// Reads a complete row. An expired row has been marked.
    async fn read_settled(&self, key: &Key) -> Result<(SystemTime, Row)> {
        for attempt in 0..ATTEMPTS {
            let (now, mut row) = self.common.read(key, true).await?;
            if row.is_live(now) || self.confirm_ended(key, &mut row).await? {
                return Ok((now, row));
            }
            self.pause(attempt).await;
        }
        Err(error::contention())
    }
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Common")
            .field("table", &self.table)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Strict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.common.fmt(f)
    }
}

/// The state of a row.
#[derive(Debug)]
pub(crate) struct Stamp {
    /// The row without its value.
    row: Row,
    /// Whether the row was live when it was loaded.
    live: bool,
}

#[async_trait]
impl CasBackend for Strict {
    type Stamp = Stamp;

    fn capabilities(&self) -> Capabilities {
        self.common.capabilities
    }

    fn now(&self) -> SystemTime {
        self.common.now()
    }

    fn identity(&self) -> &str {
        &self.common.table
    }

    async fn load(&self, key: &Key) -> Result<Option<(Stored, Stamp)>> {
        let (now, mut row) = self.read_settled(key).await?;
        let Some(stored) = row.stored(now)? else { return Ok(None) };
        row.value = None;
        let live = row.is_live(now);
        Ok(Some((stored, Stamp { row, live })))
    }

    async fn swap(&self, key: &Key, seen: Option<&Stamp>, next: Option<&Stored>) -> Result<bool> {
        let (now, nothing) = (self.common.now(), Row::default());
        // An entry that ended since it was loaded counts as expired, and is judged again.
        if seen.is_some_and(|seen| seen.live && !seen.row.is_live(now)) {
            return Ok(false);
        }
        let row = seen.map_or(&nothing, |seen| &seen.row);
        let swap = match next {
            None => self.delete_seen(key, row).await?,
            Some(next) if row.version == Some(own_uuid(&next.version)) => {
                match self.move_deadline(key, row, To::Step(to_column(next.deadline)), Some(next)).await? {
                    Some(swap) => swap,
                    None => return Ok(false),
                }
            }
            Some(next) => {
                let cells = Cells::of(next);
                let reach = Reach::until(cells.deadline, now, self.common.skew);
                self.replace(key, row, &cells, reach).await?
            }
        };
        Ok(matches!(swap, Swap::Done))
    }

    /// Tables have no order of keys. Scans use tokens instead of this method.
    async fn list(&self, _: &str, _: Option<&Key>, _: usize) -> Result<Vec<(Key, Result<Stored>)>> {
        Err(Error::new(ErrorKind::Unsupported, "tables list their keys by token, not by name"))
    }

    async fn back_off(&self, attempt: usize) {
        self.pause(attempt).await;
    }
}

/// Returns the bound values for the row of a moved deadline: cells that last long enough and end.
pub(crate) fn bounds(to: i64, reach: Reach) -> (i64, i64) {
    if reach.covers == NEVER { (NEVER, NEVER) } else { (to, NEVER - 1) }
}
