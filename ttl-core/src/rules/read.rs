//! What get and delete mean.

use super::{Header, live, refresh_due};
use crate::{Deadline, DeleteOptions, GetOptions, Kind, Now, Projection, Result};

/// What a get does with a live entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The deadline to report if the refresh, where one is due, is not made.
    pub deadline: Deadline,
    /// Where to move the deadline, if a refresh is asked for and due.
    pub refresh: Option<Deadline>,
}

/// A get: `None` is a miss, which refreshes nothing (R1, R3).
///
/// # Errors
/// [`ErrorKind::WrongKind`](crate::ErrorKind::WrongKind) if the entry is not of the kind asked for (V3); it
/// refreshes nothing.
#[inline]
pub fn get(now: impl Into<Now>, stored: Option<&Header>, options: &GetOptions) -> Result<Option<Hit>> {
    let now = now.into();
    let Some(entry) = live(now, stored) else { return Ok(None) };
    check_kind(entry.kind, options.kind, &options.projection)?;
    let refresh = options.refresh.as_ref().and_then(|refresh| refresh_due(now, entry, refresh));
    Ok(Some(Hit { deadline: entry.ends(), refresh }))
}

/// What a delete does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteStep {
    /// There is no live entry (E3).
    Absent,
    /// The version is another.
    Refused,
    /// Remove the entry, and hand back what was selected.
    Remove,
}

/// A delete, or a take.
///
/// # Errors
/// [`ErrorKind::WrongKind`](crate::ErrorKind::WrongKind) if the entry is not of the kind asked for (V3); it stays.
pub fn delete(now: impl Into<Now>, stored: Option<&Header>, options: &DeleteOptions) -> Result<DeleteStep> {
    let Some(entry) = live(now, stored) else { return Ok(DeleteStep::Absent) };
    if options.if_version.is_some_and(|version| version != entry.version) {
        return Ok(DeleteStep::Refused);
    }
    check_kind(entry.kind, options.kind, &options.projection)?;
    Ok(DeleteStep::Remove)
}

/// Selecting fields expects a record.
#[inline]
pub(crate) fn check_kind(stored: Kind, expected: Option<Kind>, projection: &Projection) -> Result<()> {
    let expected = if matches!(projection, Projection::Fields(_)) { Some(Kind::Record) } else { expected };
    match expected {
        Some(expected) if expected != stored => Err(expected.wrong()),
        _ => Ok(()),
    }
}
