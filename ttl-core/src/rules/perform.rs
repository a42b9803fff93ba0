//! Complete operations on a stored entry: its next state, and the result of the operation.
//!
//! A driver for a backend with transactions loads the entry, performs the operation, writes the [`Next`]
//! state and commits, all in one transaction. [`CasStore`](crate::driver::CasStore) does the same between a load and
//! a swap.
//!
//! Check the input first, before any I/O, with [`Capabilities::check_put`] and its siblings, and the value of
//! a put with [`Capabilities::check_size`]. `now` is an instant after the entry was loaded, by the clock that
//! decides about visibility.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::time::SystemTime;
//! use ttl_core::rules::perform::{self, Next};
//! use ttl_core::driver::Stored;
//! use ttl_core::options::PutOptions;
//! use ttl_core::results::PutResult;
//! use ttl_core::{Outcome, Result, Value};
//!
//! /// A put within a transaction on a table.
//! fn put(table: &mut BTreeMap<String, Stored>, key: &str, value: &Value, options: &PutOptions) -> Result<Outcome<PutResult>> {
//!     let (next, outcome) = perform::put(SystemTime::now(), table.get(key), value, options)?;
//!     match next {
//!         Next::Stays => {}
//!         Next::Becomes(stored) => _ = table.insert(key.to_owned(), stored),
//!         Next::Goes => _ = table.remove(key),
//!     }
//!     Ok(outcome)
//! }
//! ```

use super::{DeleteStep, ExpireStep, PatchStep, PutStep};
use crate::driver::Now;
use crate::driver::Stored;
use crate::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Projection, PutOptions, Returning,
};
use crate::results::{ExpireResult, PatchResult, PutResult};
use crate::{Capabilities, Deadline, Entry, Outcome, Patch, Result, Value, Version};

/// The next state of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The state is unchanged. Nothing needs to be written.
    Stays,
    /// The stored entry is replaced by this one, or this one is created.
    Becomes(Stored),
    /// The stored entry is removed.
    Goes,
}

/// Performs a get. Returns the entry if there is a live one, and the stored entry with its new deadline if a
/// refresh is due.
///
/// # Errors
/// [`ErrorKind::WrongKind`](crate::ErrorKind::WrongKind).
pub fn get(
    now: impl Into<Now>,
    stored: Option<&Stored>,
    options: &GetOptions,
) -> Result<(Next, Option<Entry>)> {
    let hit = super::get(now, stored.map(Stored::header).as_ref(), options)?;
    let (Some(hit), Some(stored)) = (hit, stored) else { return Ok((Next::Stays, None)) };
    let deadline = hit.refresh.unwrap_or(hit.deadline);
    let entry = entry(stored, &options.projection, options.returning, deadline)?.with_cap(hit.cap);
    let next = match hit.refresh {
        Some(deadline) => Next::Becomes(Stored { deadline, ..stored.clone() }),
        None => Next::Stays,
    };
    Ok((next, Some(entry)))
}

/// Performs a put. The written entry has a random version.
///
/// # Errors
/// [`ErrorKind::InvalidExpiry`](crate::ErrorKind::InvalidExpiry).
pub fn put(
    now: impl Into<Now>,
    stored: Option<&Stored>,
    value: &Value,
    options: &PutOptions,
) -> Result<(Next, Outcome<PutResult>)> {
    let now = now.into();
    let met = stored.filter(|stored| options.previous && stored.header().is_live(now));
    let previous = met.map(|stored| stored.value.clone());
    Ok(match super::put(now, stored.map(Stored::header).as_ref(), options)? {
        PutStep::Absent => (Next::Stays, Outcome::Absent),
        PutStep::Refused => {
            let met = met.map(|stored| Ok(there(stored, options.returning)?.with_previous(previous)));
            (Next::Stays, Outcome::Refused(met.transpose()?))
        }
        PutStep::Write { deadline, cap, created } => {
            let next = Stored::new(value.clone(), deadline, cap, Version::random())
                .with_created_at(now.whole_millisecond());
            let meta = PutResult::returning(options.returning, created, deadline, next.version)
                .with_created_at(next.created_at(options.returning)?)
                .with_previous(previous);
            (Next::Becomes(next), Outcome::Applied(meta))
        }
        PutStep::Erase { deadline, created } => {
            let next = if stored.is_some() { Next::Goes } else { Next::Stays };
            let meta =
                PutResult::returning(options.returning, created, deadline, None).with_previous(previous);
            (next, Outcome::Applied(meta))
        }
    })
}

