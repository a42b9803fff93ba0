//! An entry: key, value, version, creation time and state, in one allocation if the value is small.

use std::time::SystemTime;

use bytes::Bytes;
use smallvec::SmallVec;
use triomphe::{Arc, ThinArc};
use ttl_core::driver::Now;
use ttl_core::rules::Header;
use ttl_core::{Deadline, Key, Result, Value, Version};

use super::state::{State, Word};
use super::stored::{Stored, small};

const CAP_BYTES: usize = 8;

struct Head {
    state: State,
    version: u64,
    created_at: u64,
    value: Stored,
}

/// The content that a write stores under a key, without the state.
pub(crate) struct Content {
    pub(crate) cap: Deadline,
    pub(crate) version: u64,
    /// In epoch milliseconds.
    pub(crate) created_at: u64,
    pub(crate) value: Value,
}

/// An entry. The table holds only its address. The head is followed by the key, by the value if it is a small
/// blob, and by the cap if there is one, so that entries without a cap need no space for it.
pub(crate) struct Entry(ThinArc<Head, u8>);

impl Entry {
    /// The size of an entry without key and value: reference count, head, length.
    pub(crate) const FIXED_BYTES: usize = 8 + size_of::<Head>() + 8;

    /// Creates an entry. Returns it with a value to be dropped.
    pub(crate) fn new(key: &[u8], word: Word, content: Content) -> (Self, Option<Value>) {
        let Content { cap, version, created_at, value } = content;
        let word = capped(word, cap);
        // On the stack for most keys.
        let mut tail: SmallVec<[u8; 256]> = SmallVec::from_slice(key);
        if let Some(blob) = small(&value) {
            tail.extend_from_slice(blob);
        }
        if !cap.is_never() {
            tail.extend_from_slice(&cap.as_epoch_millis().to_le_bytes());
        }
        let (value, copied) = Stored::new(value);
        let head = Head { state: State::new(word), version, created_at, value };
        (Self(ThinArc::from_header_and_slice(head, &tail)), copied)
    }

    #[inline]
    fn head(&self) -> &Head {
        &self.0.header.header
    }

    #[inline]
    pub(crate) fn state(&self) -> &State {
        &self.head().state
    }

    /// Returns the bytes after the head: key, small blob and cap.
    #[inline]
    pub(crate) fn tail(&self) -> &[u8] {
        &self.0.slice
    }

    /// Returns the key, and the small blob if the value is one.
    #[inline]
    fn key_and_blob(&self) -> (&[u8], &[u8]) {
        let tail = self.tail();
        let cap = if self.state().load().has(Word::CAPPED) { CAP_BYTES } else { 0 };
        let end = tail.len() - cap;
        tail[..end].split_at(end - self.stored().small_len().unwrap_or(0))
    }

    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        self.key_and_blob().0
    }

    #[inline]
    pub(crate) fn stored(&self) -> &Stored {
        &self.head().value
    }

    /// Returns a handle to the value. That of a small blob keeps the whole entry alive.
    #[inline]
    pub(crate) fn value(&self) -> Value {
        match self.stored() {
            Stored::Small(0) => Value::Blob(Bytes::new()),
            Stored::Small(_) => Value::Blob(Bytes::from_owner(SmallBlob(Self(self.0.clone())))),
            Stored::Large(bytes) => Value::Blob(Bytes::clone(bytes)),
            Stored::Record(record) => Value::Record(record.clone()),
        }
    }

    /// Returns the key. It is validated again, because the entry holds plain bytes.
    pub(crate) fn to_key(&self) -> Result<Key> {
        Key::new(String::from_utf8_lossy(self.key()).into_owned())
    }

    #[inline]
    pub(crate) fn cap(&self, word: Word) -> Deadline {
        if !word.has(Word::CAPPED) {
            return Deadline::NEVER;
        }
        let cap = self.0.slice.last_chunk().copied().map_or(u64::MAX, u64::from_le_bytes);
        Deadline::from_epoch_millis(cap)
    }

    #[inline]
    pub(crate) fn version(&self, store: u64) -> Version {
        version(store, self.head().version)
    }

    /// Returns the creation time in epoch milliseconds.
    #[inline]
    pub(crate) fn created_millis(&self) -> u64 {
        self.head().created_at
    }

    #[inline]
    pub(crate) fn created_at(&self) -> SystemTime {
        Now::from_epoch_millis(self.created_millis()).whole_millisecond()
    }

    /// Returns the header that the rules decide on.
    #[inline]
    pub(crate) fn header(&self, word: Word, store: u64) -> Header {
        Header {
            kind: self.stored().kind(),
            deadline: Deadline::from_epoch_millis(word.deadline()),
            cap: self.cap(word),
            version: self.version(store),
        }
    }

    /// Replaces content and state in place. Returns a value to be dropped: the old one, or a small new one that
    /// was copied. If only a new allocation can hold the content, it changes nothing and returns the content as
    /// the error.
    pub(crate) fn rewrite(&mut self, word: Word, content: Content) -> Result<Option<Value>, Content> {
        let cap = content.cap;
        let small_len = small(&content.value).map(<[u8]>::len);
        if self.cap(self.state().load()) != cap || small_len != self.stored().small_len() {
            return Err(content);
        }
        let end = self.tail().len() - if cap.is_never() { 0 } else { CAP_BYTES };
        self.0.with_arc_mut(|arc| match Arc::get_mut(arc) {
            Some(entry) => {
                let head = entry.header_mut();
                head.state.store(capped(word, cap));
                head.version = content.version;
                head.created_at = content.created_at;
                if let Some(blob) = small(&content.value) {
                    entry.slice_mut()[end - blob.len()..end].copy_from_slice(blob);
                    return Ok(Some(content.value));
                }
                Ok(match (&mut head.value, content.value) {
                    (Stored::Large(old), Value::Blob(new)) => {
                        Some(Value::Blob(std::mem::replace(&mut **old, new)))
                    }
                    (old, new) => std::mem::replace(old, Stored::new(new).0).into_value(),
                })
            }
            None => Err(content),
        })
    }

    /// Returns the value of an entry that was removed from its table.
    pub(crate) fn into_value(mut self) -> Value {
        if self.stored().small_len().is_some() {
            return self.value();
        }
        let taken = self.0.with_arc_mut(|arc| {
            let entry = Arc::get_mut(arc)?;
            std::mem::replace(&mut entry.header_mut().value, Stored::Small(0)).into_value()
        });
        taken.unwrap_or_else(|| self.value())
    }
}

