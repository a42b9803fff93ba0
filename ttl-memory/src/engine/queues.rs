//! The eviction queues of a shard (S3-FIFO).

use std::collections::VecDeque;

use super::state::Word;

/// The share of the small queue: a tenth of the entries, unless the main queue is empty.
const SMALL_SHARE: usize = 10;

/// The number of stale places beyond twice the entries at which the search for them starts.
const SLACK: usize = 1024;

/// The queues of a shard.
#[derive(Default)]
pub(crate) struct Queues {
    pub(super) small: VecDeque<u32>,
    pub(super) main: VecDeque<u32>,
    /// The number of entries in the main queue, and in both.
    pub(super) in_main: usize,
    entries: usize,
    /// The hashes of entries that were recently evicted from the small queue. A hash determines its position,
    /// and a later hash overwrites an earlier one.
    pub(super) ghosts: Vec<u32>,
    /// The number of places of each queue that the search for stale ones still has to examine, and its
    /// colour.
    pub(super) left: (usize, usize),
    pub(super) colour: u8,
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

    pub(super) fn ghost(&self, hash: u32) -> usize {
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
    pub(super) fn front(&mut self) -> Option<(u32, bool)> {
        let in_small = self.entries - self.in_main;
        let small_is_full = in_small * SMALL_SHARE >= self.entries || self.in_main == 0;
        let main = !self.main.is_empty() && (!small_is_full || self.small.is_empty());
        let (queue, left) = self.queue(main);
        // A place that is taken from the front is one less for `Table::compact` to examine.
        *left = left.saturating_sub(1);
        queue.pop_front().map(|hash| (hash, main))
    }

    pub(super) fn queue(&mut self, main: bool) -> (&mut VecDeque<u32>, &mut usize) {
        if main { (&mut self.main, &mut self.left.1) } else { (&mut self.small, &mut self.left.0) }
    }

    pub(super) fn is_crowded(&self) -> bool {
        self.small.len() + self.main.len() > 2 * self.entries + SLACK
    }
}
