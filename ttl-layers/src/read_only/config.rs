//! The settings of `ReadOnly`.

/// A layer that refuses every write.
///
/// | call | result |
/// |---|---|
/// | `put`, `expire`, `patch`, `delete`, and the items of their batches | [`ErrorKind::PermissionDenied`](ttl_core::ErrorKind::PermissionDenied); nothing is sent |
/// | a get without a refresh, a scan | that of the inner store |
/// | a get with a refresh | the entry, which carries the error in [`Entry::refresh_error`](ttl_core::Entry::refresh_error) (R9); the refresh is not sent |
///
/// The layer refuses a write even if its input is invalid.
///
/// The capabilities are those of the inner store. They describe its entries, so that a collection can be
/// built on a store without write access.
///
/// Cost: none.
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::options::{DeleteOptions, GetOptions, PutOptions};
/// use ttl_core::{ErrorKind, Key, Ttl, TtlStore};
/// use ttl_layers::{LayerExt, ReadOnly};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let inner: Arc<dyn TtlStore> = Arc::new(MemoryStore::default());
/// let key = Key::new("greeting")?;
/// let _ = inner.put(&key, "hello".into(), PutOptions::new(Ttl::hours(1))).await?;
///
/// let store = inner.layer(ReadOnly::new())?;
/// assert!(store.get(&key, GetOptions::new()).await?.is_some());
/// let error = store.delete(&key, DeleteOptions::new()).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::PermissionDenied);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadOnly;

impl ReadOnly {
    /// Creates the layer. It has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}
