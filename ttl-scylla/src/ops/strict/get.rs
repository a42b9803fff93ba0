//! Get in strict mode: one read, and a write if a refresh is due.

use ttl_core::driver::{MAX_ATTEMPTS, Stored, contention};
use ttl_core::options::GetOptions;
use ttl_core::rules::{self, Header};
use ttl_core::{Entry, Error, Key, RefreshMode, Result};

use super::mark::mark_expired;
use super::transaction::wait_after_conflict;
use super::write::{Target, move_deadline};
use crate::CONTEXT;
use crate::connection::Transaction;
use crate::inner::Strict;
use crate::layout::{Row, from_column, to_column};
use crate::ops::entry::{entry, needs_value};

pub(crate) async fn get(strict: &Strict, key: &Key, options: &GetOptions) -> Result<Option<Entry>> {
    let whole = needs_value(&options.projection);
    let mut last = None;
    for attempt in 0..MAX_ATTEMPTS {
        let (now, mut row) = strict.inner.read(key, whole).await?;
        let header = row.header(now)?;
        let (Some(header), Some(hit)) = (header, rules::get(now, header.as_ref(), options)?) else {
            if mark_expired(strict, key, &mut row).await? {
                return Ok(None);
            }
            last = None;
            wait_after_conflict(attempt).await;
            continue;
        };
        let value = if whole { Some(row.take_value(header.kind)?) } else { None };
        let selected = value.as_ref().and_then(|value| value.project(&options.projection));
        let entry = entry(&row, &header, selected, hit.deadline, options.returning)?.with_cap(hit.cap);
        let Some(to) = hit.refresh else { return Ok(Some(entry)) };
        let stored = value.map(|value| row.entry(value, &header));
        let extends = options.refresh.is_some_and(|refresh| refresh.mode == RefreshMode::ExtendOnly);
        // Boxed, because rare code would otherwise enlarge every read's future.
        match Box::pin(refresh(strict, key, &row, &header, to_column(to), stored, extends)).await {
            Ok(Some(at)) => {
                let shown = entry.deadline.map(|_| from_column(at));
                return Ok(Some(entry.with_deadline(shown)));
            }
            Err(error) => return Ok(Some(with_refresh_error(entry, key, error))),
            Ok(None) => last = Some(entry),
        }
        wait_after_conflict(attempt).await;
    }
    let last = last.ok_or_else(contention)?;
    Ok(Some(with_refresh_error(last, key, contention())))
}

/// Moves the deadline of the row that was read. Returns the resulting deadline, which another read's refresh
/// may have moved further, or `None` if the row has changed.
async fn refresh(
    strict: &Strict,
    key: &Key,
    row: &Row,
    header: &Header,
    to: i64,
    mut stored: Option<Stored>,
    extends: bool,
) -> Result<Option<i64>> {
    let transaction = loop {
        // The entry may have ended since it was read. It then counts as expired (R3).
        if !row.is_live(strict.inner.now()) {
            return Ok(None);
        }
        let moved = move_deadline(strict, key, row, Target::Instant(to), stored.as_ref()).await?;
        if let Some(transaction) = moved {
            break transaction;
        }
        // The value must be written again, but was not requested.
        let (now, mut whole) = strict.inner.read(key, true).await?;
        if whole.version != row.version || whole.deadline != row.deadline {
            return Ok(None);
        }
        stored = whole.stored(now)?;
        if stored.is_none() {
            return Ok(None);
        }
    };
    Ok(match transaction {
        Transaction::Applied => Some(to),
        Transaction::Rejected(now) => now
            .deadline
            .filter(|at| extends && now.version == row.version && *at >= to && !header.deadline.is_never()),
    })
}

/// Adds the error of a refresh to the entry that was read (R9).
fn with_refresh_error(entry: Entry, key: &Key, error: Error) -> Entry {
    entry.with_refresh_error(CONTEXT.error("get", key, error))
}
