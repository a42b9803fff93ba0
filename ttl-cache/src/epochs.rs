//! Epochs: how near copies are invalidated without a search for them.
//!
//! Each change of a key, of a tag or of the whole cache moves a counter. A copy has a stamp: the counters as
//! they were before its entry was read. It is valid while none of them has moved. Keys share counters, so a
//! change can also invalidate the copies of other keys, which costs them one more read.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::Ordering;

use ttl_core::Key;

use super::sync::AtomicU64;

pub(crate) struct Epochs {
    slots: Box<[AtomicU64]>,
    /// Moves with every change of the whole cache.
    all: AtomicU64,
    /// Moves with every gap in the reports of changes.
    gaps: AtomicU64,
    /// Moves before the counter of any tag does.
    tags: AtomicU64,
    hasher: RandomState,
}

/// The counters before an entry was read.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    key: (usize, u64),
    all: u64,
    gaps: u64,
    tags: u64,
}

/// The counters that must not move while a copy is valid.
#[derive(Debug)]
pub(crate) struct Stamp {
    all: u64,
    gaps: u64,
    key: (usize, u64),
    tags: Box<[(usize, u64)]>,
}

impl Epochs {
    pub(crate) fn new(entries: usize) -> Self {
        Self::with_slots(entries.saturating_mul(2).clamp(1 << 10, 1 << 16).next_power_of_two())
    }

    /// Creates epochs with so many counters for keys and tags: a power of two.
    pub(crate) fn with_slots(count: usize) -> Self {
        Self {
            slots: std::iter::repeat_with(|| AtomicU64::new(0)).take(count).collect(),
            all: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            tags: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }

    fn slot(&self, name: (u8, &[u8])) -> usize {
        self.hasher.hash_one(name) as usize & (self.slots.len() - 1)
    }

    fn key_slot(&self, key: &Key) -> usize {
        self.slot((0, key.as_bytes()))
    }

    fn tag_slot(&self, tag: &str) -> usize {
        self.slot((1, tag.as_bytes()))
    }

    // SeqCst everywhere, so that the argument is about one order of all steps.

    pub(crate) fn mark(&self, key: &Key) -> Mark {
        let slot = self.key_slot(key);
        Mark {
            key: (slot, self.slots[slot].load(Ordering::SeqCst)),
            all: self.all.load(Ordering::SeqCst),
            gaps: self.gaps.load(Ordering::SeqCst),
            tags: self.tags.load(Ordering::SeqCst),
        }
    }

    /// Returns the stamp of a copy whose entry was read after `mark`; `None` if one of its tags may have
    /// changed since. The tags are known only after the read, so their counters are read now.
    pub(crate) fn stamp<'a>(&self, mark: &Mark, tags: impl Iterator<Item = &'a str>) -> Option<Stamp> {
        let read = |tag| {
            let slot = self.tag_slot(tag);
            (slot, self.slots[slot].load(Ordering::SeqCst))
        };
        let tags: Box<[_]> = tags.map(read).collect();
        // `tags` moves before the counter of a tag. If it has not moved, the counters above are those before
        // the read.
        (tags.is_empty() || self.tags.load(Ordering::SeqCst) == mark.tags).then_some(Stamp {
            all: mark.all,
            gaps: mark.gaps,
            key: mark.key,
            tags,
        })
    }

    pub(crate) fn confirm(&self, stamp: &Stamp) -> bool {
        let still = |(slot, epoch): &(usize, u64)| self.slots[*slot].load(Ordering::SeqCst) == *epoch;
        self.all.load(Ordering::SeqCst) == stamp.all && still(&stamp.key) && stamp.tags.iter().all(still)
    }

    /// Returns whether neither the key nor the whole cache has changed since the mark.
    pub(crate) fn has_kept(&self, mark: &Mark) -> bool {
        let (slot, epoch) = mark.key;
        self.all.load(Ordering::SeqCst) == mark.all && self.slots[slot].load(Ordering::SeqCst) == epoch
    }

    pub(crate) fn change_key(&self, key: &Key) {
        self.slots[self.key_slot(key)].fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn change_tag(&self, tag: &str) {
        self.tags.fetch_add(1, Ordering::SeqCst);
        self.slots[self.tag_slot(tag)].fetch_add(1, Ordering::SeqCst);
    }

    /// Returns whether a change may have been missed since the mark of the stamp.
    pub(crate) fn has_gap(&self, stamp: &Stamp) -> bool {
        self.gaps.load(Ordering::SeqCst) != stamp.gaps
    }

    pub(crate) fn note_gap(&self) {
        self.gaps.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn change_all(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
    }
}
