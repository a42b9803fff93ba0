//! Get: `GetItem`, or `UpdateItem` if the read refreshes the entry.

use ttl_core::driver::Now;
use ttl_core::options::{GetOptions, Projection, Refresh, Returning};
use ttl_core::rules::{self, Hit};
use ttl_core::{Deadline, Entry, Error, Key, Kind, RefreshMode, Result, Version};

use super::result;
use crate::error::FailedWrite;
use crate::inner::Inner;
use crate::layout::{self, Item};
use crate::wire::{Reply, Retries, Write};

impl Inner {
    pub(crate) async fn get(&self, key: &Key, options: &GetOptions) -> Result<Option<Entry>> {
        match &options.refresh {
            None => self.get_plain(key, options).await,
            Some(refresh) if refresh.slack.is_some() => self.read_then_refresh(key, options, refresh).await,
            // An entry that could not be read the last time is not kept alive by reading it.
            Some(refresh) if self.unreadable.has(key) => {
                let entry = self.read_then_refresh(key, options, refresh).await?;
                self.unreadable.forget(key);
                Ok(entry)
            }
            // One request: the condition checks whether the refresh is due.
            Some(refresh) => self.refresh_and_get(key, options, refresh).await,
        }
    }

    /// Reads without a refresh.
    async fn get_plain(&self, key: &Key, options: &GetOptions) -> Result<Option<Entry>> {
        let (now, item) = self.read_current(key, options, &mut self.retries()).await?;
        answer(now, item, options)
    }

    /// Reads an item, and returns the time at which to decide about it. This is after the response, so a slow read
    /// returns no expired entry. An entry that ended meanwhile may have been extended in time, and is read
    /// again.
    async fn read_current(
        &self,
        key: &Key,
        options: &GetOptions,
        retries: &mut Retries,
    ) -> Result<(Now, Option<Item>)> {
        let attributes = self.attributes(&options.projection, options.kind, options.returning);
        let consistent = self.config.has_consistent_reads();
        let before = self.now();
        let item = self.read(key, attributes.as_ref(), consistent, retries).await?;
        let now = self.now();
        let live = |now| Ok(layout::live_header(now, item.as_ref())?.is_some());
        if now == before || live(now)? || !live(before)? {
            return Ok((now, item));
        }
        let item = self.read(key, attributes.as_ref(), consistent, retries).await?;
        Ok((self.now(), item))
    }

    async fn refresh_and_get(
        &self,
        key: &Key,
        options: &GetOptions,
        refresh: &Refresh,
    ) -> Result<Option<Entry>> {
        let build = |now| Ok(self.refresh_request(now, refresh, None, options).returning_new());
        let mut retries = self.retries();
        match self.write(key, &mut retries, build).await {
            Ok((now, Reply::Applied(item))) => {
                let hit = find_hit(now, item.as_ref(), options)?;
                entry(hit, item, options).inspect_err(|_| self.unreadable.note(key))
            }
            // The refresh is not due, or the entry does not match: the result follows from the returned item.
            Ok((now, Reply::ConditionFailed(item))) => answer(now, item, options),
            Err(failed) => {
                let (now, item) = self.read_current(key, options, &mut retries.fresh()).await?;
                let hit = find_hit(now, item.as_ref(), options)?;
                let due = hit.is_some_and(|hit| hit.refresh.is_some());
                let entry = entry(hit, item, options)?;
                Ok(if due {
                    entry.map(|entry| entry.with_refresh_error(refresh_error(failed)))
                } else {
                    entry
                })
            }
        }
    }

    /// Reads, and then refreshes the entry if that is due.
    async fn read_then_refresh(
        &self,
        key: &Key,
        options: &GetOptions,
        refresh: &Refresh,
    ) -> Result<Option<Entry>> {
        let mut retries = self.retries();
        let (now, item) = self.read_current(key, options, &mut retries).await?;
        let hit = find_hit(now, item.as_ref(), options)?;
        let (Some(Hit { refresh: Some(_), .. }), Some(header)) =
            (hit, layout::live_header(now, item.as_ref())?)
        else {
            return entry(hit, item, options);
        };
        let entry = entry(hit, item, options)?;
        let build = |now| {
            let write = self.refresh_request(now, refresh, Some(&header.version), options);
            Ok(match refresh.mode {
                RefreshMode::ExtendOnly => write,
                RefreshMode::Reset => write.demand_deadline(header.deadline),
            })
        };
        let written = self.write(key, &mut retries.fresh(), build).await;
        let wanted = options.returning.contains(Returning::DEADLINE);
        Ok(entry.map(|entry| match written {
            Ok((now, Reply::Applied(_))) if wanted => {
                entry.with_deadline(rules::refreshed(now, &header, refresh))
            }
            // Another caller was faster with the same value: its refresh counts.
            Ok((now, Reply::ConditionFailed(Some(item)))) => match layout::live_header(now, Some(&item)) {
                Ok(Some(found)) if found.version == header.version && wanted => {
                    entry.with_deadline(found.ends())
                }
                // The item is the one that was read.
                _ => entry,
            },
            Ok(_) => entry,
            Err(failed) => entry.with_refresh_error(refresh_error(failed)),
        }))
    }

    /// Moves the deadline of a live entry, if that is due. Never moves that of another version than the one
    /// that was read (R6).
    fn refresh_request(
        &self,
        now: Now,
        refresh: &Refresh,
        seen: Option<&Version>,
        options: &GetOptions,
    ) -> Write {
        let write = Write::update().set_deadline(&self.layout, now, Deadline::after(now, refresh.ttl));
        let write = write.demand_live(now, seen);
        let write = match refresh.mode {
            RefreshMode::Reset => write,
            // A deadline at the cap cannot be extended.
            RefreshMode::ExtendOnly => write.demand("#d < :d AND (attribute_not_exists(#m) OR #d < #m)"),
        };
        // An unreadable entry is not kept alive by reading it.
        let write = if options.projection == Projection::Nothing { write } else { write.demand_readable() };
        let write = write.demand_created_at(options.returning);
        match expected_kind(options) {
            None => write,
            Some(kind) => write.demand(kind_condition(kind)),
        }
    }
}

/// Returns the condition for a kind.
pub(crate) fn kind_condition(kind: Kind) -> &'static str {
    match kind {
        Kind::Blob => "attribute_exists(#b)",
        Kind::Record => "attribute_not_exists(#b)",
    }
}

fn expected_kind(options: &GetOptions) -> Option<Kind> {
    if matches!(options.projection, Projection::Fields(_)) { Some(Kind::Record) } else { options.kind }
}

/// Returns the result of a get that found this item.
pub(crate) fn answer(now: Now, item: Option<Item>, options: &GetOptions) -> Result<Option<Entry>> {
    let hit = find_hit(now, item.as_ref(), options)?;
    entry(hit, item, options)
}

/// Decides a get by the item: [`rules::get`].
fn find_hit(now: Now, item: Option<&Item>, options: &GetOptions) -> Result<Option<Hit>> {
    rules::get(now, layout::live_header(now, item)?.as_ref(), options)
}

/// Returns the entry of a hit.
fn entry(hit: Option<Hit>, item: Option<Item>, options: &GetOptions) -> Result<Option<Entry>> {
    let (Some(hit), Some(item)) = (hit, item) else { return Ok(None) };
    result::entry(item, hit.deadline, &options.projection, options.returning)
        .map(|entry| Some(entry.with_cap(hit.cap)))
}

fn refresh_error(failed: FailedWrite) -> Error {
    failed.into_error().with_operation("refresh")
}
