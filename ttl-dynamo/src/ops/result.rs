//! The results of operations, and of the requests that they consist of.

use ttl_core::driver::Now;
use ttl_core::options::{Projection, Returning};
use ttl_core::results::PutResult;
use ttl_core::rules::Header;
use ttl_core::{Deadline, Entry, Outcome, Result};

use crate::error::applied_unread;
use crate::layout::{self, Item};

/// The result of a request.
pub(crate) enum Attempt<T> {
    Outcome(Outcome<T>),
    /// The request was not applied; this item was found at this time.
    Conflict(Now, Option<Item>),
}

/// Returns the entry of an item that ends at this deadline.
pub(crate) fn entry(
    mut item: Item,
    deadline: Deadline,
    projection: &Projection,
    returning: Returning,
) -> Result<Entry> {
    let version = returning.contains(Returning::VERSION).then(|| layout::header(&item)).transpose()?;
    let created_at = layout::created_at(returning, &item)?;
    Ok(Entry::new(layout::value(&mut item, projection)?)
        .with_deadline(returning.contains(Returning::DEADLINE).then_some(deadline))
        .with_version(version.map(|header| header.version))
        .with_created_at(created_at))
}

/// Returns the result of a write that left this token, if it left an entry.
pub(crate) fn written(
    returning: Returning,
    created: bool,
    deadline: Deadline,
    token: Option<&String>,
) -> Result<PutResult> {
    let token = token.filter(|_| returning.contains(Returning::VERSION));
    let version = token.map(|token| layout::token_version(token)).transpose()?;
    Ok(PutResult::returning(returning, created, deadline, version))
}

/// Returns the result of a write that left the entry that it found.
pub(crate) fn found(returning: Returning, header: &Header, item: &Item) -> Result<PutResult> {
    let result = PutResult::returning(returning, false, header.ends(), header.version);
    Ok(result.with_created_at(layout::created_at(returning, item)?))
}

/// The deadline that an attempt without a response wrote, if it was applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WrittenDeadline {
    pub(crate) deadline: Deadline,
    /// The attempt wrote this deadline, or left the existing one, if there was one.
    pub(crate) certain: bool,
}

impl WrittenDeadline {
    pub(crate) fn certain(deadline: Deadline) -> Self {
        Self { deadline, certain: true }
    }
}

/// Returns the deadline after a write whose response was lost, if the caller asked for it.
///
/// # Errors
/// `OutcomeUnknown` if it was asked for and is not known.
pub(crate) fn recovered_deadline(
    written: &[WrittenDeadline],
    item: &Item,
    returning: Returning,
) -> Result<Deadline> {
    match deadline_of(written, item)? {
        Some(deadline) => Ok(deadline),
        None if returning.contains(Returning::DEADLINE) => Err(applied_unread("the deadline of the entry")),
        None => Ok(Deadline::NEVER),
    }
}

/// Returns the deadline after the write that left this item. Another operation may have moved it since, so it
/// is known only if all attempts that may have been applied wrote the same one.
fn deadline_of(written: &[WrittenDeadline], item: &Item) -> Result<Option<Deadline>> {
    let found = layout::header(item)?.ends();
    if written.iter().any(|written| written.deadline == found) {
        return Ok(Some(found));
    }
    Ok(match written {
        [first, rest @ ..] => {
            let same = |other: &WrittenDeadline| other.certain && other.deadline == first.deadline;
            (first.certain && rest.iter().all(same)).then_some(first.deadline)
        }
        [] => None,
    })
}
