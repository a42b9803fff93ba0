//! The entry that a read returns.

use ttl_core::options::{Projection, Returning};
use ttl_core::rules::Header;
use ttl_core::{Deadline, Entry, Kind, Result, Value};

use crate::layout::Row;

/// Returns whether the value must be read.
pub(super) fn needs_value(projection: &Projection) -> bool {
    *projection != Projection::Nothing
}

/// Returns the selected part of a row that was read as far as the projection needs it.
pub(super) fn selected(row: &mut Row, kind: Kind, projection: &Projection) -> Result<Option<Value>> {
    if needs_value(projection) { Ok(row.take_value(kind)?.project(projection)) } else { Ok(None) }
}

/// Returns an entry with the selected value and the requested metadata.
pub(super) fn entry(
    row: &Row,
    header: &Header,
    value: Option<Value>,
    deadline: Deadline,
    returning: Returning,
) -> Result<Entry> {
    Ok(Entry::new(value)
        .with_created_at(row.created_at(returning)?)
        .with_deadline(returning.contains(Returning::DEADLINE).then_some(deadline))
        .with_version(returning.contains(Returning::VERSION).then_some(header.version)))
}
