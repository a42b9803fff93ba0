//! The knowledge of this process about the entries in the secondary store, and the counts. Both are shared by the
//! stores of the same settings.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// The counts of a [`Fallback`](crate::Fallback) since its creation. The items of a batch count individually.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FallbackCounts {
    /// The number of reads that the secondary store answered with an entry.
    pub reads: u64,
    /// The number of puts that the secondary store applied.
    pub writes: u64,
    /// The number of calls that could not remove or shorten an entry of the secondary store. After each of
    /// them, the secondary store is not used until its entries have expired.
    pub failed_removals: u64,
}

/// The entries that the secondary store may hold. Times are those of the clock of the settings.
#[derive(Debug, Default)]
pub(super) struct Entries(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The time from which the entries that this process wrote have expired.
    gone_at: Option<SystemTime>,
    /// The time from which the entries that could not be removed have expired.
    usable_at: Option<SystemTime>,
    counts: FallbackCounts,
}

/// Moves an instant later, never sooner.
fn raise(instant: &mut Option<SystemTime>, now: SystemTime, by: Duration) {
    *instant = (*instant).max(now.checked_add(by));
}

impl Entries {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an entry is being written, or was written, and expires within this time.
    pub(super) fn expect(&self, now: SystemTime, within: Duration) {
        raise(&mut self.state().gone_at, now, within);
    }

    /// Returns whether an entry that this process wrote may be left.
    pub(super) fn may_be_left(&self, now: SystemTime) -> bool {
        self.state().gone_at.is_some_and(|gone| now < gone)
    }

    /// Notes that entries could not be removed, and expire within this time.
    pub(super) fn distrust(&self, now: SystemTime, within: Duration) {
        let mut state = self.state();
        raise(&mut state.usable_at, now, within);
        state.counts.failed_removals += 1;
    }

    /// Returns whether every entry in the secondary store may be read.
    pub(super) fn are_trusted(&self, now: SystemTime) -> bool {
        self.state().usable_at.is_none_or(|usable| now >= usable)
    }

    pub(super) fn count_reads(&self, reads: u64) {
        self.state().counts.reads += reads;
    }

    pub(super) fn count_writes(&self, writes: u64) {
        self.state().counts.writes += writes;
    }

    pub(super) fn counts(&self) -> FallbackCounts {
        self.state().counts
    }
}
