//! Reclaims expired entries, in bounded steps under the shard's lock.

use ttl_core::Deadline;
use ttl_core::driver::Now;

use super::hashing::spread;
use super::state::Word;
use super::table::{Table, Trash};

/// The maximum number of entries that are examined per acquisition of a shard's lock.
pub(crate) const STEP: usize = 1024;

/// The number of registrations beyond twice the entries at which the search for stale ones starts.
pub(crate) const SLACK: usize = 1024;

impl Table {
    /// Examines up to `budget` due registrations and removes the entries that have expired. Returns whether
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

    /// Returns whether a sweep has something to do.
    pub(crate) fn needs_sweep(&self, now: Now) -> bool {
        self.wheel.is_due(now.as_epoch_millis()) || self.has_stale() || self.has_stale_places()
    }

    fn has_stale(&self) -> bool {
        self.wheel.registrations() > 2 * self.entries.len() + SLACK
    }

    /// Drops stale registrations if there are many. Returns whether there is more to do.
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

    /// Frees memory of the table itself if most of it is empty.
    fn shrink(&mut self) {
        const SMALL: usize = 64;
        if self.entries.capacity() > SMALL && self.entries.len() < self.entries.capacity() / 8 {
            let hashing = &self.hashing;
            let room = self.entries.len() * 2;
            self.entries.shrink_to(room, |entry| spread(hashing.hash(entry.key()).short()));
        }
    }
}

#[cfg(test)]
mod tests {
    use ttl_core::options::PutOptions;
    use ttl_core::{Key, Ttl, Value};

    use super::*;
    use crate::config::MemoryConfig;
    use crate::engine::hashing::Hashing;
    use crate::engine::limits::Limits;
    use crate::engine::table::At;

    const SECOND: u64 = 1_000_000_000;

    fn table() -> Table {
        table_of(&MemoryConfig::new())
    }

    fn table_of(config: &MemoryConfig) -> Table {
        let (_, limits) = Limits::share(config);
        Table::new(0, Hashing::default(), 1, (0, 1), limits)
    }

    fn put(table: &mut Table, n: u64, ttl: Ttl, now: Now) {
        let key = Key::new(n.to_string()).unwrap();
        let at = At { key: key.as_bytes(), hash: table.hashing.hash(key.as_bytes()) };
        let options = PutOptions::new(ttl);
        let value = Value::from(vec![0; 8]);
        assert!(table.put(at, value, &options, now, &mut Trash::default()).unwrap().is_applied());
    }

    #[test]
    fn what_expires_at_once_is_removed_in_steps() {
        const ENTRIES: usize = 100_000;
        let mut table = table();
        for n in 0..ENTRIES as u64 {
            put(&mut table, n, Ttl::seconds(10), Now::from_epoch_nanos(0));
        }
        let now = Now::from_epoch_nanos(12 * SECOND);
        let (mut removed, mut steps, mut more) = (0, 0, true);
        while more {
            let mut trash = Trash::default();
            more = table.sweep(STEP, now, &mut trash);
            assert!(trash.entries.len() <= STEP);
            removed += trash.entries.len();
            steps += 1;
        }
        assert_eq!((removed, table.entries.len(), table.bytes()), (ENTRIES, 0, 0));
        assert!(steps >= ENTRIES.div_ceil(STEP));
        assert!(table.entries.capacity() < 100, "the table's own memory is freed too");
    }

    fn delete(table: &mut Table, n: u64, now: Now) {
        let key = Key::new(n.to_string()).unwrap();
        let at = At { key: key.as_bytes(), hash: table.hashing.hash(key.as_bytes()) };
        let gone = table.delete(at, &ttl_core::options::DeleteOptions::new(), now, &mut Trash::default());
        assert!(gone.unwrap().is_applied());
    }

    /// Returns the numbers of places in the eviction queues.
    fn places(table: &Table) -> (usize, usize) {
        table.queues.as_ref().map_or((0, 0), |queues| (queues.small.len(), queues.main.len()))
    }

    #[test]
    fn a_key_that_comes_and_goes_leaves_few_places_and_loses_none() {
        const LIMIT: usize = 40;
        // The limit of one shard, far above the entries, so that nothing is evicted at first.
        let mut table =
            table_of(&MemoryConfig::new().with_max_bytes(std::num::NonZeroUsize::new(1 << 16).unwrap()));
        let now = Now::from_epoch_nanos(0);
        for n in 0..LIMIT as u64 {
            put(&mut table, n, Ttl::hours(2), now);
        }
        for n in 0..50_000 {
            delete(&mut table, n % LIMIT as u64, now);
            put(&mut table, n % LIMIT as u64, Ttl::hours(2), now);
            if table.needs_sweep(now) {
                table.sweep(16, now, &mut Trash::default());
            }
            let (small, main) = places(&table);
            assert!(small + main <= 2 * LIMIT + SLACK + 16, "{small} + {main} places after {n} rounds");
        }
        // A search that is finished leaves one place for each entry, so every entry can be evicted.
        while table.compact(STEP) {}
        table.queues.as_mut().unwrap().left = (0, 0);
        for _ in 0..LIMIT {
            table.limits.entries = table.entries.len() - 1;
            table.enforce_limits(&mut Trash::default());
        }
        assert_eq!((table.entries.len(), table.bytes()), (0, 0));
    }

    #[test]
    fn a_key_that_comes_and_goes_leaves_few_registrations() {
        let mut table = table();
        let now = Now::from_epoch_nanos(0);
        for n in 0..100 {
            put(&mut table, n, Ttl::hours(2), now);
        }
        for n in 0..50_000 {
            put(&mut table, n % 100, Ttl::hours(1 + n % 3), now);
            let key = Key::new((n % 100).to_string()).unwrap();
            let at = At { key: key.as_bytes(), hash: table.hashing.hash(key.as_bytes()) };
            let gone = table.delete(at, &ttl_core::options::DeleteOptions::new(), now, &mut Trash::default());
            assert!(gone.unwrap().is_applied());
            put(&mut table, n % 100, Ttl::hours(1 + n % 3), now);
            if table.needs_sweep(now) {
                table.sweep(16, now, &mut Trash::default());
            }
            assert!(table.wheel.registrations() <= 2 * 100 + SLACK + 16);
        }
        let mut trash = Trash::default();
        while table.sweep(STEP, Now::from_epoch_nanos(4 * 3_600 * SECOND), &mut trash) {}
        assert_eq!((trash.entries.len(), table.entries.len()), (100, 0));
    }
}
