//! The settings of `Prefix`.

use std::fmt;

use ttl_core::{CursorSecret, Key, Result};

use crate::layer::invalid;

/// A layer that puts a prefix before every key, so that several users share one store and see only their own
/// entries.
///
/// * The key of an entry in the inner store is the prefix and the key. Callers see their own keys: in scans,
///   in the items of a page and in errors.
/// * A key is shorter by the prefix: at most [`Key::MAX_BYTES`] bytes with it. A longer one fails with
///   [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey), and the text names the limit. Clause K1
///   holds up to this limit.
/// * A scan lists only keys below the prefix. A cursor of one prefix does not work with another, nor without
///   the layer (S3).
/// * Two prefixes share no entries if neither begins with the other. End each with a separator that its name
///   does not contain, such as `tenant-7:`.
///
/// Cost: one allocation for each key, and the encryption of one cursor for each page of a scan. A scan sends
/// one more request only if the inner store has an entry whose key is the prefix alone, because this layer
/// cannot list it.
///
/// `Debug` prints only the length of the prefix, as for keys.
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::options::{GetOptions, PutOptions, ScanOptions};
/// use ttl_core::{Key, Ttl, TtlStore};
/// use ttl_layers::{LayerExt, Prefix};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let inner: Arc<dyn TtlStore> = Arc::new(MemoryStore::default());
/// let tenant = inner.clone().layer(Prefix::new("tenant-7:"))?;
/// let _ = tenant.put(&Key::new("user")?, "ada".into(), PutOptions::new(Ttl::hours(1))).await?;
///
/// assert!(inner.get(&Key::new("tenant-7:user")?, GetOptions::new()).await?.is_some());
/// let page = tenant.scan(ScanOptions::new("")).await?;
/// assert_eq!(page.items[0].key.as_str(), "user");
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Prefix {
    pub(super) prefix: String,
    pub(super) cursor_secret: CursorSecret,
}

impl Prefix {
    /// Creates the layer with this prefix: 1 to 1023 bytes, so that at least one byte remains for a key.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), cursor_secret: CursorSecret::of_process() }
    }

    /// Sets the secret that binds a cursor to the prefix. Defaults to one that is random in each process.
    ///
    /// Give every process the same secret if a cursor may return to another process. The inner store then
    /// needs one too.
    #[must_use]
    pub const fn with_cursor_secret(mut self, secret: CursorSecret) -> Self {
        self.cursor_secret = secret;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let most = Key::MAX_BYTES - 1;
        if (1..=most).contains(&self.prefix.len()) {
            return Ok(());
        }
        let expected = format!("1 to {most} bytes, found {}", self.prefix.len());
        Err(invalid("Prefix", "prefix", &expected))
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefix")
            .field("prefix_bytes", &self.prefix.len())
            .field("cursor_secret", &self.cursor_secret)
            .finish()
    }
}
