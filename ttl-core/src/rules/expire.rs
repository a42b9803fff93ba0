//! What expire means.

use super::{Header, live};
use crate::{Deadline, ExpireOptions, Expiry, ExpiryChange, Guard, Now, Result, Ttl};

/// What an expire does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpireStep {
    /// There is no live entry; nothing is created or revived (X4, R3).
    Absent,
    /// The version is another.
    Refused,
    /// The guard does not hold, or nothing would change: this is the deadline.
    Keep(Deadline),
    /// Move the deadline here; value and version stay (X5).
    Move(Deadline),
    /// The new deadline has passed already: end the entry (E6).
    End(Deadline),
}

/// An expire.
///
/// # Errors
/// [`ErrorKind::InvalidExpiry`](crate::ErrorKind::InvalidExpiry) if the deadline would be too far away (E8).
pub fn expire(
    now: impl Into<Now>,
    stored: Option<&Header>,
    change: ExpiryChange,
    options: &ExpireOptions,
) -> Result<ExpireStep> {
    let now = now.into();
    // Bad input is refused whatever is stored.
    let asked = match change {
        ExpiryChange::Set(expiry) => Some(expiry.resolve(now)?),
        ExpiryChange::Extend(_) => None,
    };
    let Some(entry) = live(now, stored) else { return Ok(ExpireStep::Absent) };
    if options.if_version.is_some_and(|version| version != entry.version) {
        return Ok(ExpireStep::Refused);
    }
    let from = entry.ends();
    let to = match (asked, change) {
        (None, ExpiryChange::Extend(by)) if !from.is_never() => now.round_up(from.plus(by)).min(entry.cap),
        (asked, _) => asked.unwrap_or(from).min(entry.cap),
    };
    let holds = match options.guard {
        Guard::Always => true,
        Guard::IfLater => to > from,
        Guard::IfSooner => to < from,
        Guard::IfExpiring => !from.is_never(),
        Guard::IfPersistent => from.is_never(),
    };
    if !holds || to == from {
        return Ok(ExpireStep::Keep(from));
    }
    // What was asked for as an instant has been looked at, and a cap is never too far.
    if matches!(change, ExpiryChange::Extend(_)) && to > Deadline::after(now, Ttl::MAX) && to != entry.cap {
        return Err(Expiry::too_far());
    }
    Ok(if to.is_expired(now) { ExpireStep::End(to) } else { ExpireStep::Move(to) })
}
