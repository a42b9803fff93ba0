//! The frame of every write: the lock, the instant, a step of the sweep, and the clean-up after the unlock.

use std::sync::Arc;

use ttl_core::driver::Now;
use ttl_core::{Key, Result};

use crate::engine::table::{At, Table, Trash};
use crate::inner::Inner;

/// The maximum number of due registrations that a write examines.
const PUT_STEP: usize = 16;

impl Inner {
    /// Runs a write under the lock of the key's shard. Removed entries and values are dropped after the
    /// unlock.
    pub(crate) fn write<T>(
        self: &Arc<Self>,
        key: &Key,
        write: impl FnOnce(&mut Table, At<'_>, Now, &mut Trash) -> Result<T>,
    ) -> Result<T> {
        let (shard, at) = self.at(key);
        let mut trash = Trash::default();
        let mut table = shard.table.write();
        let now = self.now();
        let outcome = write(&mut table, at, now, &mut trash);
        if table.needs_sweep(now) {
            table.sweep(PUT_STEP, now, &mut trash);
        }
        let expires = table.wheel.registrations() != 0;
        drop(table);
        if expires {
            self.sweeper.start(self, Self::sweep);
        }
        outcome
    }
}
