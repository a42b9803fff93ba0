//! Lww mode: plain writes. The write with the latest timestamp wins.

use std::fmt;
use std::sync::Arc;

use ttl_core::driver::Stored;
use ttl_core::rules::{self, DeleteStep, ExpireStep, PutStep};
use ttl_core::{
    DeleteOptions, Entry, ExpireOptions, ExpireResult, ExpiryChange, GetOptions, Key, Outcome, Projection,
    PutOptions, PutResult, Result, Returning, Value, Version,
};

use crate::error;
use crate::layout::lifetime::{Reach, to_column};
use crate::layout::row::{Cells, Row};
use crate::ops::strict::write::Common;
use crate::timestamps::{EXPIRE, REFRESH, Timestamps};
use crate::wire::strict::Lww as Statements;

/// The store of rows that plain writes change.
#[derive(Clone)]
pub(crate) struct Lww {
    pub(crate) common: Common,
    pub(crate) writes: Arc<Statements>,
    pub(crate) timestamps: Arc<Timestamps>,
}

impl Lww {
    pub(crate) async fn get(&self, key: &Key, options: &GetOptions) -> Result<Option<Entry>> {
        let whole = options.projection != Projection::Nothing;
        let (now, mut row) = self.common.read(key, whole).await?;
        let header = row.header(now)?;
        let (Some(header), Some(hit)) = (header, rules::get(now, header.as_ref(), options)?) else {
            return Ok(None);
        };
        let value = if whole { Some(row.take_value(header.kind)?) } else { None };
        let mut entry = Entry::new(value.as_ref().and_then(|value| value.project(&options.projection)))
            .with_deadline(options.returning.contains(Returning::DEADLINE).then_some(hit.deadline))
            .with_version(options.returning.contains(Returning::VERSION).then_some(header.version))
            .with_created_at(row.created_at(options.returning)?);
        let Some(to) = hit.refresh else { return Ok(Some(entry)) };
        let stored = value.map(|value| row.entry(value, &header));
        match self.move_deadline(key, &row, to_column(to), stored, REFRESH).await {
            Ok(true) => {
                let shown = entry.deadline.map(|_| to);
                entry = entry.with_deadline(shown);
            }
            // Another writer has changed the entry meanwhile: there is nothing to refresh.
            Ok(false) => {}
            Err(error) => {
                let error = error.with_operation("get").with_backend(crate::BACKEND).with_key(key);
                entry = entry.with_refresh_error(error);
            }
        }
        Ok(Some(entry))
    }

    pub(crate) async fn put(
        &self,
        key: &Key,
        value: &Value,
        options: &PutOptions,
    ) -> Result<Outcome<PutResult>> {
        self.common.capabilities.check_put(options).map_err(error::not_in_lww)?;
        self.common.capabilities.check_size(value.size_bytes())?;
        // The read shows whether the put creates, and the timestamp of the overwritten row.
        let (now, row) = self.common.read(key, false).await?;
        match rules::put(now, row.header(now)?.as_ref(), options)? {
            PutStep::Absent => Ok(Outcome::Absent),
            PutStep::Refused => Ok(Outcome::Refused(None)),
            PutStep::Erase { deadline, created } => {
                if !row.is_empty() {
                    self.erase(key, &row).await?;
                }
                Ok(Outcome::Applied(PutResult::returning(options.returning, created, deadline, None)))
            }
            PutStep::Write { deadline, cap, created } => {
                let version = Version::random();
                let cells = Cells::fresh(now, value, deadline, cap, &version);
                let reach = Reach::until(cells.deadline, now, self.common.skew);
                self.write(key, &cells, reach, self.timestamp(&row), || true).await?;
                let meta = PutResult::returning(options.returning, created, deadline, Some(version));
                Ok(Outcome::Applied(meta.with_created_at(rules::created_at(now, options.returning))))
            }
        }
    }

