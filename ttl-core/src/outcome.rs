//! Results of operations.

use std::fmt;
use std::time::SystemTime;

use serde_json::Value as Json;

use crate::options::Returning;
use crate::{Cursor, Deadline, Error, Key, Record, Result, Value, Version};

/// The outcome of a conditional write. A refusal is an outcome, not an error (C3).
///
/// ```
/// use ttl_core::Outcome;
///
/// let outcome = Outcome::Applied(7);
/// assert!(outcome.is_applied());
/// assert_eq!(outcome.applied(), Some(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the write may have been refused, or the entry may be absent"]
pub enum Outcome<T> {
    /// The operation was applied.
    Applied(T),
    /// There is no live entry. Nothing was done.
    Absent,
    /// The condition does not hold. Nothing was done. Holds the present state of the entry if the operation
    /// reports it.
    Refused(Option<T>),
}

impl<T> Outcome<T> {
    /// Returns whether the operation was applied.
    #[must_use]
    pub const fn is_applied(&self) -> bool {
        matches!(self, Self::Applied(_))
    }

    /// Returns whether there was no live entry.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Returns whether the operation was refused because its condition did not hold.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Returns the result if the operation was applied.
    #[must_use]
    pub fn applied(self) -> Option<T> {
        match self {
            Self::Applied(done) => Some(done),
            Self::Absent | Self::Refused(_) => None,
        }
    }

    /// Returns the present state of the entry if the operation was refused and reports it.
    #[must_use]
    pub fn refused(self) -> Option<T> {
        match self {
            Self::Refused(there) => there,
            Self::Applied(_) | Self::Absent => None,
        }
    }

    /// Maps the payload of the outcome with `f`.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Applied(done) => Outcome::Applied(f(done)),
            Self::Absent => Outcome::Absent,
            Self::Refused(there) => Outcome::Refused(there.map(f)),
        }
    }

    /// Maps the payload of the outcome with `f`, which can fail.
    ///
    /// # Errors
    /// The error that `f` returns.
    pub fn try_map<U, E>(
        self,
        f: impl FnOnce(T) -> std::result::Result<U, E>,
    ) -> std::result::Result<Outcome<U>, E> {
        Ok(match self {
            Self::Applied(done) => Outcome::Applied(f(done)?),
            Self::Absent => Outcome::Absent,
            Self::Refused(there) => Outcome::Refused(there.map(f).transpose()?),
        })
    }
}

/// A live entry, with the requested parts and metadata.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Entry {
    /// The selected part of the value; `None` if nothing was selected.
    pub value: Option<Value>,
    /// The deadline if it was requested, after the refresh if there was one.
    pub deadline: Option<Deadline>,
    /// The cap if it was requested (R10): [`Deadline::NEVER`] for an entry without a cap.
    pub cap: Option<Deadline>,
    /// The version if it was requested.
    pub version: Option<Version>,
    /// The creation time if it was requested: the millisecond in which the value was put, or its record was
    /// created by a patch (V7). Measured by the clock that decides about visibility.
    pub created_at: Option<SystemTime>,
    /// The error of the requested refresh if it failed although the read succeeded (R9).
    pub refresh_error: Option<Error>,
}

impl Entry {
    /// Creates an entry with this value and no metadata.
    #[must_use]
    pub fn new(value: impl Into<Option<Value>>) -> Self {
        Self { value: value.into(), ..Self::default() }
    }

    /// Sets the deadline, if it was requested.
    #[must_use]
    pub fn with_deadline(mut self, deadline: impl Into<Option<Deadline>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// Sets the cap, if it was requested.
    #[must_use]
    pub fn with_cap(mut self, cap: impl Into<Option<Deadline>>) -> Self {
        self.cap = cap.into();
        self
    }

    /// Sets the version, if it was requested.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<Option<Version>>) -> Self {
        self.version = version.into();
        self
    }

    /// Sets the creation time, if it was requested.
    #[must_use]
    pub fn with_created_at(mut self, created_at: impl Into<Option<SystemTime>>) -> Self {
        self.created_at = created_at.into();
        self
    }

