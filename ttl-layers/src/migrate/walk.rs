//! The move of all entries, and the check that none is left.

use std::num::NonZeroUsize;
use std::sync::Arc;

use ttl_core::driver::each;
use ttl_core::options::ScanOptions;
use ttl_core::{Error, ErrorKind, Key, Page, Result, TtlStore};

use super::bring::{Brought, Pair, is_immovable};
use super::config::Migrate;

/// The number of entries that are moved at the same time.
const CONCURRENCY: usize = 32;

/// The number of keys on a page of the scan.
const PAGE: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// The counts of a [`Migrate::copy`], so far or at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migrated {
    /// The number of entries that were moved.
    pub moved: u64,
    /// The number of entries that the scan listed, but that were gone when they were to be moved: they expired,
    /// were deleted, or were moved by a call of a program.
    pub gone: u64,
    /// The number of entries that cannot be moved. They stay in the old store; see [`Migrated::first_failure`].
    pub failed: u64,
    /// The key and the reason of the first entry that cannot be moved.
    pub first_failure: Option<(Key, ErrorKind)>,
}

/// The entries that are left in the old store, as [`Migrate::verify`] finds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remaining {
    /// The number of entries in the old store.
    pub entries: u64,
    /// The number of entries in the old store that cannot be read.
    pub unreadable: u64,
}

impl Remaining {
    /// Returns whether nothing is left, so that the old store may be switched off.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.entries == 0 && self.unreadable == 0
    }
}

impl Migrate {
    /// Moves all entries of the old store to the new one, beside the programs that use both through this layer.
    /// `new` is the store that the layer wraps. Returns the counts; `progress` is called with the counts so far
    /// after each page of 1000 keys.
    ///
    /// It can be dropped or can fail at any time, and be called again. An entry that cannot be moved is counted,
    /// and the rest is moved.
    ///
    /// Cost: a scan of the keys of the old store, and five requests for each entry, 32 entries at a time.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidConfig`] if the new store lacks `conditions`
    /// * [`ErrorKind::Unsupported`] if the old store has no scan
    /// * the errors of both stores, except those of an entry that cannot be moved
    pub async fn copy(
        &self,
        new: &Arc<dyn TtlStore>,
        mut progress: impl FnMut(&Migrated) + Send,
    ) -> Result<Migrated> {
        let pair = self.pair(new)?;
        let mut counts = Migrated::default();
        let mut scan = ScanOptions::new("").with_limit(PAGE);
        loop {
            let page = self.old().scan(scan.clone()).await?;
            let next = page.next.clone();
            for (key, brought) in move_page(&pair, page).await {
                count(&mut counts, key, brought)?;
            }
            progress(&counts);
            let Some(next) = next else { return Ok(counts) };
            scan = scan.with_cursor(next);
        }
    }

    /// Counts the entries that are left in the old store. After [`Migrate::copy`], and if all programs use this
    /// layer, the count never grows again.
    ///
    /// Cost: a scan of the keys of the old store.
    ///
    /// # Errors
    /// * [`ErrorKind::Unsupported`] if the old store has no scan
    /// * the errors of the old store
    pub async fn verify(&self) -> Result<Remaining> {
        let mut remaining = Remaining::default();
        let mut scan = ScanOptions::new("").with_limit(PAGE);
        loop {
            let page = self.old().scan(scan.clone()).await?;
            for item in page.items {
                match item.entry {
                    Ok(_) => remaining.entries += 1,
                    Err(_) => remaining.unreadable += 1,
                }
            }
            let Some(next) = page.next else { return Ok(remaining) };
            scan = scan.with_cursor(next);
        }
    }
}

async fn move_page(pair: &Pair, page: Page) -> Vec<(Key, Result<Brought>)> {
    let items = page.items.into_iter().map(|item| (item.key.clone(), item)).collect();
    let bring = async |item: ttl_core::PageItem| match item.entry {
        Ok(_) => {
            let brought = pair.bring(&item.key).await;
            (item.key, brought)
        }
        Err(error) => (item.key, Err(error)),
    };
    each(CONCURRENCY, items, bring).await
}

fn count(counts: &mut Migrated, key: Key, brought: Result<Brought>) -> Result<()> {
    match brought {
        Ok(Brought::Moved) => counts.moved += 1,
        Ok(Brought::Nothing) => counts.gone += 1,
        Err(error) if is_immovable(&error) => {
            counts.failed += 1;
            counts.first_failure.get_or_insert((key, error.kind()));
        }
        Ok(Brought::Copied(error)) | Err(error) => return Err(with_key(error, &key)),
    }
    Ok(())
}

fn with_key(error: Error, key: &Key) -> Error {
    error.with_operation("copy").with_key(key)
}
