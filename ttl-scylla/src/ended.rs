//! Entries that have ended stay so, whatever is still on its way.
//!
//! A request that moves a deadline is checked against the clock when it is sent, and can be applied after its
//! entry has ended. No condition of a lightweight transaction asks for the time at which it is applied. So
//! the first who finds an entry ended marks its row before answering: by a new version, and by cells that end
//! before the deadline. Every transaction that was sent while the entry lived is pinned on the old version or
//! on cells that reach further, and is refused from then on. Nothing is deleted: a program whose clock is
//! ahead takes nothing from the others.

use ttl_core::{ErrorKind, Key, Result, Version};

use crate::client::Swap;
use crate::error::{self, Fate};
use crate::lifetime::Reach;
use crate::row::{Row, own_uuid};
use crate::strict::Strict;

impl Strict {
    /// Marks a row that has ended, if it is not marked yet; `row` is as it is stored then. Returns `false` if
    /// the row has changed meanwhile.
    ///
    /// A program that may not write goes by its clock alone.
    pub(crate) async fn confirm_ended(&self, key: &Key, row: &mut Row) -> Result<bool> {
        let (Some(deadline), Some(covers)) = (row.deadline, row.covers) else { return Ok(true) };
        if row.is_marked_ended() {
            return Ok(true);
        }
        // As long as the other cells are there: the row goes as a whole.
        let ttl = Reach::until(covers, self.common.now(), self.common.skew).ttl;
        let version = own_uuid(&Version::random());
        let marked = deadline.saturating_sub(1);
        let values = (ttl, marked, version, key.as_str(), row.version, deadline, covers);
        // In a box of its own: what seldom runs would else make every read's future larger.
        match Box::pin(self.common.client.swap(&self.writes.mark_ended, &values)).await {
            Ok(Swap::Done) => {
                (row.version, row.covers) = (Some(version), Some(marked));
                Ok(true)
            }
            Ok(Swap::Refused(_)) => Ok(false),
            Err(Fate::NotApplied(error)) if error.kind() == ErrorKind::PermissionDenied => Ok(true),
            Err(Fate::NotApplied(error)) => Err(error),
            // It changes nothing that anybody sees.
            Err(Fate::Unknown(_)) => Err(error::timed_out()),
        }
    }
}
