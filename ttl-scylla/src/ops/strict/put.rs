//! Put in strict mode: one transaction if nothing is stored or the version is known, otherwise two.

use ttl_core::driver::{MAX_ATTEMPTS, contention};
use ttl_core::options::{Condition, ExistingDeadline, PutOptions};
use ttl_core::results::PutResult;
use ttl_core::rules::{self, Header, PutStep};
use ttl_core::{Deadline, Key, Outcome, Result, Value, Version};

use super::mark::mark_expired;
use super::transaction::{Recovery, Unread, execute, wait_after_conflict};
use super::write::{delete_seen, replace};
use crate::connection::Transaction;
use crate::inner::Strict;
use crate::layout::{CellLifetime, Cells, Row, now_column, to_uuid};
use crate::wire::{ReplaceVersion, WriteCells};

pub(crate) async fn put(
    strict: &Strict,
    key: &Key,
    value: &Value,
    options: &PutOptions,
) -> Result<Outcome<PutResult>> {
    strict.inner.capabilities.check_put(options)?;
    strict.inner.capabilities.check_size(value.size_bytes())?;
    let version = Version::random();
    // The expected row, if it is known or worth a guess. A transaction that finds another row returns it.
    let mut known = match options.condition {
        // A value that is returned must be read first.
        _ if options.previous => None,
        Condition::Always | Condition::IfAbsent => Some(Row::default()),
        Condition::IfVersion(seen) if options.existing_deadline == ExistingDeadline::Replace => {
            match put_over_version(strict, key, value, options, &seen, version).await? {
                Unread::Done(outcome) => return Ok(outcome),
                Unread::Undecided(row) => row,
            }
        }
        Condition::IfPresent | Condition::IfVersion(_) => None,
    };
    for attempt in 0..MAX_ATTEMPTS {
        let guessed = attempt == 0 && known.as_ref().is_some_and(Row::is_empty);
        let (now, mut row) = match known.take() {
            Some(row) => (strict.inner.now(), row),
            None => strict.inner.read(key, options.previous).await?,
        };
        // An unreadable value is not replaced: it could not be returned.
        let previous = if options.previous && row.is_live(now) { row.stored(now)? } else { None };
        let (transaction, meta) = match rules::put(now, row.header(now)?.as_ref(), options)? {
            PutStep::Absent if mark_expired(strict, key, &mut row).await? => return Ok(Outcome::Absent),
            PutStep::Absent => {
                wait_after_conflict(attempt).await;
                continue;
            }
            PutStep::Refused => {
                let refused = previous.map(|stored| {
                    let (ends, version) = (stored.deadline.min(stored.cap), stored.version);
                    let meta = PutResult::returning(options.returning, false, ends, Some(version));
                    Ok(meta.with_created_at(row.created_at(options.returning)?).with_previous(stored.value))
                });
                return Ok(Outcome::Refused(refused.transpose()?));
            }
            PutStep::Write { deadline, cap, created } => {
                let cells = Cells::fresh(now, value, deadline, cap, &version);
                let lifetime = CellLifetime::until(cells.deadline, now, strict.inner.clock_skew);
                let meta = PutResult::returning(options.returning, created, deadline, Some(version))
                    .with_created_at(rules::created_at(now, options.returning));
                (replace(strict, key, &row, &cells, lifetime).await?, meta)
            }
            // The put leaves no entry. A read must show whether there was one.
            PutStep::Erase { .. } if guessed => continue,
            PutStep::Erase { deadline, created } => {
                let meta = PutResult::returning(options.returning, created, deadline, None);
                if row.is_empty() {
                    return Ok(Outcome::Applied(meta));
                }
                (delete_seen(strict, key, &row).await?, meta)
            }
        };
        match transaction {
            Transaction::Applied => {
                return Ok(Outcome::Applied(meta.with_previous(previous.map(|stored| stored.value))));
            }
            Transaction::Rejected(row) => known = Some(row),
        }
        if !guessed {
            wait_after_conflict(attempt).await;
            // The row in the rejection is outdated by now.
            known = None;
        }
    }
    Err(contention())
}

/// Puts over one version, as if it had no cap.
async fn put_over_version(
    strict: &Strict,
    key: &Key,
    value: &Value,
    options: &PutOptions,
    seen: &Version,
    version: Version,
) -> Result<Unread<Outcome<PutResult>>> {
    let (inner, now) = (&strict.inner, strict.inner.now());
    let expected =
        Header { kind: value.kind(), deadline: Deadline::NEVER, cap: Deadline::NEVER, version: *seen };
    let PutStep::Write { deadline, cap, created } = rules::put(now, Some(&expected), options)? else {
        return Ok(Unread::Undecided(None));
    };
    let Some(seen_version) = to_uuid(seen) else { return Ok(Unread::Undecided(None)) };
    let cells = Cells::fresh(now, value, deadline, cap, &version);
    let lifetime = CellLifetime::until(cells.deadline, now, inner.clock_skew);
    let binds = |now| {
        let row = WriteCells { key: key.as_str(), lifetime, cells: &cells };
        ReplaceVersion { row, seen_version, now: now_column(now) }
    };
    let was_applied = |row: &Row| row.version == Some(cells.version);
    let resend = || Some(binds(inner.now()));
    let recovery = Recovery::Resend(&was_applied, &resend);
    let statement = &strict.statements.replace_version;
    Ok(match execute(strict, key, statement, binds(now), recovery).await? {
        Transaction::Applied => {
            let meta = PutResult::returning(options.returning, created, deadline, Some(version));
            let meta = meta.with_created_at(rules::created_at(now, options.returning));
            Unread::Done(Outcome::Applied(meta))
        }
        Transaction::Rejected(row) => Unread::Undecided(Some(row)),
    })
}
