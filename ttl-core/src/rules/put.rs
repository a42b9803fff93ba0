//! The rules of put.

use super::{Header, live, refreshed};
use crate::driver::Now;
use crate::options::{Condition, ExistingDeadline, PutOptions};
use crate::{Deadline, Result};

/// The action of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutStep {
    /// There is no live entry, and the condition requires one.
    Absent,
    /// There is a live entry, and the condition does not hold for it.
    Refused,
    /// Store the value with this deadline and cap. Replace any stored entry, ghosts included. The creation
    /// time is now (V7).
    Write {
        /// The deadline of the entry.
        deadline: Deadline,
        /// The cap of the entry.
        cap: Deadline,
        /// Whether there was no live entry.
        created: bool,
    },
    /// The new deadline has already passed: leave no entry, and in particular not the old value (E6).
    Erase {
        /// The deadline to report.
        deadline: Deadline,
        /// Whether there was no live entry.
        created: bool,
    },
}

/// Evaluates a put.
///
/// # Errors
/// [`ErrorKind::InvalidExpiry`](crate::ErrorKind::InvalidExpiry) if the deadline or the cap is too far away
/// (E8), even if it would not be used.
pub fn put(now: impl Into<Now>, stored: Option<&Header>, options: &PutOptions) -> Result<PutStep> {
    let now = now.into();
    let (asked, fresh_cap) = options.lifespan.resolve(now)?;
    let Some(entry) = live(now, stored) else {
        return Ok(match options.condition {
            Condition::Always | Condition::IfAbsent => {
                write_or_erase(now, asked.min(fresh_cap), fresh_cap, true)
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
    // Once set, a cap is fixed. A put over an entry without a cap may set one (R4).
    let cap = if entry.cap.is_never() { fresh_cap } else { entry.cap };
    let deadline = match options.existing_deadline {
        ExistingDeadline::Replace => asked,
        ExistingDeadline::Keep => entry.deadline,
        ExistingDeadline::Refresh(refresh) => refreshed(now, entry, &refresh),
    };
    Ok(write_or_erase(now, deadline.min(cap), cap, false))
}

fn write_or_erase(now: Now, deadline: Deadline, cap: Deadline, created: bool) -> PutStep {
    if deadline.is_expired(now) {
        PutStep::Erase { deadline, created }
    } else {
        PutStep::Write { deadline, cap, created }
    }
}
