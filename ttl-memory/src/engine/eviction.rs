//! Eviction: selects the live entry to remove when a shard is full (S3-FIFO).
//!
//! A new entry enters the small queue. At the front of that queue, it is evicted if it was not used in the
//! meantime; otherwise it moves to the main queue. The main queue gives an entry another round for every use,
//! up to three. So a pass over many keys goes through the small queue and leaves the main queue alone. A key
//! that was evicted from the small queue and soon returns enters the main queue directly.
//!
//! A use is counted in the entry's state and does not change a queue. The queues hold hashes, as the wheel
//! does. A removed entry leaves its place behind, and a place without an entry is ignored.

use super::entry::Entry;
use super::hashing::spread;
use super::queues::Queues;
use super::state::Word;
use super::table::{Table, Trash};

/// The maximum number of used entries that an eviction spares. After that it removes the next one even if it
/// was used, so that a put never walks a whole queue.
const MAX_SPARED: usize = 64;

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
