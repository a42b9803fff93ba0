//! The expiry wheel, which schedules the check of each entry.
//!
//! The wheel has six levels of 64 slots. A slot of the lowest level is one tick long; a slot of each further
//! level is as long as 64 slots of the level below. A slot holds hashes, not addresses: a registration means
//! "check whether that entry has expired". The entry stores the number of its slot, and a registration in any
//! other slot is stale.
//!
//! So a refresh need not change the wheel: the slot fires too early, and the entry is registered again. Only
//! a deadline before the slot needs a new registration.

use super::state::Word;

/// The length of a tick in milliseconds, about a second. It affects only the delay of reclaiming, not
/// visibility.
pub(crate) const TICK_MILLIS: u64 = 1 << TICK_SHIFT;

const TICK_SHIFT: u32 = 10;
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
const LEVELS: usize = 6;
/// The last tick of the wheel, two thousand years after 1970. Later deadlines fire then and are registered
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
    /// The number of the slot that fired last, and its remaining hashes.
    firing: (u16, Slot),
    registrations: usize,
    /// The position of the search for stale registrations: a slot, and an index in it.
    purge: (u16, usize),
    /// The colour of this round of the search, 1 to 3.
    colour: u8,
}

impl Wheel {
    /// Creates a wheel whose present tick is this instant.
    pub(crate) fn starting_at(now: u64) -> Self {
        Self { tick: now >> TICK_SHIFT, firing: (Word::NO_SLOT, Slot::new()), colour: 1, ..Self::default() }
    }

    /// Returns the first slot that fires at or after this deadline, or [`Word::NO_SLOT`] for a persistent
    /// entry.
    pub(crate) fn slot(&self, deadline: u64) -> u16 {
        if deadline == u64::MAX {
            return Word::NO_SLOT;
        }
        let tick = deadline.div_ceil(TICK_MILLIS).max(self.tick + 1).min(LAST_TICK);
        let level = (tick ^ self.tick).max(1).ilog2() / LEVEL_BITS;
        (level * SLOTS as u32) as u16 + (tick >> (level * LEVEL_BITS)) as u16 % SLOTS as u16
    }

    /// Returns whether slot `a` fires before slot `b`. A level fires later than all levels below it.
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
            // Grows by a quarter: doubling would waste up to four bytes an entry.
            hashes.reserve_exact(hashes.len() / 4 + 4);
        }
        hashes.push(hash);
        self.occupied[level] |= 1 << index;
        self.registrations += 1;
    }

    /// Takes the next due registration and returns its slot and hash, or `None` if nothing is due.
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

    /// Returns whether [`Wheel::next_due`] may find a due registration.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        !self.firing.1.is_empty() || (now >> TICK_SHIFT > self.tick && self.registrations != 0)
    }

    /// Advances to the next due slot, or else to the present tick. Returns whether a slot fired.
    fn fire_next(&mut self, now: u64) -> bool {
        for level in 0..LEVELS {
            let shift = level as u32 * LEVEL_BITS;
            let current = self.tick >> shift & (SLOTS as u64 - 1);
            // Slots at or before the current one are empty. (After a slot has fired, the wheel is at the
            // first slot of each level below.)
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

    /// Returns the number of registrations, including stale ones.
    pub(crate) fn registrations(&self) -> usize {
        self.registrations
    }

    /// Examines up to `budget` registrations and drops those for which `is_stale(slot, hash, colour)` returns
    /// `true`. Returns whether the round is complete.
    ///
    /// An entry that was deleted and created again can have two registrations in a slot. So each round has a
    /// colour, and an entry takes it when the round finds its first registration. A second registration that
    /// finds this colour is stale. A new registration clears the colour of its entry. There are three
    /// colours, so an entry that one round has missed is never mistaken in the next.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Returns pseudo-random lengths of every magnitude below a power of two, the same in every run
    /// (xorshift).
    fn lengths() -> impl FnMut(u64) -> u64 {
        let mut state = 0x5eed_u64;
        let mut next = move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        move |bits| {
            let magnitude = next(bits);
            1 + next(1 << magnitude)
        }
    }

    /// Takes all due registrations, each with the slot that it fired from.
    fn due(wheel: &mut Wheel, now: u64) -> Vec<(u16, u32)> {
        std::iter::from_fn(|| wheel.next_due(now)).collect()
    }

    #[test]
    fn everything_fires_within_its_tick_however_far_away() {
        let mut length = lengths();
        let start = 1_767_225_600_123;
        let mut wheel = Wheel::starting_at(start);
        let (mut now, mut next) = (start, 0);
        // The registrations: hash to (slot, deadline), as entries would store them.
        let mut open: BTreeMap<u32, (u16, u64)> = BTreeMap::new();
        while next < 3_000 || !open.is_empty() {
            if next < 3_000 {
                // From a millisecond to the largest TTL.
                let away = length(40).min(630_720_000_000);
                let slot = wheel.slot(now + away);
                wheel.register(slot, next);
                open.insert(next, (slot, now + away));
                next += 1;
            }
            now += length(if next < 3_000 { 16 } else { 36 });
            for (slot, hash) in due(&mut wheel, now) {
                let (at, deadline) = open[&hash];
                assert_eq!(slot, at, "fired from a slot that it is not in");
                if deadline <= now {
                    open.remove(&hash);
                } else {
                    let slot = wheel.slot(deadline);
                    wheel.register(slot, hash);
                    open.insert(hash, (slot, deadline));
                }
            }
            let late = open.values().find(|(_, deadline)| deadline.next_multiple_of(TICK_MILLIS) <= now);
            assert_eq!(late, None, "still waiting at {now}");
        }
        assert_eq!(wheel.registrations(), 0);
    }

    #[test]
    fn a_sooner_deadline_has_a_sooner_slot() {
        let mut length = lengths();
        for _ in 0..10_000 {
            let now = 1_767_225_600_000 + length(40);
            let wheel = Wheel::starting_at(now);
            let (a, b) = (now + length(40), now + length(40));
            let (soon, late) = (wheel.slot(a.min(b)), wheel.slot(a.max(b)));
            assert!(!Wheel::is_sooner(late, soon), "{soon} {late}");
        }
        assert!(Wheel::is_sooner(Wheel::starting_at(0).slot(1 << 40), Word::NO_SLOT));
        assert_eq!(Wheel::starting_at(0).slot(u64::MAX), Word::NO_SLOT);
    }

    #[test]
    fn a_deadline_past_the_wheels_end_fires_at_the_end() {
        let wheel = Wheel::starting_at(0);
        assert_eq!(wheel.slot(u64::MAX - 1), (LEVELS * SLOTS - 1) as u16);
    }

    #[test]
    fn stale_registrations_are_dropped_in_steps() {
        let mut wheel = Wheel::starting_at(0);
        for hash in 0..1_000 {
            wheel.register(wheel.slot(u64::from(hash) * 5_000 + 1), hash);
        }
        let mut looked = 0;
        let is_stale = |_: u16, hash: u32, _: u8| {
            looked += 1;
            !hash.is_multiple_of(10)
        };
        let mut is_stale = is_stale;
        let mut steps = 1;
        while !wheel.purge(64, &mut is_stale) {
            steps += 1;
        }
        assert_eq!((wheel.registrations(), looked), (100, 1_000));
        assert!(steps >= 1_000 / 64);
        let left = due(&mut wheel, u64::MAX >> 20);
        assert_eq!(left.len(), 100);
        assert!(left.iter().all(|(_, hash)| hash.is_multiple_of(10)));
    }
}
