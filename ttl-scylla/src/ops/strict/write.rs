//! Writes over a row that was read: they are applied only if the row is unchanged.

use ttl_core::driver::Stored;
use ttl_core::{Key, Result};

use super::transaction::{Recovery, execute};
use crate::connection::Transaction;
use crate::inner::Strict;
use crate::layout::{CellLifetime, Cells, Row};
use crate::wire::{DeleteSeen, MoveSeen, Replace, WriteCells};

/// The target of a moved deadline.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    /// An instant: if the deadline is there, any caller may have moved it.
    Instant(i64),
    /// A step, to this instant. Two callers with the same step from the same deadline get the same instant,
    /// and both must count.
    Step(i64),
}

/// Writes a new value with all its cells, if the row is unchanged.
pub(super) async fn replace(
    strict: &Strict,
    key: &Key,
    seen: &Row,
    cells: &Cells,
    lifetime: CellLifetime,
) -> Result<Transaction> {
    let write_cells = || WriteCells { key: key.as_str(), lifetime, cells };
    // Every value has a new version.
    let was_applied = |row: &Row| row.version == Some(cells.version);
    if seen.is_empty() {
        let nothing = *seen == Row::default();
        let statements = &strict.statements;
        let statement = if nothing { &statements.create } else { &statements.create_over };
        return execute(strict, key, statement, write_cells(), Recovery::Read(&was_applied)).await;
    }
    let binds = || Replace { row: write_cells(), seen_version: seen.version, seen_deadline: seen.deadline };
    // A write for a live entry must not be applied to an expired one.
    let was_live = seen.is_live(strict.inner.now());
    let resend = || (!was_live || seen.is_live(strict.inner.now())).then(binds);
    let recovery = if seen.version.is_some() {
        Recovery::Resend(&was_applied, &resend)
    } else {
        Recovery::Read(&was_applied)
    };
    execute(strict, key, &strict.statements.replace, binds(), recovery).await
}

/// Writes the deadline, if the row is unchanged. Writes only the deadline if the cells allow it, otherwise all
/// cells, which requires the value in `whole`. Returns `None` if the value is missing.
pub(super) async fn move_deadline(
    strict: &Strict,
    key: &Key,
    seen: &Row,
    target: Target,
    whole: Option<&Stored>,
) -> Result<Option<Transaction>> {
    let (now, skew) = (strict.inner.now(), strict.inner.clock_skew);
    let (Target::Instant(to) | Target::Step(to)) = target;
    let was_applied = |row: &Row| row.version == seen.version && row.deadline == Some(to);
    let is_recoverable = matches!(target, Target::Instant(_));
    let Row { version: seen_version, deadline: seen_deadline, covers: seen_covers, .. } = *seen;
    if let Some(ttl) = CellLifetime::of_deadline(seen_covers.unwrap_or(0), to, now, skew) {
        let key_text = key.as_str();
        let binds =
            MoveSeen { key: key_text, ttl, new_deadline: to, seen_version, seen_deadline, seen_covers };
        let recovery = if is_recoverable { Recovery::Read(&was_applied) } else { Recovery::None };
        return execute(strict, key, &strict.statements.move_seen, binds, recovery).await.map(Some);
    }
    let Some(stored) = whole else { return Ok(None) };
    let cells = Cells { deadline: to, ..Cells::of(stored) };
    let lifetime = CellLifetime::for_move(seen_deadline, to, cells.cap, now, skew);
    let row = WriteCells { key: key.as_str(), lifetime, cells: &cells };
    let binds = Replace { row, seen_version, seen_deadline };
    let recovery = if is_recoverable { Recovery::Read(&was_applied) } else { Recovery::None };
    execute(strict, key, &strict.statements.replace, binds, recovery).await.map(Some)
}

/// Deletes the row, if it is unchanged. The result cannot be distinguished from another caller's delete.
pub(super) async fn delete_seen(strict: &Strict, key: &Key, seen: &Row) -> Result<Transaction> {
    let binds = DeleteSeen { key: key.as_str(), seen_version: seen.version, seen_deadline: seen.deadline };
    execute(strict, key, &strict.statements.delete_seen, binds, Recovery::None).await
}
