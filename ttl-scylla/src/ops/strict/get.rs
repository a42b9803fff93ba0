//! Get in strict mode: one read, and a write if a refresh is due.

use ttl_core::driver::Stored;
use ttl_core::rules::{self, Header};
use ttl_core::{Entry, Error, GetOptions, Key, Kind, Projection, RefreshMode, Result, Returning, Value};

use crate::connection::client::Swap;
use crate::error;
use crate::layout::lifetime::{from_column, to_column};
use crate::layout::row::Row;
use crate::ops::strict::write::{ATTEMPTS, Strict, To};

/// Returns whether the value must be read.
fn needs_value(projection: &Projection) -> bool {
    *projection != Projection::Nothing
}

/// Returns the selected part of a row that was read as far as the projection needs it.
pub(crate) fn selected(row: &mut Row, kind: Kind, projection: &Projection) -> Result<Option<Value>> {
    if needs_value(projection) { Ok(row.take_value(kind)?.project(projection)) } else { Ok(None) }
}

impl Strict {
    pub(crate) async fn get(&self, key: &Key, options: &GetOptions) -> Result<Option<Entry>> {
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            let (now, mut row) = self.common.read(key, needs_value(&options.projection)).await?;
            let header = row.header(now)?;
            let (Some(header), Some(hit)) = (header, rules::get(now, header.as_ref(), options)?) else {
                if self.confirm_ended(key, &mut row).await? {
                    return Ok(None);
                }
                // The deadline was moved while the entry was live.
                last = None;
                self.pause(attempt).await;
                continue;
            };
            let value =
                if needs_value(&options.projection) { Some(row.take_value(header.kind)?) } else { None };
            let entry = Entry::new(value.as_ref().and_then(|value| value.project(&options.projection)))
                .with_deadline(options.returning.contains(Returning::DEADLINE).then_some(hit.deadline))
                .with_version(options.returning.contains(Returning::VERSION).then_some(header.version))
                .with_created_at(row.created_at(options.returning)?);
            let Some(to) = hit.refresh else { return Ok(Some(entry)) };
            let stored = value.map(|value| row.entry(value, &header));
            let extends = options.refresh.is_some_and(|refresh| refresh.mode == RefreshMode::ExtendOnly);
            // Boxed, because rare code would otherwise enlarge every read's future.
            match Box::pin(self.refresh(key, &row, &header, to_column(to), stored, extends)).await {
                Ok(Some(at)) => {
                    let shown = entry.deadline.map(|_| from_column(at));
                    return Ok(Some(entry.with_deadline(shown)));
                }
                // The read succeeded, but its refresh failed (R9).
                Err(error) => return Ok(Some(entry.with_refresh_error(named(error, key)))),
                Ok(None) => last = Some(entry),
            }
            self.pause(attempt).await;
        }
        let last = last.ok_or_else(error::contention)?;
        Ok(Some(last.with_refresh_error(named(error::contention(), key))))
    }

    /// Moves the deadline of the row that was read. Returns the resulting deadline, which another read's
    /// refresh may have moved further, or `None` if the row has changed.
    async fn refresh(
        &self,
        key: &Key,
        row: &Row,
        header: &Header,
        to: i64,
        stored: Option<Stored>,
        extends: bool,
    ) -> Result<Option<i64>> {
        let mut stored = stored;
        let swap = loop {
            // The entry may have ended since it was read. It then counts as expired (R3).
            if !row.is_live(self.common.now()) {
                return Ok(None);
            }
            if let Some(swap) = self.move_deadline(key, row, To::Instant(to), stored.as_ref()).await? {
                break swap;
            }
            // The value must be written again, but was not requested.
            let (now, mut whole) = self.common.read(key, true).await?;
            if whole.version != row.version || whole.deadline != row.deadline {
                return Ok(None);
            }
            stored = whole.stored(now)?;
            if stored.is_none() {
                return Ok(None);
            }
        };
        Ok(match swap {
            Swap::Done => Some(to),
            Swap::Refused(now) => now.deadline.filter(|at| {
                extends && now.version == row.version && *at >= to && !header.deadline.is_never()
            }),
        })
    }
}

fn named(error: Error, key: &Key) -> Error {
    error.with_operation("get").with_backend(crate::BACKEND).with_key(key)
}
