//! What operations answer.

use std::fmt;
use std::time::SystemTime;

use serde_json::Value as Json;

use crate::{Cursor, Deadline, Error, Key, Record, Result, Returning, Value, Version};

/// What became of a conditional write. A refusal is an outcome, not an error (C3).
///
/// ```
/// use ttl_core::Outcome;
///
/// let outcome = Outcome::Applied(7);
/// assert!(outcome.is_applied());
/// assert_eq!(outcome.applied(), Some(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a write may have been refused, or have met no entry"]
pub enum Outcome<T> {
    /// It was done.
    Applied(T),
    /// No live entry is there, and nothing was done.
    Absent,
    /// The condition does not hold, and nothing was done. Holds what is there, where the operation tells it.
    Refused(Option<T>),
}

impl<T> Outcome<T> {
    /// Whether it was done.
    #[must_use]
    pub const fn is_applied(&self) -> bool {
        matches!(self, Self::Applied(_))
    }

    /// Whether there was no live entry.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether the condition did not hold.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// What was done, if it was.
    #[must_use]
    pub fn applied(self) -> Option<T> {
        match self {
            Self::Applied(done) => Some(done),
            Self::Absent | Self::Refused(_) => None,
        }
    }

    /// What is there instead, if it was refused and the operation tells it.
    #[must_use]
    pub fn refused(self) -> Option<T> {
        match self {
            Self::Refused(there) => there,
            Self::Applied(_) | Self::Absent => None,
        }
    }

    /// The same outcome with another payload.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Applied(done) => Outcome::Applied(f(done)),
            Self::Absent => Outcome::Absent,
            Self::Refused(there) => Outcome::Refused(there.map(f)),
        }
    }

    /// The same outcome with another payload, or the error in making it.
    ///
    /// # Errors
    /// What `f` answers.
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

/// A live entry, as much of it as was asked for.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Entry {
    /// The value as selected; `None` where nothing was selected.
    pub value: Option<Value>,
    /// The deadline, after the refresh if there was one; where it was wanted.
    pub deadline: Option<Deadline>,
    /// The version, where it was wanted.
    pub version: Option<Version>,
    /// The whole millisecond in which the value was put, or its record created by a patch (V7), where it was wanted. By
    /// the clock that decides.
    pub created_at: Option<SystemTime>,
    /// Why the refresh that was asked for failed, although the read did not (R9).
    pub refresh_error: Option<Error>,
}

impl Entry {
    /// An entry with this value and no metadata.
    #[must_use]
    pub fn new(value: impl Into<Option<Value>>) -> Self {
        Self { value: value.into(), ..Self::default() }
    }

    /// With this deadline, if it was wanted.
    #[must_use]
    pub fn with_deadline(mut self, deadline: impl Into<Option<Deadline>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// With this version, if it was wanted.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<Option<Version>>) -> Self {
        self.version = version.into();
        self
    }

    /// With this creation, if it was wanted.
    #[must_use]
    pub fn with_created_at(mut self, created_at: impl Into<Option<SystemTime>>) -> Self {
        self.created_at = created_at.into();
        self
    }

    /// With the error of its refresh.
    #[must_use]
    pub fn with_refresh_error(mut self, error: Error) -> Self {
        self.refresh_error = Some(error);
        self
    }
}

/// What a write reports of the entry that it left.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PutResult {
    /// Whether there was no live entry before.
    pub created: bool,
    /// The new deadline, where it was wanted. It may lie in the past: then nothing was left (E6).
    pub deadline: Option<Deadline>,
    /// The new version, where it was wanted and an entry was left.
    pub version: Option<Version>,
    /// The creation of the entry that was left, or that refused the write; as [`Entry::created_at`], where it was wanted.
    pub created_at: Option<SystemTime>,
    /// The value that a put met, where it was asked to hand it back (C5): that which it replaced, or that which refused
    /// it. `None` where no live entry was there.
    pub previous: Option<Value>,
}

impl PutResult {
    /// Nothing but whether the write created.
    #[must_use]
    pub const fn new(created: bool) -> Self {
        Self { created, deadline: None, version: None, created_at: None, previous: None }
    }

    /// Reports as much of this deadline and this version as was wanted.
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

    /// With this deadline, if it was wanted.
    #[must_use]
    pub fn with_deadline(mut self, deadline: impl Into<Option<Deadline>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// With this version, if it was wanted.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<Option<Version>>) -> Self {
        self.version = version.into();
        self
    }