    /// Sets the error of the failed refresh.
    #[must_use]
    pub fn with_refresh_error(mut self, error: Error) -> Self {
        self.refresh_error = Some(error);
        self
    }
}

/// The result of a put, which describes the entry that remains.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PutResult {
    /// Whether there was no live entry before.
    pub created: bool,
    /// The new deadline if it was requested. If it is in the past, no entry remains (E6).
    pub deadline: Option<Deadline>,
    /// The new version if it was requested and an entry remains.
    pub version: Option<Version>,
    /// The creation time, if it was requested, of the entry that remains or that refused the write; see
    /// [`Entry::created_at`].
    pub created_at: Option<SystemTime>,
    /// The value of the live entry that the put found, if it was requested (C5): the replaced value, or the
    /// value of the entry that refused the put. `None` if there was no live entry.
    pub previous: Option<Value>,
}

impl PutResult {
    /// Creates a result that only says whether the put created the entry.
    #[must_use]
    pub const fn new(created: bool) -> Self {
        Self { created, deadline: None, version: None, created_at: None, previous: None }
    }

    /// Creates a result with the deadline and the version, each if `returning` requests it.
    #[must_use]
    pub fn returning(
        returning: Returning,
        created: bool,
        deadline: Deadline,
        version: impl Into<Option<Version>>,
    ) -> Self {
        Self::new(created)
            .with_deadline(returning.contains(Returning::DEADLINE).then_some(deadline))
            .with_version(version.into().filter(|_| returning.contains(Returning::VERSION)))
    }

    /// Sets the deadline, if it was requested.
    #[must_use]
    pub fn with_deadline(mut self, deadline: impl Into<Option<Deadline>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// Sets the version, if it was requested.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<Option<Version>>) -> Self {
        self.version = version.into();
        self
    }

    /// Sets the creation time, if it was requested.
    #[must_use]
    pub fn with_created_at(mut self, created_at: impl Into<Option<SystemTime>>) -> Self {
        self.created_at = created_at.into();
        self
    }

    /// Sets the value of the live entry that the put found.
    #[must_use]
    pub fn with_previous(mut self, previous: impl Into<Option<Value>>) -> Self {
        self.previous = previous.into();
        self
    }
}

/// The effect of one operation of a patch (P5). `Debug` does not print popped elements, because they may be
/// secret or long.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// A set, append, prepend, clear, unset or increment; its result is the value of the field.
    Done,
    /// The element removed by a pop; `None` if the list was empty or missing.
    Popped(Option<Json>),
    /// The number of equal elements that were removed.
    Removed(usize),
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("Done"),
            Self::Popped(popped) => {
                f.write_str(if popped.is_some() { "Popped(Some(..))" } else { "Popped(None)" })
            }
            Self::Removed(count) => write!(f, "Removed({count})"),
        }
    }
}

/// The result of a patch (P5). If bounds refused the patch (P7), it holds the present state of the entry and
/// no effects.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PatchResult {
    /// Whether there was no live entry before.
    pub created: bool,
    /// The new deadline if it was requested.
    pub deadline: Option<Deadline>,
    /// The new version if it was requested.
    pub version: Option<Version>,
    /// The creation time of the entry if it was requested (V7).
    pub created_at: Option<SystemTime>,
    /// The fields that the patch names, with their values after the patch, or their present values if it was
    /// refused. Missing fields are omitted.
    pub fields: Record,
    /// The effects, one for each operation, in the order of the patch.
    pub effects: Vec<Effect>,
}

impl PatchResult {
    /// Creates a result from the metadata of an equivalent put, the fields and the effects.
    #[must_use]
    pub const fn new(written: &PutResult, fields: Record, effects: Vec<Effect>) -> Self {
        let PutResult { created, deadline, version, created_at, previous: _ } = *written;
        Self { created, deadline, version, created_at, fields, effects }
    }

    /// Returns the elements that the patch popped, in order. Empty pops are omitted.
    pub fn popped(&self) -> impl Iterator<Item = &Json> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Popped(popped) => popped.as_ref(),
            Effect::Done | Effect::Removed(_) => None,
        })
    }
}

