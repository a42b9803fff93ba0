//! Eviction: which live entry goes when a shard is full (S3-FIFO).
//!
//! A fresh entry stands in a small queue; when it reaches the front, it goes if it was not used since, else it moves
//! on to the main queue, which gives an entry another round for every use, up to three. So a scan through many keys
//! passes through the small queue and leaves the main one alone. Who was thrown out of the small queue and comes back
//! soon goes to the main queue at once.
//!
//! A use is a count in the entry's state and no change of a queue. The queues hold hashes, as the wheel does, and an
//! entry that is removed leaves its place behind: a place without an entry means nothing.

use std::collections::VecDeque;

use crate::entry::Entry;
use crate::hashing::spread;
use crate::state::Word;
use crate::sweep::SLACK;
use crate::table::{Table, Trash};

/// A tenth of the entries may stand in the small queue while the main queue has any.
const SMALL_SHARE: usize = 10;

/// How many used entries an eviction passes by; where all are in use, the next one goes all the same, so that a put
/// never walks a whole queue.
const MAX_SPARED: usize = 64;

/// The queues of a shard.
#[derive(Default)]
pub(crate) struct Queues {
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    /// How many entries there are in the main queue, and in all.
    in_main: usize,
    entries: usize,
    /// The hashes of those evicted from the small queue lately, each in the place that it names; a later one takes it.
    ghosts: Vec<u32>,
    /// How many places of each queue the search for stale ones still has to look at, and its colour.
    left: (usize, usize),
    colour: u8,
}

impl Queues {
    /// Gives a fresh entry a place.
    pub(crate) fn admit(&mut self, word: Word, hash: u32) -> Word {
        self.entries += 1;
        self.grow_ghosts();
        let ghost = self.ghost(hash);
        if self.ghosts[ghost] == hash {
            // Nobody: a hash of zero is not remembered.
            self.ghosts[ghost] = 0;
            self.in_main += 1;
            self.main.push_back(hash);
            return word.with(Word::MAIN);
        }
        self.small.push_back(hash);
        word.without(Word::MAIN)
    }

    /// An entry has left the table; its place stays behind.
    pub(crate) fn forget(&mut self, word: Word) {
        self.entries -= 1;
        self.in_main -= usize::from(word.has(Word::MAIN));
    }

    fn ghost(&self, hash: u32) -> usize {
        // The lowest bits name the shard's bucket too; any bits will do.
        hash as usize & (self.ghosts.len() - 1)
    }

    /// As many ghosts as entries: what was evicted longer ago says little.
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

    /// The next place to look at, and whether it is one of the main queue.
    fn front(&mut self) -> Option<(u32, bool)> {
        let in_small = self.entries - self.in_main;
        let small_is_full = in_small * SMALL_SHARE >= self.entries || self.in_main == 0;
        let main = !self.main.is_empty() && (!small_is_full || self.small.is_empty());
        let (queue, left) = self.queue(main);
        // A place that is taken from the front is one less for `Table::compact` to look at.
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
    /// Evicts while the shard holds more than it may.
    pub(super) fn enforce_limits(&mut self, trash: &mut Trash) {
        while (self.entries.len() > self.limits.entries || self.bytes() > self.limits.bytes)
            && self.evict(trash)
        {}
    }

    /// Evicts one entry; `false` if there is none.
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

    /// Looks at up to `budget` places and drops those that mean nothing, when there are many; answers whether there
    /// is more to do. An entry that was removed and came back can have two; see `Wheel::purge` for the colours.
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

/// Whether this is the entry of a place.
fn stands(entry: &Entry, main: bool, hash: u32, short: impl Fn(&[u8]) -> u32) -> bool {
    entry.state().load().has(Word::MAIN) == main && short(entry.key()) == hash
}
