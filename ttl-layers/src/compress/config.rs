//! The settings of `Compress`.

use ttl_core::Result;

use super::method::Method;
use crate::layer::invalid;

/// A layer that compresses values above a threshold, if they become smaller.
///
/// * A compressed blob is stored as a blob, and a compressed record as a record with the single field `~z`.
///   All other values are stored unchanged. `docs/layouts.md` describes the format.
/// * Entries describe themselves. Stores with other settings read each other's entries, and this layer reads
///   the entries of a store without it. A store without the layer reads the uncompressed entries only.
/// * A blob that begins like an envelope of this layer is stored in one, so that every blob comes back. A blob
///   that a store without the layer wrote and that begins with the bytes `F5 74 7A` is
///   [`ErrorKind::Corrupt`](ttl_core::ErrorKind::Corrupt).
/// * A record with the field `~z`, and a patch of it, fail with
///   [`ErrorKind::InvalidField`](ttl_core::ErrorKind::InvalidField).
/// * Reads expand at most [`max_expanded_bytes`](Self::with_max_expanded_bytes). An entry that would expand to
///   more is `Corrupt`, and the memory in use is bounded. Larger values are stored uncompressed.
///
/// | call | requests |
/// |---|---|
/// | a read whose refresh is due | two: the entry is decoded first, and a refresh must not follow a failure (R1) |
/// | a take | two: a read, and a delete of the version that was read; the take of many keys is a batch of reads and a delete for each |
/// | a patch | two, and two more for each conflict: the stored record may be compressed |
/// | all others | one |
///
/// Compression runs in the calling task. A patch of a compressed record expands and compresses it. A read of
/// some fields of a compressed record transfers the whole record.
///
/// The layer lowers [`Capabilities::max_value_bytes`](ttl_core::Capabilities::max_value_bytes) by 5. The limit
/// counts the uncompressed value. Patches need the capabilities `patch` and `conditions` of the inner store. A
/// scan that selects nothing does not decode the entries, so it lists those that cannot be decoded (S4).
///
/// Encrypted values do not compress, so `Encrypt` must be below this layer. `Encrypt` and `Compress` refuse to
/// wrap a store that compresses.
///
#[cfg_attr(feature = "compress-gzip", doc = "```")]
#[cfg_attr(not(feature = "compress-gzip"), doc = "```ignore")]
/// use std::sync::Arc;
/// use ttl_core::options::{GetOptions, PutOptions};
/// use ttl_core::{Key, Ttl, TtlStore};
/// use ttl_layers::{Compress, LayerExt};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let inner: Arc<dyn TtlStore> = Arc::new(MemoryStore::default());
/// let store = inner.clone().layer(Compress::gzip().over(256))?;
/// let key = Key::new("page")?;
/// let _ = store.put(&key, "a long page".repeat(100).into(), PutOptions::new(Ttl::hours(1))).await?;
///
/// let stored = inner.get(&key, GetOptions::new()).await?.and_then(|entry| entry.value);
/// assert!(stored.is_some_and(|stored| stored.size_bytes() < 100));
/// let page = store.get(&key, GetOptions::new()).await?.and_then(|entry| entry.value);
/// assert_eq!(page, Some("a long page".repeat(100).into()));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compress {
    pub(super) method: Method,
    pub(super) level: i32,
    pub(super) over: usize,
    pub(super) max_expanded_bytes: usize,
}

impl Compress {
    /// The default of [`Compress::over`].
    pub const DEFAULT_THRESHOLD: usize = 1024;

    /// The default of [`Compress::with_max_expanded_bytes`]: 64 MiB.
    pub const DEFAULT_MAX_EXPANDED_BYTES: usize = 64 << 20;

    const fn new(method: Method, level: i32) -> Self {
        Self {
            method,
            level,
            over: Self::DEFAULT_THRESHOLD,
            max_expanded_bytes: Self::DEFAULT_MAX_EXPANDED_BYTES,
        }
    }

    /// Creates the layer with gzip at level 6. Its code is pure Rust.
    #[cfg(feature = "compress-gzip")]
    #[must_use]
    pub const fn gzip() -> Self {
        Self::new(Method::Gzip, 6)
    }

    /// Creates the layer with zstd at level 3. It is faster than gzip and compresses better; its code is C.
    #[cfg(feature = "compress-zstd")]
    #[must_use]
    pub const fn zstd() -> Self {
        Self::new(Method::Zstd, 3)
    }

    /// Sets the threshold: only larger values are compressed. Counts the bytes of
    /// [`Value::size_bytes`](ttl_core::Value::size_bytes). Defaults to 1024; 0 tries every value.
    #[must_use]
    pub const fn over(mut self, bytes: usize) -> Self {
        self.over = bytes;
        self
    }

    /// Sets the level: 0 to 9 for gzip, 1 to 22 for zstd. A higher level takes longer and compresses better.
    #[must_use]
    pub const fn with_level(mut self, level: i32) -> Self {
        self.level = level;
        self
    }

    /// Sets the largest size to which a read expands a value, in bytes. Larger values are stored uncompressed.
    /// Defaults to 64 MiB.
    ///
    /// Stores that share entries should have the same limit: a compressed value that is larger than the limit
    /// of a reader is [`ErrorKind::Corrupt`](ttl_core::ErrorKind::Corrupt) there.
    #[must_use]
    pub const fn with_max_expanded_bytes(mut self, bytes: usize) -> Self {
        self.max_expanded_bytes = bytes;
        self
    }

    pub(super) fn check(self) -> Result<()> {
        let levels = self.method.levels();
        if !levels.contains(&self.level) {
            let expected = format!("{} to {}, found {}", levels.start(), levels.end(), self.level);
            return Err(invalid("Compress", "level", &expected));
        }
        if self.max_expanded_bytes == 0 {
            return Err(invalid("Compress", "max_expanded_bytes", "at least 1, found 0"));
        }
        Ok(())
    }
}