/// The result of an expire (X7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpireResult {
    /// The deadline after the call. If it is in the past, the expire ended the entry.
    pub deadline: Deadline,
    /// Whether the deadline changed.
    pub changed: bool,
}

impl ExpireResult {
    /// Creates a result from its parts.
    #[must_use]
    pub const fn new(deadline: Deadline, changed: bool) -> Self {
        Self { deadline, changed }
    }
}

/// One item of a [`Page`]: a key, with its entry or with the error that makes it unreadable.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PageItem {
    /// The key. `Debug` does not print it.
    pub key: Key,
    /// The entry with the requested parts, or [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) (S4).
    pub entry: Result<Entry>,
}

impl PageItem {
    /// Creates an item. Adds the key to an error.
    #[must_use]
    pub fn new(key: Key, entry: Result<Entry>) -> Self {
        let entry = entry.map_err(|error| error.with_operation("scan").with_key(&key));
        Self { key, entry }
    }
}

/// A page of a scan.
#[derive(Clone, Debug, Default)]
#[must_use = "a page holds the scanned entries and the start of the next page"]
#[non_exhaustive]
pub struct Page {
    /// The items, in no guaranteed order.
    pub items: Vec<PageItem>,
    /// The start of the next page; `None` after the last page.
    pub next: Option<Cursor>,
}

impl Page {
    /// Creates a page from its items and the start of the next page.
    pub const fn new(items: Vec<PageItem>, next: Option<Cursor>) -> Self {
        Self { items, next }
    }

    /// Returns the keys, including those of unreadable entries.
    #[must_use]
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.items.iter().map(|item| &item.key)
    }

    /// Returns the keys with their entries.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if an entry cannot be read. It is the error of the
    /// first such entry.
    pub fn into_entries(self) -> Result<Vec<(Key, Entry)>> {
        self.items.into_iter().map(|item| Ok((item.key, item.entry?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_what_is_there() {
        let refused = Outcome::Refused(Some(7));
        assert!(refused.is_refused() && !refused.is_applied() && !refused.is_absent());
        assert_eq!((refused.applied(), refused.refused()), (None, Some(7)));
        assert_eq!(refused.map(|there| there + 1), Outcome::Refused(Some(8)));
        assert_eq!(refused.try_map(|_| Err::<u8, _>("unreadable")), Err("unreadable"));
        let untold: Outcome<u8> = Outcome::Refused(None);
        assert!(untold.is_refused());
        assert_eq!(untold.try_map(|_| Err::<u8, _>("unreadable")), Ok(Outcome::Refused(None)));
        assert_eq!(Outcome::Applied(7).refused(), None);
    }

    #[test]
    fn debug_prints_no_values() {
        let fields = Record::new().with("token", "s3cret");
        let effects = vec![Effect::Done, Effect::Popped(Some("s3cret".into())), Effect::Removed(2)];
        let done = PatchResult::new(&PutResult::new(true), fields.clone(), effects);
        let entries = [Entry::new(Value::from("s3cret")), Entry::new(Value::from(fields))];
        let text = format!("{done:?} {entries:?}");
        assert!(text.contains("token") && text.contains("Removed(2)"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
        let key = Key::new("s3cret-key").unwrap();
        let items = vec![PageItem::new(key.clone(), Ok(Entry::new(Value::from("s3cret"))))];
        let next = Cursor::seal(&crate::CursorSecret::of_process(), &["s3cret"], b"s3cret");
        let scan = crate::options::ScanOptions::new("s3cret-prefix").with_cursor(next.clone());
        let put = crate::options::PutItem::new(
            key,
            "s3cret",
            crate::options::PutOptions::new(crate::Ttl::hours(1)),
        );
        let text = format!("{:?} {scan:?} {put:?} {next}", Page::new(items, Some(next.clone())));
        assert!(!text.contains("s3cret") && text.contains("Key(10 bytes)"), "{text}");
    }
}
