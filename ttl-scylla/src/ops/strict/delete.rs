//! Delete in strict mode: one transaction, or a read and a transaction if the row must be read first.

use ttl_core::driver::{MAX_ATTEMPTS, contention};
use ttl_core::options::DeleteOptions;
use ttl_core::rules::{self, DeleteStep};
use ttl_core::{Entry, Key, Outcome, Result};

use super::mark::mark_expired;
use super::transaction::{Recovery, execute, wait_after_conflict};
use super::write::delete_seen;
use crate::connection::Transaction;
use crate::inner::Strict;
use crate::layout::{Row, driver_uuid, now_column, to_uuid};
use crate::ops::entry::{needs_value, selected};
use crate::wire::{DeleteLive, DeleteVersion};

pub(crate) async fn delete(
    strict: &Strict,
    key: &Key,
    options: &DeleteOptions,
) -> Result<Outcome<Option<Entry>>> {
    strict.inner.capabilities.check_delete(options)?;
    let expected = options.if_version.as_ref().map(to_uuid);
    let whole = needs_value(&options.projection);
    // Whether the row need not be read first.
    let unread = !whole && options.kind.is_none() && expected != Some(None);
    // A live row whose transaction was rejected is damaged. Only the damage can be reported.
    let mut damaged: Option<Row> = None;
    for attempt in 0..MAX_ATTEMPTS {
        let (version, taken) = if unread {
            (expected.flatten(), None)
        } else {
            let (now, mut row) = strict.inner.read(key, whole).await?;
            let header = row.header(now)?;
            match rules::delete(now, header.as_ref(), options)? {
                DeleteStep::Absent if mark_expired(strict, key, &mut row).await? => {
                    return Ok(Outcome::Absent);
                }
                DeleteStep::Absent => {
                    wait_after_conflict(attempt).await;
                    continue;
                }
                DeleteStep::Refused => return Ok(Outcome::Refused(None)),
                DeleteStep::Remove => {}
            }
            let Some(header) = header else { return Ok(Outcome::Absent) };
            let value = selected(&mut row, header.kind, &options.projection)?;
            let taken = whole.then(|| Entry::new(value));
            (Some(driver_uuid(&header.version)), taken)
        };
        let now = strict.inner.now();
        let seen = damaged.take().filter(|row| row.is_live(now));
        let (key_text, now) = (key.as_str(), now_column(now));
        let statements = &strict.statements;
        // A lost response remains unknown: no row shows which caller deleted it, and a retry could delete
        // the next entry.
        let transaction = match (seen, version) {
            (Some(row), _) => delete_seen(strict, key, &row).await?,
            (None, Some(version)) => {
                let binds = DeleteVersion { key: key_text, now, seen_version: version };
                execute(strict, key, &statements.delete_version, binds, Recovery::None).await?
            }
            (None, None) => {
                let binds = DeleteLive { key: key_text, now };
                execute(strict, key, &statements.delete_live, binds, Recovery::None).await?
            }
        };
        let mut row = match transaction {
            Transaction::Applied => return Ok(Outcome::Applied(taken)),
            Transaction::Rejected(row) => row,
        };
        let expired = unread && !row.is_live(strict.inner.now());
        if expired && mark_expired(strict, key, &mut row).await? {
            return Ok(Outcome::Absent);
        }
        if unread && !expired && version.is_some_and(|version| row.version != Some(version)) {
            return Ok(Outcome::Refused(None));
        }
        damaged = (unread && !expired).then_some(row);
        wait_after_conflict(attempt).await;
    }
    Err(contention())
}