/// Performs a patch. The written entry has a random version, and a size that `capabilities` allow. If bounds
/// refuse the patch, the result is the present entry as of `now`, before any refresh (P7).
///
/// # Errors
/// * [`ErrorKind::InvalidExpiry`](crate::ErrorKind::InvalidExpiry)
/// * [`ErrorKind::WrongKind`](crate::ErrorKind::WrongKind)
/// * [`ErrorKind::WrongFieldType`](crate::ErrorKind::WrongFieldType)
/// * [`ErrorKind::Overflow`](crate::ErrorKind::Overflow)
/// * [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge)
pub fn patch(
    now: impl Into<Now>,
    stored: Option<&Stored>,
    patch: &Patch,
    options: &PatchOptions,
    capabilities: &Capabilities,
) -> Result<(Next, Outcome<PatchResult>)> {
    let now = now.into();
    let header = stored.map(Stored::header);
    let step = super::patch(now, header.as_ref(), options)?;
    let (deadline, cap) = match step {
        PatchStep::Absent => return Ok((Next::Stays, Outcome::Absent)),
        PatchStep::Refused => return Ok((Next::Stays, Outcome::Refused(None))),
        PatchStep::Change { deadline } => (deadline, header.map_or(Deadline::NEVER, |header| header.cap)),
        PatchStep::Create { deadline, cap } => (deadline, cap),
        PatchStep::CreateElapsed { deadline } => (deadline, Deadline::NEVER),
    };
    let created = !matches!(step, PatchStep::Change { .. });
    let mut record = match (&options.create, stored) {
        (Some(create), _) if created => create.initial.clone(),
        (_, Some(stored)) => stored.value.clone().into_record()?,
        (_, None) => return Ok((Next::Stays, Outcome::Absent)),
    };
    let Some(effects) = super::apply(&mut record, patch)? else {
        let there = match stored {
            Some(stored) if !created => {
                let meta = there(stored, options.returning)?;
                Some(PatchResult::new(&meta, record.project(&patch.to_fields()?), Vec::new()))
            }
            _ => None,
        };
        return Ok((Next::Stays, Outcome::Refused(there)));
    };
    let fields = record.project(&patch.to_fields()?);
    let value = Value::from(record);
    if capabilities.max_value_bytes != u64::MAX {
        capabilities.check_size(value.size_bytes())?;
    }
    let elapsed = matches!(step, PatchStep::CreateElapsed { .. });
    let created_at = match stored {
        Some(stored) if !created => stored.created_at,
        _ => Some(now.whole_millisecond()),
    };
    let next = Stored::new(value, deadline, cap, Version::random()).with_created_at(created_at);
    let left = (!elapsed).then_some(&next);
    let meta = PutResult::returning(options.returning, created, deadline, left.map(|next| next.version))
        .with_created_at(left.map_or(Ok(None), |next| next.created_at(options.returning))?);
    let next = if elapsed { Next::Stays } else { Next::Becomes(next) };
    Ok((next, Outcome::Applied(PatchResult::new(&meta, fields, effects))))
}

/// Performs an expire.
///
/// # Errors
/// [`ErrorKind::InvalidExpiry`](crate::ErrorKind::InvalidExpiry).
pub fn expire(
    now: impl Into<Now>,
    stored: Option<&Stored>,
    change: ExpiryChange,
    options: &ExpireOptions,
) -> Result<(Next, Outcome<ExpireResult>)> {
    let (next, deadline) = match super::expire(now, stored.map(Stored::header).as_ref(), change, options)? {
        ExpireStep::Absent => return Ok((Next::Stays, Outcome::Absent)),
        ExpireStep::Refused => return Ok((Next::Stays, Outcome::Refused(None))),
        ExpireStep::Keep(deadline) => {
            return Ok((Next::Stays, Outcome::Applied(ExpireResult::new(deadline, false))));
        }
        ExpireStep::Move(deadline) => {
            let moved = stored.map(|stored| Next::Becomes(Stored { deadline, ..stored.clone() }));
            (moved.unwrap_or(Next::Stays), deadline)
        }
        ExpireStep::End(deadline) => (Next::Goes, deadline),
    };
    Ok((next, Outcome::Applied(ExpireResult::new(deadline, true))))
}

