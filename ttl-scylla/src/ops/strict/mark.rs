//! Keeps expired entries expired, even if late requests arrive.
//!
//! A request that moves a deadline is checked against the clock when it is sent, and can be applied after its
//! entry has ended. No condition of a lightweight transaction checks the time at which it is applied. The
//! first operation that finds an entry expired therefore marks its row before it returns: with a new version,
//! and with cells that end before the deadline. Every transaction that was sent while the entry was live
//! expects the old version or cells that last longer, and is rejected from then on. Nothing is deleted: a
//! program whose clock is ahead does not affect the others.

use ttl_core::{ErrorKind, Key, Result, Version};

use crate::connection::client::Swap;
use crate::error::{self, Fate};
use crate::layout::lifetime::Reach;
use crate::layout::row::{Row, own_uuid};
use crate::ops::strict::write::Strict;

impl Strict {
    /// Marks an expired row, if it is not marked yet; `row` is the stored state afterwards. Returns `false`
    /// if the row has changed meanwhile.
    ///
    /// A program without write permission relies on its clock alone.
    pub(crate) async fn confirm_ended(&self, key: &Key, row: &mut Row) -> Result<bool> {
        let (Some(deadline), Some(covers)) = (row.deadline, row.covers) else { return Ok(true) };
        if row.is_marked_ended() {
            return Ok(true);
        }
        // The mark lasts as long as the other cells: the row ends as a whole.
        let ttl = Reach::until(covers, self.common.now(), self.common.skew).ttl;
        let version = own_uuid(&Version::random());
        let marked = deadline.saturating_sub(1);
        let values = (ttl, marked, version, key.as_str(), row.version, deadline, covers);
        // Boxed, because rare code would otherwise enlarge every read's future.
        match Box::pin(self.common.client.swap(&self.writes.mark_ended, &values)).await {
            Ok(Swap::Done) => {
                (row.version, row.covers) = (Some(version), Some(marked));
                Ok(true)
            }
            Ok(Swap::Refused(_)) => Ok(false),
            Err(Fate::NotApplied(error)) if error.kind() == ErrorKind::PermissionDenied => Ok(true),
            Err(Fate::NotApplied(error)) => Err(error),
            // The mark changes nothing visible.
            Err(Fate::Unknown(_)) => Err(error::timed_out()),
        }
    }
}
