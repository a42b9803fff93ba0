//! The data under a shard's lock: the table of entries, the wheel and the byte count.

use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashTable;
use smallvec::SmallVec;
use ttl_core::driver::Now;
use ttl_core::options::Returning;
use ttl_core::results::PutResult;
use ttl_core::rules::Header;
use ttl_core::{Deadline, Value};

use super::entry::{self, Content, Entry};
use super::hashing::{Hash, Hashing, spread};
use super::limits::Limits;
use super::queues::Queues;
use super::state::Word;
use super::wheel::Wheel;

/// The entries of a shard. Every method decides and acts under the shard's lock, at the instant `now` that
/// was read under the same lock. It moves removed entries and values into `trash`, which is dropped after the
/// unlock.
pub(crate) struct Table {
    pub(crate) entries: HashTable<Entry>,
    pub(crate) wheel: Wheel,
    pub(crate) hashing: Hashing,
    /// The size of the entries. Readers add to it when they share a buffer for the first time.
    pub(crate) bytes: AtomicUsize,
    /// The store's half of every version.
    pub(crate) store: u64,
    /// The next version number of this shard, and the step to the one after it. The steps keep the numbers of
    /// two shards apart.
    next_version: u64,
    version_step: u64,
    pub(crate) limits: Limits,
    /// The eviction queues, if there is a limit.
    pub(crate) queues: Option<Queues>,
}

/// A key and its hash.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) hash: Hash,
}

/// Entries and a value to be dropped after the unlock.
#[derive(Default)]
pub(crate) struct Trash {
    /// Most writes remove at most one.
    pub(crate) entries: SmallVec<[Entry; 1]>,
    pub(crate) value: Option<Value>,
}

impl Table {
    pub(crate) fn new(now: u64, hashing: Hashing, store: u64, versions: (u64, u64), limits: Limits) -> Self {
        Self {
            entries: HashTable::new(),
            wheel: Wheel::starting_at(now),
            hashing,
            bytes: AtomicUsize::new(0),
            store,
            next_version: versions.0,
            version_step: versions.1,
            limits,
            queues: limits.is_bounded().then(Queues::default),
        }
    }

    /// Returns the bucket of the entry, which is valid until the table changes.
    #[inline]
    pub(crate) fn place(&self, at: At<'_>) -> Option<usize> {
        self.entries.find_bucket_index(at.hash.table(), |entry| entry.key() == at.key)
    }

    #[inline]
    pub(crate) fn header(&self, place: Option<usize>) -> Option<Header> {
        let entry = self.entries.get_bucket(place?)?;
        Some(entry.header(entry.state().load(), self.store))
    }

    #[inline]
    pub(crate) fn find(&self, at: At<'_>) -> Option<&Entry> {
        self.entries.find(at.hash.table(), |entry| entry.key() == at.key)
    }

    /// Returns the size of the entries, in bytes of heap.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Moves the deadline of a stored entry.
    pub(crate) fn set_deadline(&mut self, at: At<'_>, deadline: Deadline) {
        let Self { entries, wheel, .. } = self;
        let Some(entry) = entries.find(at.hash.table(), |entry| entry.key() == at.key) else { return };
        let word = entry.state().load().with_deadline(deadline.as_epoch_millis());
        entry.state().store(placed(wheel, word, at.hash));
    }

    /// Returns the version of the next write.
    pub(crate) fn version(&mut self) -> u64 {
        let version = self.next_version;
        self.next_version += self.version_step;
        version
    }

    /// Stores a value, replacing the entry at `place` if there is one.
    pub(crate) fn write(
        &mut self,
        at: At<'_>,
        place: Option<usize>,
        content: Content,
        deadline: Deadline,
        trash: &mut Trash,
    ) {
        let deadline = deadline.as_epoch_millis();
        *self.bytes.get_mut() +=
            self.limits.new_entry_bytes(at.key.len(), !content.cap.is_never(), &content.value);
        if let Some(entry) = place.and_then(|place| self.entries.get_bucket_mut(place)) {
            *self.bytes.get_mut() -= self.limits.entry_bytes(entry);
            let word = entry.state().load().without(Word::SHARED).with_deadline(deadline);
            let word = if self.queues.is_some() { word.used() } else { word };
            let word = placed(&mut self.wheel, word, at.hash);
            match entry.rewrite(word, content) {
                Ok(old) => trash.value = old,
                Err(content) => {
                    let (new, copied) = Entry::new(at.key, word, content);
                    trash.entries.push(std::mem::replace(entry, new));
                    trash.value = copied;
                }
            }
        } else {
            let word = placed(&mut self.wheel, Word::new(deadline), at.hash);
            let word = self.queues.as_mut().map_or(word, |queues| queues.admit(word, at.hash.short()));
            let (entry, copied) = Entry::new(at.key, word, content);
            trash.value = copied;
            let hashing = &self.hashing;
            let hash = |entry: &Entry| spread(hashing.hash(entry.key()).short());
            self.entries.insert_unique(at.hash.table(), entry, hash);
        }
        if self.queues.is_some() {
            self.enforce_limits(trash);
        }
    }

    /// Removes the entry at a place, even if it is a ghost.
    pub(crate) fn remove(&mut self, place: Option<usize>, trash: &mut Trash) {
        let Some(place) = place else { return };
        if let Ok(place) = self.entries.get_bucket_entry(place) {
            let (entry, _) = place.remove();
            self.forget(entry, trash);
        }
    }

    /// Subtracts a removed entry from the byte count and from the queues.
    pub(crate) fn forget(&mut self, entry: Entry, trash: &mut Trash) {
        *self.bytes.get_mut() -= self.limits.entry_bytes(&entry);
        if let Some(queues) = &mut self.queues {
            queues.forget(entry.state().load());
        }
        trash.entries.push(entry);
    }

    /// Returns the metadata of a write that left this content, or no entry.
    pub(crate) fn meta(
        &self,
        created: bool,
        returning: Returning,
        deadline: Deadline,
        left: Option<&Content>,
    ) -> PutResult {
        let version = left.map(|left| entry::version(self.store, left.version));
        let created_at =
            left.filter(|_| returning.contains(Returning::CREATED_AT)).map(|left| left.created_at);
        PutResult::returning(returning, created, deadline, version)
            .with_created_at(created_at.map(|millis| Now::from_epoch_millis(millis).whole_millisecond()))
    }

    /// Returns the metadata of the entry that made a write be refused.
    pub(crate) fn there(&self, place: Option<usize>, stored: &Header, returning: Returning) -> PutResult {
        let entry = place.and_then(|place| self.entries.get_bucket(place));
        let created_at = entry.filter(|_| returning.contains(Returning::CREATED_AT)).map(Entry::created_at);
        PutResult::returning(returning, false, stored.ends(), stored.version).with_created_at(created_at)
    }
}

/// Returns the word with a registration that fires in time: the present one if it fires no later than the
/// deadline's slot, else a new one.
fn placed(wheel: &mut Wheel, word: Word, hash: Hash) -> Word {
    let slot = wheel.slot(word.deadline());
    if Wheel::is_sooner(slot, word.slot()) {
        wheel.register(slot, hash.short());
        return word.with_slot(slot);
    }
    word
}
