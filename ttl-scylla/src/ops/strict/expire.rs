//! Expire and delete in strict mode: one transaction if the row need not be read first.

use ttl_core::driver::Stored;
use ttl_core::rules::{self, DeleteStep, ExpireStep};
use ttl_core::{
    DeleteOptions, Entry, ExpireOptions, ExpireResult, ExpiryChange, Guard, Key, Outcome, Projection, Result,
};

use crate::connection::client::Swap;
use crate::error;
use crate::layout::lifetime::{NEVER, Reach, now_column, to_column};
use crate::layout::row::{Row, own_uuid, to_uuid};
use crate::ops::strict::get::selected;
use crate::ops::strict::transaction::Lost;
use crate::ops::strict::write::{ATTEMPTS, Strict, To, bounds};

impl Strict {
    pub(crate) async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: &ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.common.capabilities.check_expire(options)?;
        let mut known = match self.expire_within(key, change, options).await? {
            Ok(outcome) => return Ok(Outcome::Applied(outcome)),
            Err(row) => row,
        };
        for attempt in 0..ATTEMPTS {
            let (now, mut row) = match known.take() {
                Some(row) => (self.common.now(), row),
                None => self.common.read(key, false).await?,
            };
            let (to, ends) = match rules::expire(now, row.header(now)?.as_ref(), change, options)? {
                ExpireStep::Absent if self.confirm_ended(key, &mut row).await? => return Ok(Outcome::Absent),
                // The deadline was moved while the entry was live.
                ExpireStep::Absent => {
                    self.pause(attempt).await;
                    continue;
                }
                ExpireStep::Refused => return Ok(Outcome::Refused(None)),
                ExpireStep::Keep(at) => return Ok(Outcome::Applied(ExpireResult::new(at, false))),
                ExpireStep::Move(to) => (to, false),
                ExpireStep::End(to) => (to, true),
            };
            let swap = if ends {
                Some(self.delete_seen(key, &row).await?)
            } else {
                let target = match change {
                    ExpiryChange::Set(_) => To::Instant(to_column(to)),
                    ExpiryChange::Extend(_) => To::Step(to_column(to)),
                };
                match self.move_deadline(key, &row, target, None).await? {
                    Some(swap) => Some(swap),
                    None => self.move_whole(key, &row, target).await?,
                }
            };
            if matches!(swap, Some(Swap::Done)) {
                return Ok(Outcome::Applied(ExpireResult::new(to, true)));
            }
            self.pause(attempt).await;
        }
        Err(error::contention())
    }

    /// Moves the deadline to an instant in one transaction, if the row's cells last long enough. If that
    /// failed, returns the stored row, where it is known.
    async fn expire_within(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: &ExpireOptions,
    ) -> Result<std::result::Result<ExpireResult, Option<Row>>> {
        let now = self.common.now();
        let ExpiryChange::Set(expiry) = change else { return Ok(Err(None)) };
        let deadline = expiry.resolve(now)?;
        if deadline.is_expired(now) {
            return Ok(Err(None));
        }
        let (to, present) = (to_column(deadline), now_column(now));
        let (above, at_most) = match options.guard {
            Guard::Always => (present, NEVER),
            Guard::IfLater => (present, to - 1),
            Guard::IfSooner => (present.max(to), NEVER),
            Guard::IfExpiring => (present, NEVER - 1),
            Guard::IfPersistent => (NEVER - 1, NEVER),
        };
        let reach = Reach::until(to, now, self.common.skew);
        let (least, most) = bounds(to, reach);
        let ttl = reach.ttl;
        let swap = match &options.if_version {
            Some(version) => {
                let Some(version) = to_uuid(version) else { return Ok(Err(None)) };
                let values = (ttl, to, key.as_str(), above, at_most, to, to, least, most, version);
                self.swap(key, &self.writes.move_version, values, Lost::Unknown).await?
            }
            None => {
                let values = (ttl, to, key.as_str(), above, at_most, to, to, least, most);
                self.swap(key, &self.writes.move_any, values, Lost::Unknown).await?
            }
        };
        Ok(match swap {
            Swap::Done => Ok(ExpireResult::new(deadline, true)),
            Swap::Refused(row) => Err(Some(row)),
        })
    }

    /// Moves the deadline by writing all cells, after reading the value. Returns `None` if the row has
    /// changed.
    async fn move_whole(&self, key: &Key, seen: &Row, to: To) -> Result<Option<Swap>> {
        let (now, mut row) = self.common.read(key, true).await?;
        if row.version != seen.version || row.deadline != seen.deadline || !row.is_live(now) {
            return Ok(None);
        }
        let stored: Option<Stored> = row.stored(now)?;
        self.move_deadline(key, seen, to, stored.as_ref()).await
    }

    pub(crate) async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.common.capabilities.check_delete(options)?;
        let asked = options.if_version.as_ref().map(to_uuid);
        let blind =
            options.projection == Projection::Nothing && options.kind.is_none() && asked != Some(None);
        // A live row whose transaction was rejected is damaged. Only the damage can be reported.
        let mut damaged: Option<Row> = None;
        for attempt in 0..ATTEMPTS {
            let (version, taken) = if blind {
                (asked.flatten(), None)
            } else {
                let (now, mut row) = self.common.read(key, options.projection != Projection::Nothing).await?;
                let header = row.header(now)?;
                match rules::delete(now, header.as_ref(), options)? {
                    DeleteStep::Absent if self.confirm_ended(key, &mut row).await? => {
                        return Ok(Outcome::Absent);
                    }
                    // The deadline was moved while the entry was live.
                    DeleteStep::Absent => {
                        self.pause(attempt).await;
                        continue;
                    }
                    DeleteStep::Refused => return Ok(Outcome::Refused(None)),
                    DeleteStep::Remove => {}
                }
                let Some(header) = header else { return Ok(Outcome::Absent) };
                let value = selected(&mut row, header.kind, &options.projection)?;
                let taken = (options.projection != Projection::Nothing).then(|| Entry::new(value));
                (Some(own_uuid(&header.version)), taken)
            };
            let present = self.common.now();
            let now = now_column(present);
            let seen = damaged.take().filter(|row| row.is_live(present));
            // A lost response remains unknown: no row shows which caller deleted it, and a retry could delete
            // the next entry.
            let swap = match (seen, version) {
                (Some(row), _) => self.delete_seen(key, &row).await?,
                (None, Some(version)) => {
                    let values = (key.as_str(), now, now, now, version);
                    self.swap(key, &self.writes.delete_version, values, Lost::Unknown).await?
                }
                (None, None) => {
                    let values = (key.as_str(), now, now, now);
                    self.swap(key, &self.writes.delete_any, values, Lost::Unknown).await?
                }
            };
            let mut row = match swap {
                Swap::Done => return Ok(Outcome::Applied(taken)),
                Swap::Refused(row) => row,
            };
            let ended = blind && !row.is_live(self.common.now());
            if ended && self.confirm_ended(key, &mut row).await? {
                return Ok(Outcome::Absent);
            }
            if blind && !ended && version.is_some_and(|version| row.version != Some(version)) {
                return Ok(Outcome::Refused(None));
            }
            damaged = (blind && !ended).then_some(row);
            self.pause(attempt).await;
        }
        Err(error::contention())
    }
}