/// Performs a delete or a take.
///
/// # Errors
/// [`ErrorKind::WrongKind`](crate::ErrorKind::WrongKind).
pub fn delete(
    now: impl Into<Now>,
    stored: Option<&Stored>,
    options: &DeleteOptions,
) -> Result<(Next, Outcome<Option<Entry>>)> {
    Ok(match super::delete(now, stored.map(Stored::header).as_ref(), options)? {
        DeleteStep::Absent => (Next::Stays, Outcome::Absent),
        DeleteStep::Refused => (Next::Stays, Outcome::Refused(None)),
        DeleteStep::Remove => {
            let taken = stored.filter(|_| options.projection != Projection::Nothing);
            let taken =
                taken.map(|stored| entry(stored, &options.projection, Returning::empty(), stored.deadline));
            (Next::Goes, Outcome::Applied(taken.transpose()?))
        }
    })
}

/// Returns the requested parts of a stored entry.
///
/// # Errors
/// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if the creation time is requested and cannot be read.
pub(crate) fn entry(
    stored: &Stored,
    projection: &Projection,
    returning: Returning,
    deadline: Deadline,
) -> Result<Entry> {
    let created_at = stored.created_at(returning)?;
    Ok(Entry::new(stored.value.project(projection))
        .with_deadline(returning.contains(Returning::DEADLINE).then_some(deadline))
        .with_version(returning.contains(Returning::VERSION).then_some(stored.version))
        .with_created_at(created_at))
}

/// Returns the metadata of the entry that refused a write.
fn there(stored: &Stored, returning: Returning) -> Result<PutResult> {
    let created_at = stored.created_at(returning)?;
    Ok(PutResult::returning(returning, false, stored.header().ends(), stored.version)
        .with_created_at(created_at))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::Ttl;
    use crate::options::Refresh;

    fn stored(now: SystemTime, ttl: Ttl) -> Stored {
        Stored::new("v".into(), Deadline::after(now, ttl), Deadline::NEVER, Version::random())
    }

    #[test]
    fn a_get_moves_the_deadline_that_it_reports() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let before = stored(now, Ttl::minutes(1));
        let options = GetOptions::new().with_returning(Returning::DEADLINE);
        let (next, entry) = get(now, Some(&before), &options).unwrap();
        assert_eq!((next, entry.and_then(|entry| entry.deadline)), (Next::Stays, Some(before.deadline)));
        let refresh = options.with_refresh(Refresh::extend_only(Ttl::minutes(2)));
        let (next, entry) = get(now, Some(&before), &refresh).unwrap();
        let deadline = Deadline::after(now, Ttl::minutes(2));
        assert_eq!(entry.and_then(|entry| entry.deadline), Some(deadline));
        assert_eq!(next, Next::Becomes(Stored { deadline, ..before }));
    }

    #[test]
    fn a_ghost_is_replaced_and_never_found() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let ghost = stored(now - Duration::from_secs(5), Ttl::seconds(1));
        let (next, entry) = get(now, Some(&ghost), &GetOptions::new()).unwrap();
        assert!(next == Next::Stays && entry.is_none());
        let (next, outcome) = delete(now, Some(&ghost), &DeleteOptions::take()).unwrap();
        assert!(next == Next::Stays && outcome.is_absent());
        let (next, outcome) = put(now, Some(&ghost), &"new".into(), &PutOptions::new(Ttl::hours(1))).unwrap();
        assert!(matches!(next, Next::Becomes(_)));
        assert!(outcome.applied().is_some_and(|meta| meta.created));
    }

    #[test]
    fn what_ends_goes() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let entry = stored(now, Ttl::minutes(1));
        let past = PutOptions::new(crate::Expiry::At(SystemTime::UNIX_EPOCH));
        assert_eq!(put(now, Some(&entry), &"new".into(), &past).unwrap().0, Next::Goes);
        assert_eq!(put(now, None, &"new".into(), &past).unwrap().0, Next::Stays);
        let change = ExpiryChange::Set(crate::Expiry::At(SystemTime::UNIX_EPOCH));
        assert_eq!(expire(now, Some(&entry), change, &ExpireOptions::new()).unwrap().0, Next::Goes);
        assert_eq!(delete(now, Some(&entry), &DeleteOptions::new()).unwrap().0, Next::Goes);
    }
}