/// The small blob of an entry. While it exists, the entry is not rewritten in place.
struct SmallBlob(Entry);

impl AsRef<[u8]> for SmallBlob {
    fn as_ref(&self) -> &[u8] {
        self.0.key_and_blob().1
    }
}

fn capped(word: Word, cap: Deadline) -> Word {
    if cap.is_never() { word.without(Word::CAPPED) } else { word.with(Word::CAPPED) }
}

/// Returns the version of a write. The store's half makes it differ from the versions of other stores and of
/// earlier processes.
#[inline]
pub(crate) fn version(store: u64, number: u64) -> Version {
    Version::from_u128(u128::from(store) << 64 | u128::from(number))
}

#[cfg(test)]
mod tests {
    use ttl_core::Record;

    use super::*;
    use crate::engine::stored::SMALL;

    #[test]
    fn the_cap_follows_the_value() {
        let cap = Deadline::from_epoch_millis(77);
        let content =
            |cap, version, value: &'static str| Content { cap, version, created_at: 3, value: value.into() };
        let (mut entry, _) = Entry::new(b"key", Word::new(5), content(cap, 1, "value"));
        assert_eq!(entry.key(), b"key");
        assert_eq!(entry.header(entry.state().load(), 9).cap, cap);
        let word = entry.state().load().with_deadline(6);
        assert!(entry.rewrite(word, content(Deadline::NEVER, 2, "no")).is_err());
        assert!(entry.rewrite(word, content(cap, 2, "longer")).is_err());
        assert!(entry.rewrite(word, content(cap, 2, "other")).is_ok());
        assert_eq!((entry.key(), entry.value(), entry.cap(word)), (b"key".as_slice(), "other".into(), cap));
        assert_eq!((entry.version(9), entry.state().load().deadline()), (version(9, 2), 6));
        assert_eq!(entry.into_value(), "other".into());
    }

    #[test]
    fn every_value_is_returned_and_replaced_by_one_that_fits() {
        let large = |byte| Value::from(vec![byte; SMALL + 1]);
        let record = |n| Value::from(Record::new().with("n", n));
        let pairs = [
            (Value::from(""), Value::from("")),
            (vec![1; SMALL].into(), vec![2; SMALL].into()),
            (large(1), large(2)),
            (record(1), record(2)),
            (large(3), record(3)),
        ];
        let content = |value| Content { cap: Deadline::NEVER, version: 1, created_at: 2, value };
        for (old, new) in pairs {
            let (mut entry, _) = Entry::new(b"key", Word::new(5), content(old.clone()));
            assert_eq!((entry.key(), entry.value()), (b"key".as_slice(), old));
            assert!(entry.rewrite(Word::new(6), content(new.clone())).is_ok());
            assert_eq!(entry.key(), b"key");
            assert_eq!(entry.into_value(), new);
        }
        let (mut small, _) = Entry::new(b"key", Word::new(5), content("small".into()));
        assert!(small.rewrite(Word::new(6), content(large(1))).is_err());
        assert!(small.rewrite(Word::new(6), content(record(1))).is_err());
    }

    #[test]
    fn a_handle_to_a_small_blob_keeps_its_bytes() {
        let content = |value: &'static str| Content {
            cap: Deadline::NEVER,
            version: 1,
            created_at: 2,
            value: value.into(),
        };
        let (mut entry, _) = Entry::new(b"key", Word::new(5), content("old"));
        let handle = entry.value();
        assert!(entry.rewrite(Word::new(6), content("new")).is_err());
        assert_eq!(entry.into_value(), handle);
        assert_eq!(handle, "old".into());
    }

    #[test]
    fn an_entry_has_56_bytes_beside_key_and_value() {
        assert_eq!(Entry::FIXED_BYTES, 56);
        assert_eq!(size_of::<Entry>(), size_of::<usize>());
    }
}