    /// With this creation, if it was wanted.
    #[must_use]
    pub fn with_created_at(mut self, created_at: impl Into<Option<SystemTime>>) -> Self {
        self.created_at = created_at.into();
        self
    }

    /// With the value that the put met.
    #[must_use]
    pub fn with_previous(mut self, previous: impl Into<Option<Value>>) -> Self {
        self.previous = previous.into();
        self
    }
}

/// What one operation of a patch did (P5). `Debug` does not print what was popped: it may be secret or long.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// A set, append, prepend, clear, unset or increment: see the field itself.
    Done,
    /// What a pop took; `None` if the list was empty or missing.
    Popped(Option<Json>),
    /// How many equal elements were removed.
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

/// What a patch did (P5), or what is there that bounds refuse to change (P7): then it has no effects.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PatchResult {
    /// Whether there was no live entry before.
    pub created: bool,
    /// The new deadline, if it was to be returned.
    pub deadline: Option<Deadline>,
    /// The new version, if it was to be returned.
    pub version: Option<Version>,
    /// When the entry was created, if it was to be returned (V7).
    pub created_at: Option<SystemTime>,
    /// The fields that the patch names, as it left them or met them; those that are missing then are left out.
    pub fields: Record,
    /// One for each operation, in the patch's order.
    pub effects: Vec<Effect>,
}

impl PatchResult {
    /// Creates a result from the metadata that a put of the same entry returns, and from what the patch did.
    #[must_use]
    pub fn new(written: PutResult, fields: Record, effects: Vec<Effect>) -> Self {
        let PutResult { created, deadline, version, created_at, previous: _ } = written;
        Self { created, deadline, version, created_at, fields, effects }
    }

    /// What the pops of the patch took, in their order, empty pops left out.
    pub fn popped(&self) -> impl Iterator<Item = &Json> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Popped(popped) => popped.as_ref(),
            Effect::Done | Effect::Removed(_) => None,
        })
    }
}

/// What an expire did (X7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpireResult {
    /// The deadline afterwards. It may lie in the past: then the expire ended the entry.
    pub deadline: Deadline,
    /// Whether it differs from the one before.
    pub changed: bool,
}

impl ExpireResult {
    /// An outcome of these parts.
    #[must_use]
    pub const fn new(deadline: Deadline, changed: bool) -> Self {
        Self { deadline, changed }
    }
}

/// One item of a [`Page`]: a key, and its entry or the reason why that entry cannot be read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PageItem {
    /// The key. `Debug` does not print it.
    pub key: Key,
    /// The entry, as much of it as was asked for, or [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) (S4).
    pub entry: Result<Entry>,
}

impl PageItem {
    /// Creates an item. An error is given the key.
    #[must_use]
    pub fn new(key: Key, entry: Result<Entry>) -> Self {
        let entry = entry.map_err(|error| error.with_operation("scan").with_key(&key));
        Self { key, entry }
    }
}

/// A page of a scan.
#[derive(Clone, Debug, Default)]
#[must_use = "a page holds what was scanned, and where the next one starts"]
#[non_exhaustive]
pub struct Page {
    /// The items, in no order that is promised.
    pub items: Vec<PageItem>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<Cursor>,
}

impl Page {
    /// Creates a page of these items.
    pub const fn new(items: Vec<PageItem>, next: Option<Cursor>) -> Self {
        Self { items, next }
    }

    /// Returns the keys, those of unreadable entries included.
    #[must_use]
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.items.iter().map(|item| &item.key)
    }

    /// Returns the keys and their entries, or the error of the first entry that cannot be read.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt).
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
        let done = PatchResult::new(PutResult::new(true), fields.clone(), effects);
        let entries = [Entry::new(Value::from("s3cret")), Entry::new(Value::from(fields))];
        let text = format!("{done:?} {entries:?}");
        assert!(text.contains("token") && text.contains("Removed(2)"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
        let key = Key::new("s3cret-key").unwrap();
        let items = vec![PageItem::new(key.clone(), Ok(Entry::new(Value::from("s3cret"))))];
        let next = Cursor::seal(&crate::CursorSecret::of_process(), &["s3cret"], b"s3cret");
        let scan = crate::ScanOptions::new("s3cret-prefix").with_cursor(next.clone());
        let put = crate::PutItem::new(key, "s3cret", crate::PutOptions::new(crate::Ttl::hours(1)));
        let text = format!("{:?} {scan:?} {put:?} {next}", Page::new(items, Some(next.clone())));
        assert!(!text.contains("s3cret") && text.contains("Key(10 bytes)"), "{text}");
    }
}
