//! The expiry wheel: which entries to look at when.
//!
//! Six levels of 64 slots; a slot of the lowest level is one tick, of each further level 64 of the slots below. A slot
//! holds hashes, not addresses: a registration says "look whether that entry has expired". The entry knows the slot
//! that it stands in, and a registration in any other slot is stale and means nothing. So a refresh touches the wheel
//! never: the slot fires too early, and the entry is placed anew. Only a deadline that comes sooner than the slot
//! needs a registration of its own.

use crate::state::Word;

/// The length of a tick in milliseconds, about a second. Visibility does not depend on it, only how late memory is
/// given back.
pub(crate) const TICK_MILLIS: u64 = 1 << TICK_SHIFT;

const TICK_SHIFT: u32 = 10;
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
const LEVELS: usize = 6;
/// The latest tick that the wheel can tell, two thousand years after 1970; what is later fires then and is placed
/// again.
const LAST_TICK: u64 = (1 << (LEVEL_BITS * LEVELS as u32)) - 1;

type Slot = Vec<u32>;

/// The wheel of a shard.
#[derive(Debug, Default)]
pub(crate) struct Wheel {
    /// The tick whose slots have all fired.
    tick: u64,
    levels: [Option<Box<[Slot; SLOTS]>>; LEVELS],
    occupied: [u64; LEVELS],
    /// What is left of the slot that fired last, and its name.
    firing: (u16, Slot),
    registrations: usize,
    /// Where the search for stale registrations stands: a slot, and a position in it.
    purge: (u16, usize),
    /// The colour of this round of the search, 1 to 3.
    colour: u8,
}

impl Wheel {
    /// A wheel that stands at this instant.
    pub(crate) fn starting_at(now: u64) -> Self {
        Self { tick: now >> TICK_SHIFT, firing: (Word::NO_SLOT, Slot::new()), colour: 1, ..Self::default() }
    }

    /// The slot that fires first at or after this deadline, none for a persistent entry.
    pub(crate) fn slot(&self, deadline: u64) -> u16 {
        if deadline == u64::MAX {
            return Word::NO_SLOT;
        }
        let tick = deadline.div_ceil(TICK_MILLIS).max(self.tick + 1).min(LAST_TICK);
        let level = (tick ^ self.tick).max(1).ilog2() / LEVEL_BITS;
        (level * SLOTS as u32) as u16 + (tick >> (level * LEVEL_BITS)) as u16 % SLOTS as u16
    }

    /// Whether slot `a` fires before slot `b`. A higher level fires later than all below it.
    pub(crate) fn is_sooner(a: u16, b: u16) -> bool {
        a < b
    }

    /// Registers the entry with this hash in a slot.
    pub(crate) fn register(&mut self, slot: u16, hash: u32) {
        let (level, index) = place(slot);
        let Some(slots) = self.levels.get_mut(level) else { return };
        let slots = slots.get_or_insert_with(|| Box::new(std::array::from_fn(|_| Slot::new())));
        let hashes = &mut slots[index];
        if hashes.len() == hashes.capacity() {
            // By a quarter: doubling would waste up to four bytes an entry.
            hashes.reserve_exact(hashes.len() / 4 + 4);
        }
        hashes.push(hash);
        self.occupied[level] |= 1 << index;
        self.registrations += 1;
    }

    /// The next registration that is due: its slot and its hash. `None` when nothing is due any more.
    pub(crate) fn next_due(&mut self, now: u64) -> Option<(u16, u32)> {
        loop {
            if let Some(hash) = self.firing.1.pop() {
                self.registrations -= 1;
                return Some((self.firing.0, hash));
            }
            self.firing = (Word::NO_SLOT, Slot::new());
            if !self.fire_next(now >> TICK_SHIFT) {
                return None;
            }
        }
    }

    /// Whether [`Wheel::next_due`] has something to say.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        !self.firing.1.is_empty() || (now >> TICK_SHIFT > self.tick && self.registrations != 0)
    }

    /// Moves on to the next slot that is due, or else to the present tick.
    fn fire_next(&mut self, now: u64) -> bool {
        for level in 0..LEVELS {
            let shift = level as u32 * LEVEL_BITS;
            let current = self.tick >> shift & (SLOTS as u64 - 1);
            // Slots at or before the current one are empty: a wheel stands in the first slot of each level that has
            // not fired below.
            let ahead = self.occupied[level] & u64::MAX.checked_shl(current as u32 + 1).unwrap_or(0);
            if ahead == 0 {
                continue;
            }
            let index = ahead.trailing_zeros() as usize;
            let round = self.tick >> shift >> LEVEL_BITS << LEVEL_BITS;
            let tick = (round | index as u64) << shift;
            if tick > now {
                break;
            }
            self.tick = tick;
            self.occupied[level] &= !(1 << index);
            let hashes = self.levels[level].as_mut().map(|slots| std::mem::take(&mut slots[index]));
            self.firing = ((level * SLOTS + index) as u16, hashes.unwrap_or_default());
            return true;
        }
        self.tick = self.tick.max(now);
        false
    }

    /// How many registrations there are, stale ones included.
    pub(crate) fn registrations(&self) -> usize {
        self.registrations
    }

    /// Looks at up to `budget` registrations and drops those that `is_stale(slot, hash, colour)` says mean nothing;
    /// answers whether the round is complete.
    ///
    /// An entry that was deleted and created again can stand in a slot twice. So each round has a colour, an entry
    /// takes it when it is met, and a registration that meets it again is stale. A fresh registration takes the
    /// colour from its entry; with three colours, one that was not met in this round is never mistaken in the next.
    pub(crate) fn purge(
        &mut self,
        mut budget: usize,
        mut is_stale: impl FnMut(u16, u32, u8) -> bool,
    ) -> bool {
        loop {
            let (slot, mut at) = self.purge;
            let (level, index) = place(slot);
            let Some(slots) = self.levels.get_mut(level) else {
                self.purge = (0, 0);
                self.colour = self.colour % 3 + 1;
                return true;
            };
            if let Some(hashes) = slots.as_mut().map(|slots| &mut slots[index]) {
                while at < hashes.len() {
                    if budget == 0 {
                        self.purge = (slot, at);
                        return false;
                    }
                    budget -= 1;
                    if is_stale(slot, hashes[at], self.colour) {
                        hashes.swap_remove(at);
                        self.registrations -= 1;
                    } else {
                        at += 1;
                    }
                }
                if hashes.is_empty() {
                    self.occupied[level] &= !(1 << index);
                }
                if hashes.len() < hashes.capacity() / 2 {
                    hashes.shrink_to_fit();
                }
            }
            self.purge = (slot + 1, 0);
        }
    }
}

fn place(slot: u16) -> (usize, usize) {
    (usize::from(slot) / SLOTS, usize::from(slot) % SLOTS)
}
