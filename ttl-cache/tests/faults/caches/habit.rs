//! The habits of obvious caches. Each is that of a cache that is in use.

/// How an obvious cache differs from the plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Loads within the first call, puts without a condition, keeps an early refresh behind a lock entry.
    Plain,
    /// Returns the value first, and puts it in a task.
    WriteBehind,
    /// Loads in a task that has no time limit.
    DetachedLoad,
    /// Loads behind a lock entry without a deadline. A call without the lock fails.
    LockWithoutDeadline,
    /// Waits for the lock of a refresh before it returns a stale value.
    LockBeforeStale,
    /// Replaces a refresh that takes longer than the interval by a new one.
    RestartedRefresh,
    /// Stores the stale value again after a failed refresh.
    RenewedFallback,
    /// Deletes a stale value when it finds one without a loader.
    GetDeletesStale,
    /// Copies what remains of the lifetime into the near copy. Zero milliseconds mean no limit.
    NearRemainder,
    /// Removes near copies by messages between the processes.
    NearByMessages,
    /// Reads the marker of a tag once.
    TagMarkersReadOnce,
    /// Expects as many tags in an entry as the call has.
    TagsByPosition,
    /// Makes the version of a tag anew if it has none.
    TagsByVersion,
    /// Replaces what it cannot read.
    ReplacesUnreadable,
}
