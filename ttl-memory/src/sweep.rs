//! Giving back what has expired, in bounded steps under the shard's lock.

use ttl_core::{Deadline, Now};

use crate::hashing::spread;
use crate::state::Word;
use crate::table::{Table, Trash};

/// The most entries that are looked at in one hold of a shard's lock.
pub(crate) const STEP: usize = 1024;

/// Stale registrations are looked for when there are this many more than entries.
pub(crate) const SLACK: usize = 1024;

impl Table {
    /// Looks at up to `budget` registrations that are due and removes the entries that have expired; answers whether
    /// there is more to do.
    pub(crate) fn sweep(&mut self, budget: usize, now: Now, trash: &mut Trash) -> bool {
        let millis = now.as_epoch_millis();
        for _ in 0..budget {
            let Some((slot, short)) = self.wheel.next_due(millis) else {
                self.shrink();
                return self.purge(budget) || self.compact(budget);
            };
            let hashing = &self.hashing;
            let found = self.entries.find_entry(spread(short), |entry| {
                entry.state().load().slot() == slot && hashing.hash(entry.key()).short() == short
            });
            let Ok(place) = found else { continue };
            let word = place.get().state().load();
            if Deadline::from_epoch_millis(word.deadline()).is_expired(now) {
                let (entry, _) = place.remove();
                self.forget(entry, trash);
                continue;
            }
            let slot = self.wheel.slot(word.deadline());
            if slot != Word::NO_SLOT {
                self.wheel.register(slot, short);
            }
            place.get().state().store(word.with_slot(slot));
        }
        true
    }

    /// Whether a sweep has something to do.
    pub(crate) fn needs_sweep(&self, now: Now) -> bool {
        self.wheel.is_due(now.as_epoch_millis()) || self.has_stale() || self.has_stale_places()
    }

    fn has_stale(&self) -> bool {
        self.wheel.registrations() > 2 * self.entries.len() + SLACK
    }

    /// Drops registrations that mean nothing, when there are many; answers whether there is more to do.
    fn purge(&mut self, budget: usize) -> bool {
        if !self.has_stale() {
            return false;
        }
        let (entries, hashing) = (&self.entries, &self.hashing);
        let complete = self.wheel.purge(budget, |slot, short, colour| {
            let found = entries.find(spread(short), |entry| {
                entry.state().load().slot() == slot && hashing.hash(entry.key()).short() == short
            });
            let Some(entry) = found else { return true };
            let word = entry.state().load();
            entry.state().store(word.with_colour(colour));
            word.colour() == colour
        });
        !complete || self.has_stale()
    }

    /// Gives back the table's own memory when most of it is empty.
    fn shrink(&mut self) {
        const SMALL: usize = 64;
        if self.entries.capacity() > SMALL && self.entries.len() < self.entries.capacity() / 8 {
            let hashing = &self.hashing;
            let room = self.entries.len() * 2;
            self.entries.shrink_to(room, |entry| spread(hashing.hash(entry.key()).short()));
        }
    }
}