    pub(crate) async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: &ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.common.capabilities.check_expire(options).map_err(error::not_in_lww)?;
        let (now, row) = self.common.read(key, false).await?;
        let to = match rules::expire(now, row.header(now)?.as_ref(), change, options)? {
            ExpireStep::Absent => return Ok(Outcome::Absent),
            ExpireStep::Refused => return Ok(Outcome::Refused(None)),
            ExpireStep::Keep(at) => return Ok(Outcome::Applied(ExpireResult::new(at, false))),
            ExpireStep::End(to) => {
                self.erase(key, &row).await?;
                to
            }
            ExpireStep::Move(to) if self.move_deadline(key, &row, to_column(to), None, EXPIRE).await? => to,
            // The entry ended or was replaced while its value was read: the newer write counts.
            ExpireStep::Move(_) => return Err(error::contention()),
        };
        Ok(Outcome::Applied(ExpireResult::new(to, true)))
    }

    pub(crate) async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.common.capabilities.check_delete(options).map_err(error::not_in_lww)?;
        let (now, row) = self.common.read(key, false).await?;
        // A row of another program can also be deleted.
        let header = row.header(now);
        if let Ok(header) = header
            && rules::delete(now, header.as_ref(), options)? == DeleteStep::Absent
        {
            return Ok(Outcome::Absent);
        }
        self.erase(key, &row).await?;
        Ok(Outcome::Applied(None))
    }

    /// Moves the deadline. Writes only the deadline if the cells allow it, otherwise all cells. Returns
    /// `false` if the row has changed.
    async fn move_deadline(
        &self,
        key: &Key,
        row: &Row,
        to: i64,
        whole: Option<Stored>,
        later: i64,
    ) -> Result<bool> {
        let (now, skew) = (self.common.now(), self.common.skew);
        // The entry may have ended since it was read. It then counts as expired (R3).
        if !row.is_live(now) {
            return Ok(false);
        }
        let may = || row.is_live(self.common.now());
        let at = row.written.unwrap_or(0).saturating_add(later);
        if let Some(ttl) = Reach::within(row.covers.unwrap_or(0), to, now, skew) {
            let values = (ttl, at, to, key.as_str());
            self.common.client.write(&self.writes.move_deadline, values, may).await?;
            return Ok(true);
        }
        let stored = match whole {
            Some(stored) => stored,
            None => {
                let (now, mut again) = self.common.read(key, true).await?;
                if again.version != row.version || again.written != row.written || !again.is_live(now) {
                    return Ok(false);
                }
                match again.stored(now)? {
                    Some(stored) => stored,
                    None => return Ok(false),
                }
            }
        };
        let cells = Cells { deadline: to, ..Cells::of(&stored) };
        let reach = if row.deadline < Some(to) {
            Reach::beyond(to, cells.cap, now, skew)
        } else {
            Reach::until(to, now, skew)
        };
        self.write(key, &cells, reach, at, may).await?;
        Ok(true)
    }

    async fn write(
        &self,
        key: &Key,
        cells: &Cells,
        reach: Reach,
        timestamp: i64,
        may: impl Fn() -> bool,
    ) -> Result<()> {
        let Reach { covers, ttl } = reach;
        let Cells { kind, value, deadline, cap, version, created } = cells;
        let values = (ttl, timestamp, kind, value, deadline, covers, cap, version, created, key.as_str());
        self.common.client.write(&self.writes.write, values, may).await
    }

    /// Returns the timestamp of a put or a delete over this row.
    fn timestamp(&self, row: &Row) -> i64 {
        self.timestamps.next(row.written, self.common.skew)
    }

    async fn erase(&self, key: &Key, row: &Row) -> Result<()> {
        let values = (self.timestamp(row), key.as_str());
        self.common.client.write(&self.writes.delete, values, || true).await
    }
}

impl fmt::Debug for Lww {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.common.fmt(f)
    }
}
