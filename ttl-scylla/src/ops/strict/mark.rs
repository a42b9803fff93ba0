//! Keeps expired entries expired, even if late requests arrive.
//!
//! A request that moves a deadline is checked against the clock when it is sent, and can be applied after its
//! entry has ended. No condition of a lightweight transaction checks the time at which it is applied. The
//! first operation that finds an entry expired therefore marks its row before it returns: with a new version,
//! and with cells that end before the deadline. Every transaction that was sent while the entry was live
//! expects the old version or cells that last longer, and is rejected from then on. Nothing is deleted: a
//! program whose clock is ahead does not affect the others.

use ttl_core::driver::WriteFailure;
use ttl_core::{ErrorKind, Key, Result, Version};

use crate::connection::Transaction;
use crate::error;
use crate::inner::Strict;
use crate::layout::{CellLifetime, Row, driver_uuid};
use crate::wire::MarkExpired;

/// Marks an expired row, if it is not marked yet; `row` is the stored state afterwards. Returns `false` if the
/// row has changed meanwhile: the deadline was moved while the entry was live.
///
/// A program without write permission relies on its clock alone.
pub(super) async fn mark_expired(strict: &Strict, key: &Key, row: &mut Row) -> Result<bool> {
    let (Some(seen_deadline), Some(seen_covers)) = (row.deadline, row.covers) else { return Ok(true) };
    if row.is_marked_expired() {
        return Ok(true);
    }
    let inner = &strict.inner;
    let binds = MarkExpired {
        key: key.as_str(),
        // The mark lasts as long as the other cells: the row ends as a whole.
        ttl: CellLifetime::until(seen_covers, inner.now(), inner.clock_skew).ttl,
        new_covers: seen_deadline.saturating_sub(1),
        new_version: driver_uuid(&Version::random()),
        seen_version: row.version,
        seen_deadline,
        seen_covers,
    };
    // Boxed, because rare code would otherwise enlarge every read's future.
    match Box::pin(inner.client.transaction(&strict.statements.mark_expired, &binds)).await {
        Ok(Transaction::Applied) => {
            (row.version, row.covers) = (Some(binds.new_version), Some(binds.new_covers));
            Ok(true)
        }
        Ok(Transaction::Rejected(_)) => Ok(false),
        Err(WriteFailure::NotApplied(error)) if error.kind() == ErrorKind::PermissionDenied => Ok(true),
        Err(WriteFailure::NotApplied(error)) => Err(error),
        // The mark changes nothing visible.
        Err(WriteFailure::Unknown(_)) => Err(error::timed_out()),
    }
}
