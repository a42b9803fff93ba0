//! An entry: key, value, version, creation time and state in one allocation.

use std::time::SystemTime;

use triomphe::{Arc, ThinArc};
use ttl_core::driver::Now;
use ttl_core::rules::Header;
use ttl_core::{Deadline, Key, Result, Value, Version};

use super::state::{State, Word};

const CAP_BYTES: usize = 8;

struct Head {
    state: State,
    version: u64,
    created_at: u64,
    value: Value,
}

/// The content that a write stores under a key, without the state.
pub(crate) struct Content {
    pub(crate) cap: Deadline,
    pub(crate) version: u64,
    /// In epoch milliseconds.
    pub(crate) created_at: u64,
    pub(crate) value: Value,
}

/// An entry. The table holds only its address. The key's bytes follow the head, and then the cap if there is
/// one, so that entries without a cap need no space for it.
pub(crate) struct Entry(ThinArc<Head, u8>);

impl Entry {
    /// The size of an entry without key and value: reference count, head, length.
    pub(crate) const FIXED_BYTES: usize = 8 + size_of::<Head>() + 8;

    pub(crate) fn new(key: &[u8], word: Word, content: Content) -> Self {
        let Content { cap, version, created_at, value } = content;
        let head = |word| Head { state: State::new(word), version, created_at, value };
        if cap.is_never() {
            return Self(ThinArc::from_header_and_slice(head(word.without(Word::CAPPED)), key));
        }
        let mut tail = Vec::with_capacity(key.len() + CAP_BYTES);
        tail.extend_from_slice(key);
        tail.extend_from_slice(&cap.as_epoch_millis().to_le_bytes());
        Self(ThinArc::from_header_and_slice(head(word.with(Word::CAPPED)), &tail))
    }

    #[inline]
    fn head(&self) -> &Head {
        &self.0.header.header
    }

    #[inline]
    pub(crate) fn state(&self) -> &State {
        &self.head().state
    }

    #[inline]
    pub(crate) fn value(&self) -> &Value {
        &self.head().value
    }

    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        let tail = &self.0.slice;
        if self.state().load().has(Word::CAPPED) { &tail[..tail.len() - CAP_BYTES] } else { tail }
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
            kind: self.value().kind(),
            deadline: Deadline::from_epoch_millis(word.deadline()),
            cap: self.cap(word),
            version: self.version(store),
        }
    }

    /// Replaces content and state in place, and returns the old value. If only a new allocation can hold the
    /// cap, it changes nothing and returns the new content as the error.
    pub(crate) fn rewrite(&mut self, word: Word, content: Content) -> Result<Value, Content> {
        let cap = content.cap;
        if self.cap(self.state().load()) != cap {
            return Err(content);
        }
        let word = if cap.is_never() { word.without(Word::CAPPED) } else { word.with(Word::CAPPED) };
        self.0.with_arc_mut(|arc| match Arc::get_mut(arc) {
            Some(entry) => {
                let head = entry.header_mut();
                head.state.store(word);
                head.version = content.version;
                head.created_at = content.created_at;
                Ok(std::mem::replace(&mut head.value, content.value))
            }
            None => Err(content),
        })
    }

    /// Returns the value of an entry that was removed from its table.
    pub(crate) fn into_value(mut self) -> Value {
        let taken = self.0.with_arc_mut(|arc| {
            Arc::get_mut(arc).map(|entry| {
                std::mem::replace(&mut entry.header_mut().value, Value::Blob(bytes::Bytes::new()))
            })
        });
        taken.unwrap_or_else(|| self.value().clone())
    }
}

/// Returns the version of a write. The store's half makes it differ from the versions of other stores and of
/// earlier processes.
#[inline]
pub(crate) fn version(store: u64, number: u64) -> Version {
    Version::from_u128(u128::from(store) << 64 | u128::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_stands_behind_the_key() {
        let cap = Deadline::from_epoch_millis(77);
        let content =
            |cap, version, value: &'static str| Content { cap, version, created_at: 3, value: value.into() };
        let mut entry = Entry::new(b"key", Word::new(5), content(cap, 1, "value"));
        assert_eq!(entry.key(), b"key");
        assert_eq!(entry.header(entry.state().load(), 9).cap, cap);
        let word = entry.state().load().with_deadline(6);
        assert!(entry.rewrite(word, content(Deadline::NEVER, 2, "no")).is_err());
        assert!(entry.rewrite(word, content(cap, 2, "yes")).is_ok_and(|old| old == "value".into()));
        assert_eq!((entry.version(9), entry.state().load().deadline()), (version(9, 2), 6));
        assert_eq!(entry.into_value(), "yes".into());
    }

    #[test]
    fn an_entry_has_72_bytes_beside_key_and_value() {
        assert_eq!(Entry::FIXED_BYTES, 72);
        assert_eq!(size_of::<Entry>(), size_of::<usize>());
    }
}
