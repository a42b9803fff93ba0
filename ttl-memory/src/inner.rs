//! The foundation of a store: the shards, the clock and the limits.

use std::sync::Arc;

use parking_lot::RwLock;
use ttl_core::driver::Now;
use ttl_core::{Capabilities, Key};

use crate::engine::hashing::Hashing;
use crate::engine::limits::Limits;
use crate::engine::sweep::STEP;
use crate::engine::table::{At, Table, Trash};
use crate::engine::time::Time;
use crate::sweeper::Sweeper;

/// A store in the memory of this process. A clone is another handle to the same store. Dropping the last
/// handle frees the entries.
///
/// Every operation takes the lock of one of up to 64 shards. Reads and refreshes take the read lock only. No
/// call waits for I/O or a timer, so no call suspends. A scan or a long batch keeps its thread busy.
///
/// * Versions are unique: two writes in a process never create the same version, and neither do two stores.
/// * A blob of at most 128 bytes is copied into its entry. A value that was read keeps its entry in memory, also after
///   the entry was replaced; [`bytes`](MemoryStore::bytes) does not count it then. A larger blob is copied unless its
///   buffer is exactly as large as the blob and not shared. Records are shared.
/// * A scan lists each key at most once. The order is random but stable. Each page walks at least one whole
///   shard, a 64th of the entries, so pages should be large.
/// * Without limits, entries are never evicted. With [`MemoryConfig::with_max_entries`](crate::MemoryConfig::with_max_entries) or
///   [`MemoryConfig::with_max_bytes`](crate::MemoryConfig::with_max_bytes), an entry can be evicted before its deadline.
///
/// ```
/// use ttl_core::options::{GetOptions, PutOptions};
/// use ttl_core::{Key, TtlStore, Ttl};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let store = MemoryStore::default();
/// let key = Key::new("greeting")?;
/// let outcome = store.put(&key, "hello".into(), PutOptions::new(Ttl::minutes(5))).await?;
/// assert!(outcome.is_applied());
/// let entry = store.get(&key, GetOptions::new()).await?.expect("five minutes have not passed");
/// assert_eq!(entry.value, Some("hello".into()));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MemoryStore(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) shards: Box<[Shard]>,
    pub(crate) hashing: Hashing,
    pub(crate) time: Time,
    pub(crate) limits: Limits,
    pub(crate) capabilities: Capabilities,
    pub(crate) identity: String,
    pub(crate) sweeper: Sweeper,
}

/// A table and its lock, aligned to separate cache lines, so that the lock of one shard does not slow its
/// neighbours.
#[repr(align(128))]
pub(crate) struct Shard {
    pub(crate) table: RwLock<Table>,
}

impl Inner {
    #[inline]
    pub(crate) fn now(&self) -> Now {
        self.time.now()
    }

    /// Returns an identity that separates the cursors of this store from those of other stores.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    pub(crate) fn sweep(&self) -> usize {
        let mut removed = 0;
        for shard in &self.shards {
            let mut more = true;
            while more {
                let mut trash = Trash::default();
                let mut table = shard.table.write();
                more = table.sweep(STEP, self.time.now(), &mut trash);
                drop(table);
                removed += trash.entries.len();
            }
        }
        removed
    }

    /// Returns the shard of a key, and the key with its hash.
    #[inline]
    pub(crate) fn at<'a>(&self, key: &'a Key) -> (&Shard, At<'a>) {
        let hash = self.hashing.hash(key.as_bytes());
        (&self.shards[hash.shard(self.shards.len())], At { key: key.as_bytes(), hash })
    }
}
