//! What put means.

use super::{Header, live, refreshed};
use crate::{Condition, Deadline, ExistingDeadline, Lifespan, Now, PutOptions, Result};

/// What a put does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutStep {
    /// There is no live entry, and the condition wants one.
    Absent,
    /// There is a live entry, and the condition does not hold for it.
    Refused,
    /// Store the value with this deadline and cap in place of whatever is stored, ghosts included. Its creation is now
    /// (V7).
    Write {
        /// When the entry ends.
        deadline: Deadline,
        /// What its deadline may never pass.
        cap: Deadline,
        /// Whether there was no live entry.
        created: bool,
    },
    /// The new deadline has passed already: leave nothing, the old value least of all (E6).
    Erase {
        /// The deadline, to be reported.
        deadline: Deadline,
        /// Whether there was no live entry.
        created: bool,
    },
}

/// A put.
///
/// # Errors
/// [`ErrorKind::InvalidExpiry`](crate::ErrorKind::InvalidExpiry) if the deadline is too far away (E8), whether or
/// not it would have been used.
pub fn put(now: impl Into<Now>, stored: Option<&Header>, options: &PutOptions) -> Result<PutStep> {
    let now = now.into();
    let asked = options.lifespan.expiry.resolve(now)?;
    let Some(entry) = live(now, stored) else {
        return Ok(match options.condition {
            Condition::Always | Condition::IfAbsent => {
                let cap = fresh_cap(now, &options.lifespan);
                write_or_erase(now, asked.min(cap), cap, true)
            }
            Condition::IfPresent | Condition::IfVersion(_) => PutStep::Absent,
        });
    };
    let holds = match options.condition {
        Condition::Always | Condition::IfPresent => true,
        Condition::IfAbsent => false,
        Condition::IfVersion(version) => version == entry.version,
    };
    if !holds {
        return Ok(PutStep::Refused);
    }
    // A cap once set is fixed; a put over an entry that has none may start one (R4).
    let cap = if entry.cap.is_never() { fresh_cap(now, &options.lifespan) } else { entry.cap };
    let deadline = match options.existing_deadline {
        ExistingDeadline::Replace => asked,
        ExistingDeadline::Keep => entry.deadline,
        ExistingDeadline::Refresh(refresh) => refreshed(now, entry, &refresh),
    };
    Ok(write_or_erase(now, deadline.min(cap), cap, false))
}

/// The cap of what is created now.
pub(super) fn fresh_cap(now: Now, lifespan: &Lifespan) -> Deadline {
    lifespan.max_lifetime.map_or(Deadline::NEVER, |max| Deadline::after(now, max))
}

fn write_or_erase(now: Now, deadline: Deadline, cap: Deadline, created: bool) -> PutStep {
    if deadline.is_expired(now) {
        PutStep::Erase { deadline, created }
    } else {
        PutStep::Write { deadline, cap, created }
    }
}
