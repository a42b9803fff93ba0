//! The settings of `Migrate`.

use std::sync::Arc;

use ttl_core::{Capabilities, CursorSecret, Result, TtlStore};

use super::bring::Pair;
use crate::layer::invalid;

/// A layer that moves entries from an old store to the new one that it wraps, while programs use them.
///
/// All sessions stay valid, and deleted entries do not come back. The first call that needs an entry moves it, with
/// its value, its deadline and its cap. [`Migrate::copy`] moves the rest, and [`Migrate::verify`] shows whether the
/// old store may be switched off.
///
/// | call | what happens |
/// |---|---|
/// | a read | the new store answers. On a miss the entry is moved, and the new store answers again |
/// | a read with a refresh that may shorten the lifetime ([`RefreshMode::Reset`](ttl_core::RefreshMode::Reset)), and any write | the entry is moved, and the new store does the rest |
/// | a scan | lists the old store, and then the new one. An entry that is moved meanwhile can be listed twice |
///
/// So an entry is in one store at a time. It is deleted from the old store as soon as it is in the new one. A
/// mirror in both stores would not be safe: no write is atomic over two stores, and the part that failed would
/// come back later.
///
/// # Conditions
///
/// * Every program that uses the old store must use it through this layer. Stop the programs without the layer
///   before the first one with it starts: they do not see entries that were moved.
/// * All programs move in the same direction. To go back, stop all of them, and start them with the two stores
///   exchanged. The old store then needs `conditions` too.
/// * Reads of both stores are consistent. With `reads=eventual` on DynamoDB, an entry that was deleted could be
///   read once more from the old store, and be moved.
/// * The new store needs [`Capabilities::conditions`]. The old one does not.
/// * The clocks of both stores agree as well as your deadlines require. Deadlines and caps are instants, and are
///   copied unchanged.
///
/// # Exceptions
///
/// * The version of an entry changes when it is moved, and its creation time would too:
///   [`Capabilities::created_at`] is denied.
/// * An entry that cannot be moved, because it is damaged or the new store cannot hold it, is still read from the
///   old store. A plain put and a plain delete replace and remove it, without regard to its cap. If the program
///   ends in the middle of that put, the old entry is visible again when the new one has ended. Other writes fail
///   with the reason.
/// * A put asks the new store for the previous value. So it can result in `OutcomeUnknown` where a put without that
///   request would not (C5).
/// * An outage of either store is an error for every call that needs it. A hit in the new store does not need the
///   old one.
/// * After a move that ended in the middle, because the program did, the key holds a claim in the new store for at
///   most one minute. Other programs recognize it and take it over. A program without this layer would see a blob
///   of 48 bytes.
///
/// # Cost
///
/// * A hit in the new store: nothing more, except that a read without the value reads it.
/// * A miss: one request to the old store and another one to the new.
/// * A write: one request to the old store. An expire without a version, a put that keeps or refreshes the
///   deadline, and a put if present read the entry first. A put and a delete return the old value to this layer.
/// * A move: five requests, once for each entry.
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::options::{GetOptions, PutOptions};
/// use ttl_core::{Key, Ttl, TtlStore};
/// use ttl_layers::{LayerExt, Migrate};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let old: Arc<dyn TtlStore> = Arc::new(MemoryStore::default());
/// let new: Arc<dyn TtlStore> = Arc::new(MemoryStore::default());
/// let user = Key::new("session:ada")?;
/// let _ = old.put(&user, "cart".into(), PutOptions::new(Ttl::hours(1))).await?;
///
/// let migrate = Migrate::new(old);
/// let store = Arc::clone(&new).layer(&migrate)?;
/// assert!(store.get(&user, GetOptions::new()).await?.is_some());
///
/// // In the background, beside the programs:
/// let migrated = migrate.copy(&new, |so_far| println!("{} entries moved", so_far.moved)).await?;
/// assert_eq!(migrated.failed, 0);
/// assert!(migrate.verify().await?.is_complete());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Migrate {
    old: Arc<dyn TtlStore>,
    cursor_secret: CursorSecret,
}

impl Migrate {
    /// Creates the layer that moves entries from this store.
    #[must_use]
    pub fn new(old: Arc<dyn TtlStore>) -> Self {
        Self { old, cursor_secret: CursorSecret::of_process() }
    }

    /// Sets the secret of the cursors of scans. Defaults to one that is random in each process.
    ///
    /// Give every process the same secret if a cursor may return to another process. Both stores then need one
    /// too.
    #[must_use]
    pub const fn with_cursor_secret(mut self, secret: CursorSecret) -> Self {
        self.cursor_secret = secret;
        self
    }

    pub(super) const fn old(&self) -> &Arc<dyn TtlStore> {
        &self.old
    }

    /// Returns both stores, after a check that the new one can do what the moves need.
    pub(super) fn pair(&self, new: &Arc<dyn TtlStore>) -> Result<Pair> {
        if new.capabilities().conditions {
            let cursor_secret = self.cursor_secret;
            return Ok(Pair { old: Arc::clone(&self.old), new: Arc::clone(new), cursor_secret });
        }
        let expected = format!("a store with `conditions`, found {}", new.capabilities().backend);
        Err(invalid("Migrate", "the new store", &expected))
    }
}

impl Pair {
    /// Returns the capabilities that both stores and the moves leave.
    pub(super) fn capabilities(&self) -> Capabilities {
        let (old, mut both) = (self.old.capabilities(), self.new.capabilities());
        both.created_at = false;
        both.changes = false;
        both.scan &= old.scan;
        both.resolution = both.resolution.max(old.resolution);
        both.reclaims_within = both.reclaims_within.zip(old.reclaims_within).map(|(one, two)| one.max(two));
        both.reads_cost_writes |= old.reads_cost_writes;
        both
    }
}
