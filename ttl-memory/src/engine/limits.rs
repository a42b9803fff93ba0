//! The limits of a store, and their division among its shards.

use ttl_core::{Error, ErrorKind, Result, Value};

use super::entry::Entry;
use super::state::Word;
use super::weight;
use crate::config::MemoryConfig;

const MAX_SHARDS: usize = 64;
/// The minimum share of a shard. Smaller shares would waste capacity: keys do not spread evenly, and a full
/// shard evicts while others have room.
const MIN_ENTRIES: usize = 1024;
const MIN_BYTES: usize = 16 << 20;

/// The limits of a shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    max_value_bytes: u64,
}

impl Limits {
    /// Returns the number of shards (a power of two), and the limits of each.
    pub(crate) fn share(config: &MemoryConfig) -> (usize, Self) {
        let (entries, bytes) = (config.max_entries(), config.max_bytes());
        let most = (entries / MIN_ENTRIES).min(bytes / MIN_BYTES).clamp(1, MAX_SHARDS);
        let shards = 1 << most.ilog2();
        let share = |whole: usize| if whole == usize::MAX { whole } else { whole / shards };
        let limits =
            Self { entries: share(entries), bytes: share(bytes), max_value_bytes: config.max_value_bytes() };
        (shards, limits)
    }

    /// Returns whether a shard has a limit on entries or bytes.
    #[inline]
    pub(crate) fn is_bounded(&self) -> bool {
        self.entries != usize::MAX || self.bytes != usize::MAX
    }

    /// Returns the share of an entry in the eviction queues.
    #[inline]
    fn queue_bytes(&self) -> usize {
        if self.is_bounded() { weight::QUEUE_BYTES } else { 0 }
    }

    /// Returns the size of a new entry, in bytes of heap.
    #[inline]
    pub(crate) fn new_entry_bytes(&self, key: usize, capped: bool, value: &Value) -> usize {
        weight::new_entry_bytes(key, capped, value) + self.queue_bytes()
    }

    /// Returns the size of a stored entry, in bytes of heap.
    #[inline]
    pub(crate) fn entry_bytes(&self, entry: &Entry) -> usize {
        let shared = if entry.state().load().has(Word::SHARED) { weight::SHARED_BLOB } else { 0 };
        weight::entry_bytes(entry) + self.queue_bytes() + shared
    }

    /// Returns the size of the largest blob that fits.
    pub(crate) fn max_value_bytes(&self) -> u64 {
        let beside = weight::largest_bytes_beside() + self.queue_bytes();
        let room = if self.bytes == usize::MAX { u64::MAX } else { self.bytes.saturating_sub(beside) as u64 };
        self.max_value_bytes.min(room)
    }

    /// Rejects a value that is too large, or an entry that alone would exceed the share of its shard.
    #[inline]
    pub(crate) fn check(&self, key: usize, value: &Value) -> Result<()> {
        if self.max_value_bytes != u64::MAX {
            let bytes = value.size_bytes();
            if bytes as u64 > self.max_value_bytes {
                return Err(too_large(format!(
                    "the value has {bytes} bytes: expected at most {} (`max_value_bytes`); split it or raise the limit",
                    self.max_value_bytes
                )));
            }
        }
        if self.bytes != usize::MAX {
            let bytes = self.new_entry_bytes(key, true, value) + weight::SHARED_BLOB;
            if bytes > self.bytes {
                return Err(too_large(format!(
                    "the entry takes {bytes} bytes of memory: expected at most {}, the share of a shard; split the \
                     entry or raise `max_bytes`",
                    self.bytes
                )));
            }
        }
        Ok(())
    }
}

fn too_large(message: String) -> Error {
    Error::new(ErrorKind::TooLarge, message)
}
