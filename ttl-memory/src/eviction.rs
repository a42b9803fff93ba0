//! Eviction: selects the live entry to remove when a shard is full (S3-FIFO).
//!
//! A new entry enters the small queue. At the front of that queue, it is evicted if it was not used in the
//! meantime; otherwise it moves to the main queue. The main queue gives an entry another round for every use,
//! up to three. So a pass over many keys goes through the small queue and leaves the main queue alone. A key
//! that was evicted from the small queue and soon returns enters the main queue directly.
//!
//! A use is counted in the entry's state and does not change a queue. The queues hold hashes, as the wheel
//! does. A removed entry leaves its place behind, and a place without an entry is ignored.

use std::collections::VecDeque;

use crate::entry::Entry;
use crate::hashing::spread;
use crate::state::Word;
use crate::sweep::SLACK;
use crate::table::{Table, Trash};

/// The share of the small queue: a tenth of the entries, unless the main queue is empty.
const SMALL_SHARE: usize = 10;

/// The maximum number of used entries that an eviction spares. After that it removes the next one even if it
/// was used, so that a put never walks a whole queue.
const MAX_SPARED: usize = 64;

/// The queues of a shard.
#[derive(Default)]
pub(crate) struct Queues {
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    /// The number of entries in the main queue, and in both.
    in_main: usize,
    entries: usize,
    /// The hashes of entries that were recently evicted from the small queue. A hash determines its position,
    /// and a later hash overwrites an earlier one.
    ghosts: Vec<u32>,
    /// The number of places of each queue that the search for stale ones still has to examine, and its
    /// colour.
    left: (usize, usize),
    colour: u8,
}

impl Queues {
    /// Assigns a place to a new entry.
    pub(crate) fn admit(&mut self, word: Word, hash: u32) -> Word {
        self.entries += 1;
        self.grow_ghosts();
        let ghost = self.ghost(hash);
        if self.ghosts[ghost] == hash {
            // Zero marks an empty position: a hash of zero is not remembered.
            self.ghosts[ghost] = 0;
            self.in_main += 1;
            self.main.push_back(hash);
            return word.with(Word::MAIN);
        }
        self.small.push_back(hash);
        word.without(Word::MAIN)
    }

    /// Accounts for an entry that was removed from the table; its place stays behind.
    pub(crate) fn forget(&mut self, word: Word) {
        self.entries -= 1;
        self.in_main -= usize::from(word.has(Word::MAIN));
    }

    fn ghost(&self, hash: u32) -> usize {
        // The lowest bits also select the bucket in the table; any bits will do.
        hash as usize & (self.ghosts.len() - 1)
    }

    /// Grows the list of recently evicted entries to the number of entries; older evictions are of little
    /// use.
    fn grow_ghosts(&mut self) {
        if self.ghosts.len() < self.entries.max(16) {
            let old = std::mem::take(&mut self.ghosts);
            self.ghosts = vec![0; self.entries.max(16).next_power_of_two()];
            for hash in old {
                let at = self.ghost(hash);
                self.ghosts[at] = hash;
            }
        }
    }

    /// Takes the next place to examine, and returns whether it is in the main queue.
    fn front(&mut self) -> Option<(u32, bool)> {
        let in_small = self.entries - self.in_main;
        let small_is_full = in_small * SMALL_SHARE >= self.entries || self.in_main == 0;
        let main = !self.main.is_empty() && (!small_is_full || self.small.is_empty());
        let (queue, left) = self.queue(main);
        // A place that is taken from the front is one less for `Table::compact` to examine.
        *left = left.saturating_sub(1);
        queue.pop_front().map(|hash| (hash, main))
    }

    fn queue(&mut self, main: bool) -> (&mut VecDeque<u32>, &mut usize) {
        if main { (&mut self.main, &mut self.left.1) } else { (&mut self.small, &mut self.left.0) }
    }

    fn is_crowded(&self) -> bool {
        self.small.len() + self.main.len() > 2 * self.entries + SLACK
    }
}

impl Table {
    /// Evicts entries until the shard is within its limits.
    pub(super) fn enforce_limits(&mut self, trash: &mut Trash) {
        while (self.entries.len() > self.limits.entries || self.bytes() > self.limits.bytes)
            && self.evict(trash)
        {}
    }

    /// Evicts one entry. Returns `false` if there is none.
    fn evict(&mut self, trash: &mut Trash) -> bool {
        let Some(queues) = &mut self.queues else { return false };
        let mut spared = 0;
        while let Some((hash, main)) = queues.front() {
            let hashing = &self.hashing;
            let found = self
                .entries
                .find_entry(spread(hash), |entry| stands(entry, main, hash, |key| hashing.hash(key).short()));
            let Ok(place) = found else { continue };
            let word = place.get().state().load();
            if word.uses() == 0 || word.deadline() == 0 || spared == MAX_SPARED {
                if !main {
                    let ghost = queues.ghost(hash);
                    queues.ghosts[ghost] = hash;
                }
                let (entry, _) = place.remove();
                self.forget(entry, trash);
                return true;
            }
            let word = if main {
                word.with_uses(word.uses() - 1)
            } else {
                queues.in_main += 1;
                word.with(Word::MAIN).with_uses(0)
            };
            spared += 1;
            queues.main.push_back(hash);
            place.get().state().store(word.with_turn(0));
        }
        false
    }

    pub(super) fn has_stale_places(&self) -> bool {
        self.queues.as_ref().is_some_and(Queues::is_crowded)
    }

    /// Examines up to `budget` places and drops stale ones, if there are many. Returns whether there is more
    /// to do.
    ///
    /// An entry that was removed and created again can have two places; see `Wheel::purge` for the colours.
    pub(super) fn compact(&mut self, mut budget: usize) -> bool {
        let Some(queues) = self.queues.as_mut().filter(|queues| queues.is_crowded()) else { return false };
        if queues.left == (0, 0) {
            queues.left = (queues.small.len(), queues.main.len());
            queues.colour = queues.colour % 3 + 1;
        }
        while budget > 0 && queues.left != (0, 0) {
            budget -= 1;
            let main = queues.left.0 == 0;
            let (queue, left) = queues.queue(main);
            *left -= 1;
            let Some(hash) = queue.pop_front() else { continue };
            let hashing = &self.hashing;
            let found = self
                .entries
                .find(spread(hash), |entry| stands(entry, main, hash, |key| hashing.hash(key).short()));
            let Some(entry) = found else { continue };
            let word = entry.state().load();
            if word.turn() != queues.colour {
                entry.state().store(word.with_turn(queues.colour));
                queues.queue(main).0.push_back(hash);
            }
        }
        if queues.left == (0, 0) {
            queues.small.shrink_to(2 * queues.small.len());
            queues.main.shrink_to(2 * queues.main.len());
        }
        queues.is_crowded()
    }
}

/// Returns whether the place belongs to this entry.
fn stands(entry: &Entry, main: bool, hash: u32, short: impl Fn(&[u8]) -> u32) -> bool {
    entry.state().load().has(Word::MAIN) == main && short(entry.key()) == hash
}
