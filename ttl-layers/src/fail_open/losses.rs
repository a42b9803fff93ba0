//! The lost calls: their counts, and the limit of their warnings. Both are shared by the stores of the same
//! settings.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// The counts of a [`FailOpen`](crate::FailOpen) since its creation. The items of a batch count individually.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailOpenCounts {
    /// The number of gets that were reported as misses.
    pub gets: u64,
    /// The number of scans that were reported as an empty last page.
    pub scans: u64,
    /// The number of puts that were reported as applied.
    pub puts: u64,
    /// The number of expires that were reported as absent.
    pub expires: u64,
    /// The number of deletes that were reported as absent.
    pub deletes: u64,
}

impl FailOpenCounts {
    /// Returns the number of lost reads: gets and scans.
    #[must_use]
    pub const fn reads(&self) -> u64 {
        self.gets + self.scans
    }

    /// Returns the number of lost writes: puts, expires and deletes.
    #[must_use]
    pub const fn writes(&self) -> u64 {
        self.puts + self.expires + self.deletes
    }
}

/// An operation that can be lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lost {
    Get,
    Scan,
    Put,
    Expire,
    Delete,
}

impl Lost {
    pub(super) const fn operation(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Scan => "scan",
            Self::Put => "put",
            Self::Expire => "expire",
            Self::Delete => "delete",
        }
    }

    const fn count(self, counts: &mut FailOpenCounts) -> &mut u64 {
        match self {
            Self::Get => &mut counts.gets,
            Self::Scan => &mut counts.scans,
            Self::Put => &mut counts.puts,
            Self::Expire => &mut counts.expires,
            Self::Delete => &mut counts.deletes,
        }
    }
}

/// The losses so far.
#[derive(Debug, Default)]
pub(super) struct Losses(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counts: FailOpenCounts,
    warned: Option<Warned>,
}

/// The last warning: its time, and the counts that it covered.
#[derive(Debug)]
struct Warned {
    at: SystemTime,
    counts: FailOpenCounts,
}

/// The losses that a warning reports: those since the warning before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Warning {
    pub(super) reads: u64,
    pub(super) writes: u64,
}

impl Losses {
    /// Counts lost items. Returns the warning to log, unless the last one is more recent than `interval`.
    pub(super) fn add(&self, lost: Lost, items: u64, now: SystemTime, interval: Duration) -> Option<Warning> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *lost.count(&mut state.counts) += items;
        let counts = state.counts;
        let covered = match &state.warned {
            Some(warned) if now.duration_since(warned.at).is_ok_and(|since| since < interval) => return None,
            Some(warned) => warned.counts,
            None => FailOpenCounts::default(),
        };
        state.warned = Some(Warned { at: now, counts });
        drop(state);
        Some(Warning { reads: counts.reads() - covered.reads(), writes: counts.writes() - covered.writes() })
    }

    pub(super) fn counts(&self) -> FailOpenCounts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).counts
    }
}
