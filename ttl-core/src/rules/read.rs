//! The rules of get and delete.

use super::{Header, live, refresh_due};
use crate::driver::Now;
use crate::options::{DeleteOptions, GetOptions, Projection};
use crate::{Deadline, Kind, Result};

/// The result of a get on a live entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The deadline to report if no refresh is due, or if it is not made.
    pub deadline: Deadline,
    /// The new deadline, if a refresh is requested and due.
    pub refresh: Option<Deadline>,
    /// The cap to report, if it was requested (R10).
    pub cap: Option<Deadline>,
}

/// Evaluates a get. `None` is a miss, which refreshes nothing (R1, R3).
///
/// # Errors
/// [`ErrorKind::WrongKind`](crate::ErrorKind::WrongKind) if the entry is not of the requested kind (V3).
/// Nothing is refreshed then.
#[inline]
pub fn get(now: impl Into<Now>, stored: Option<&Header>, options: &GetOptions) -> Result<Option<Hit>> {
    let now = now.into();
    let Some(entry) = live(now, stored) else { return Ok(None) };
    check_kind(entry.kind, options.kind, &options.projection)?;
    let refresh = options.refresh.as_ref().and_then(|refresh| refresh_due(now, entry, refresh));
    Ok(Some(Hit { deadline: entry.ends(), refresh, cap: options.cap.then_some(entry.cap) }))
}

/// The action of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteStep {
    /// There is no live entry (E3).
    Absent,
    /// The version differs.
    Refused,
    /// Remove the entry, and return the selected part.
    Remove,
}

/// Evaluates a delete or a take.
///
/// # Errors
/// [`ErrorKind::WrongKind`](crate::ErrorKind::WrongKind) if the entry is not of the expected kind (V3). It is
/// not deleted.
pub fn delete(now: impl Into<Now>, stored: Option<&Header>, options: &DeleteOptions) -> Result<DeleteStep> {
    let Some(entry) = live(now, stored) else { return Ok(DeleteStep::Absent) };
    if options.if_version.is_some_and(|version| version != entry.version) {
        return Ok(DeleteStep::Refused);
    }
    check_kind(entry.kind, options.kind, &options.projection)?;
    Ok(DeleteStep::Remove)
}

/// Checks the kind of an entry. A selection of fields expects a record.
#[inline]
pub(crate) fn check_kind(stored: Kind, expected: Option<Kind>, projection: &Projection) -> Result<()> {
    let expected = if matches!(projection, Projection::Fields(_)) { Some(Kind::Record) } else { expected };
    match expected {
        Some(expected) if expected != stored => Err(expected.wrong()),
        _ => Ok(()),
    }
}
