//! The state of an entry in one atomic word: its deadline and the shard's flags.

use std::sync::atomic::Ordering;

use crate::sync::AtomicU64;

const SLOT_BITS: u32 = 9;
const DEADLINE_SHIFT: u32 = 18;
const DEADLINE_MASK: u64 = u64::MAX >> DEADLINE_SHIFT;

/// A state as read: a deadline of 46 bits in epoch milliseconds (until the year 4199), and 18 bits of flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(u64);

impl Word {
    /// The slot number of an entry without a slot in the wheel.
    pub(crate) const NO_SLOT: u16 = (1 << SLOT_BITS) - 1;

    const SLOT: u64 = Self::NO_SLOT as u64;
    /// The value's buffer has been shared, see `weight::SHARED_BLOB`.
    pub(crate) const SHARED: u64 = 1 << 9;
    /// There is a cap.
    pub(crate) const CAPPED: u64 = 1 << 10;

    /// The entry is in the main queue, see `eviction`.
    pub(crate) const MAIN: u64 = 1 << 11;

    const COLOUR_SHIFT: u32 = 12;
    const COLOUR: u64 = 3 << Self::COLOUR_SHIFT;
    const TURN_SHIFT: u32 = 14;
    const TURN: u64 = 3 << Self::TURN_SHIFT;
    const USES_SHIFT: u32 = 16;
    const USES: u64 = 3 << Self::USES_SHIFT;

    /// Creates a state with this deadline, without a slot and without flags.
    pub(crate) fn new(deadline: u64) -> Self {
        Self(Self::SLOT).with_deadline(deadline)
    }

    /// Returns the deadline in epoch milliseconds; `u64::MAX` means never.
    pub(crate) fn deadline(self) -> u64 {
        let deadline = self.0 >> DEADLINE_SHIFT;
        if deadline == DEADLINE_MASK { u64::MAX } else { deadline }
    }

    pub(crate) fn with_deadline(self, deadline: u64) -> Self {
        let deadline = if deadline == u64::MAX { DEADLINE_MASK } else { deadline.min(DEADLINE_MASK - 1) };
        Self(self.0 & !(DEADLINE_MASK << DEADLINE_SHIFT) | deadline << DEADLINE_SHIFT)
    }

    /// Returns the slot of the wheel whose registration is valid.
    pub(crate) fn slot(self) -> u16 {
        (self.0 & Self::SLOT) as u16
    }

    /// Sets the slot of a new registration, which has no colour yet.
    pub(crate) fn with_slot(self, slot: u16) -> Self {
        Self(self.0 & !(Self::SLOT | Self::COLOUR) | u64::from(slot))
    }

    /// Returns the colour of the round that last found the registration, see `Wheel::purge`.
    pub(crate) fn colour(self) -> u8 {
        ((self.0 & Self::COLOUR) >> Self::COLOUR_SHIFT) as u8
    }

    pub(crate) fn with_colour(self, colour: u8) -> Self {
        Self(self.0 & !Self::COLOUR | u64::from(colour) << Self::COLOUR_SHIFT & Self::COLOUR)
    }

    /// Returns the colour of the round that last found the place in the queue, see `Table::compact`.
    pub(crate) fn turn(self) -> u8 {
        ((self.0 & Self::TURN) >> Self::TURN_SHIFT) as u8
    }

    pub(crate) fn with_turn(self, colour: u8) -> Self {
        Self(self.0 & !Self::TURN | u64::from(colour) << Self::TURN_SHIFT & Self::TURN)
    }

    /// Returns the number of uses since eviction last examined the entry, up to three.
    pub(crate) fn uses(self) -> u8 {
        ((self.0 & Self::USES) >> Self::USES_SHIFT) as u8
    }

    pub(crate) fn with_uses(self, uses: u8) -> Self {
        Self(self.0 & !Self::USES | u64::from(uses) << Self::USES_SHIFT & Self::USES)
    }

    /// Adds a use.
    pub(crate) fn used(self) -> Self {
        if self.0 & Self::USES == Self::USES { self } else { Self(self.0 + (1 << Self::USES_SHIFT)) }
    }

    pub(crate) fn has(self, note: u64) -> bool {
        self.0 & note != 0
    }

    pub(crate) fn with(self, note: u64) -> Self {
        Self(self.0 | note)
    }

    pub(crate) fn without(self, note: u64) -> Self {
        Self(self.0 & !note)
    }
}

/// The word that readers change under the shard's read lock, and writers under its write lock.
#[derive(Debug)]
pub(crate) struct State(AtomicU64);

impl State {
    pub(crate) fn new(word: Word) -> Self {
        Self(AtomicU64::new(word.0))
    }

    pub(crate) fn load(&self) -> Word {
        Word(self.0.load(Ordering::Acquire))
    }

    /// Stores a word under the write lock, which excludes other changes.
    pub(crate) fn store(&self, word: Word) {
        self.0.store(word.0, Ordering::Release);
    }

    /// Judges the word and replaces it, under the read lock. If another reader replaced it first, it judges
    /// again.
    ///
    /// The decision is always made on the word that is replaced. So a refresh that was judged on an older
    /// deadline cannot shorten a later one. It cannot revive an entry either that another reader has marked
    /// as expired in the meantime.
    #[inline(always)]
    pub(crate) fn update<T>(&self, mut judge: impl FnMut(Word) -> (Word, T)) -> T {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let (next, answer) = judge(Word(seen));
            if next.0 == seen {
                return answer;
            }
            match self.0.compare_exchange(seen, next.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return answer,
                Err(other) => seen = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_slot_and_notes_do_not_touch() {
        let word = Word::new(1_767_225_600_123).with_slot(383).with(Word::CAPPED);
        assert_eq!((word.deadline(), word.slot()), (1_767_225_600_123, 383));
        let moved = word.with_deadline(u64::MAX).with(Word::SHARED);
        assert_eq!((moved.deadline(), moved.slot()), (u64::MAX, 383));
        assert!(moved.has(Word::CAPPED) && moved.has(Word::SHARED) && !word.has(Word::SHARED));
        assert_eq!(moved.without(Word::SHARED).with_deadline(word.deadline()), word);
        assert_eq!(Word::new(0).slot(), Word::NO_SLOT);
        let noted = (0..5).fold(word.with_colour(2).with_turn(1), |word, _| word.used());
        assert_eq!((noted.colour(), noted.turn(), noted.uses()), (2, 1, 3));
        assert_eq!(noted.with_uses(0).with_turn(0).with_colour(0), word);
        assert_eq!(noted.with_slot(5).colour(), 0);
    }

    #[test]
    fn a_deadline_beyond_the_bits_stays_finite() {
        assert_eq!(Word::new(u64::MAX - 1).deadline(), DEADLINE_MASK - 1);
    }
}
