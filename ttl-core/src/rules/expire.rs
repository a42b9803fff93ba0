//! The rules of expire.

use super::{Header, live};
use crate::driver::Now;
use crate::options::{ExpireOptions, ExpiryChange, Guard};
use crate::{Deadline, Expiry, Result, Ttl};

/// The action of an expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpireStep {
    /// There is no live entry. Nothing is created or revived (X4, R3).
    Absent,
    /// The version differs.
    Refused,
    /// The guard does not hold, or nothing would change. Holds the present deadline.
    Keep(Deadline),
    /// Move the deadline to this instant. Value and version are unchanged (X5).
    Move(Deadline),
    /// The new deadline has already passed: end the entry (E6).
    End(Deadline),
}

/// Evaluates an expire.
///
/// # Errors
/// [`ErrorKind::InvalidExpiry`](crate::ErrorKind::InvalidExpiry) if the new deadline is too far away (E8).
pub fn expire(
    now: impl Into<Now>,
    stored: Option<&Header>,
    change: ExpiryChange,
    options: &ExpireOptions,
) -> Result<ExpireStep> {
    let now = now.into();
    // Invalid input is refused regardless of the stored entry.
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
    // A requested instant has already been checked, and a cap is never too far away.
    if matches!(change, ExpiryChange::Extend(_)) && to > Deadline::after(now, Ttl::MAX) && to != entry.cap {
        return Err(Expiry::too_far());
    }
    Ok(if to.is_expired(now) { ExpireStep::End(to) } else { ExpireStep::Move(to) })
}
