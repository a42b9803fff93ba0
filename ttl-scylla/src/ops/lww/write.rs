//! The writes of lww mode.

use ttl_core::driver::Stored;
use ttl_core::{Key, Result};

use crate::inner::Lww;
use crate::layout::{CellLifetime, Cells, Row};
use crate::wire::{DeleteAt, MoveAt, WriteAt, WriteCells};

/// Moves the deadline. Writes only the deadline if the cells allow it, otherwise all cells. The timestamp is
/// `advance` after that of the row. Returns `false` if the row has changed.
pub(super) async fn move_deadline(
    lww: &Lww,
    key: &Key,
    row: &Row,
    to: i64,
    whole: Option<Stored>,
    advance: i64,
) -> Result<bool> {
    let (now, skew) = (lww.inner.now(), lww.inner.clock_skew);
    // The entry may have ended since it was read. It then counts as expired (R3).
    if !row.is_live(now) {
        return Ok(false);
    }
    let may_resend = || row.is_live(lww.inner.now());
    let written_at = row.written.unwrap_or(0).saturating_add(advance);
    if let Some(ttl) = CellLifetime::of_deadline(row.covers.unwrap_or(0), to, now, skew) {
        let binds = MoveAt { key: key.as_str(), ttl, written_at, new_deadline: to };
        lww.inner.client.write(&lww.statements.move_deadline, &binds, may_resend).await?;
        return Ok(true);
    }
    let stored = match whole {
        Some(stored) => stored,
        None => {
            let (now, mut reread) = lww.inner.read(key, true).await?;
            if reread.version != row.version || reread.written != row.written || !reread.is_live(now) {
                return Ok(false);
            }
            let Some(stored) = reread.stored(now)? else { return Ok(false) };
            stored
        }
    };
    let cells = Cells { deadline: to, ..Cells::of(&stored) };
    let lifetime = CellLifetime::for_move(row.deadline, to, cells.cap, now, skew);
    write(lww, key, &cells, lifetime, written_at, may_resend).await?;
    Ok(true)
}

/// Writes every cell.
pub(super) async fn write(
    lww: &Lww,
    key: &Key,
    cells: &Cells,
    lifetime: CellLifetime,
    written_at: i64,
    may_resend: impl Fn() -> bool,
) -> Result<()> {
    let binds = WriteAt { row: WriteCells { key: key.as_str(), lifetime, cells }, written_at };
    lww.inner.client.write(&lww.statements.write, &binds, may_resend).await
}

/// Deletes the row.
pub(super) async fn erase(lww: &Lww, key: &Key, row: &Row) -> Result<()> {
    let binds = DeleteAt { key: key.as_str(), written_at: next_timestamp(lww, row) };
    lww.inner.client.write(&lww.statements.delete, &binds, || true).await
}

/// Returns the timestamp of a put or a delete over this row.
pub(super) fn next_timestamp(lww: &Lww, row: &Row) -> i64 {
    lww.timestamps.next(row.written, lww.inner.clock_skew)
}
