//! The settings of `LimitSize`.

use ttl_core::Result;

use crate::layer::invalid;

/// A layer that limits the size of values.
///
/// It lowers [`Capabilities::max_value_bytes`](ttl_core::Capabilities::max_value_bytes). A limit above that
/// of the inner store has no effect. Sizes are those of [`Value::size_bytes`](ttl_core::Value::size_bytes).
///
/// | call | result |
/// |---|---|
/// | a put of a larger value | [`ErrorKind::TooLarge`](ttl_core::ErrorKind::TooLarge); nothing is sent |
/// | an item of a batch that is larger | the same; the other items are sent in one batch |
/// | a patch whose own content is larger, such as a `set` of a long text | the same |
/// | a patch that would create a larger record | the same, even if a record exists |
/// | a patch that makes a stored record grow beyond the limit | as [`GrowingPatches`] says |
///
/// Cost: no request. A put of a record is serialized once to measure it, and a patch is serialized once. With
/// [`GrowingPatches::Forwarded`], the inner store applies its own limit to the record that a patch makes.
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::options::PutOptions;
/// use ttl_core::{ErrorKind, Key, Ttl, TtlStore};
/// use ttl_layers::{LayerExt, LimitSize};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let store = Arc::new(MemoryStore::default()).layer(LimitSize::new(1 << 20))?;
/// let large = vec![0; (1 << 20) + 1];
/// let put = store.put(&Key::new("upload")?, large.into(), PutOptions::new(Ttl::hours(1))).await;
/// assert_eq!(put.unwrap_err().kind(), ErrorKind::TooLarge);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSize {
    pub(super) max_value_bytes: u64,
    pub(super) growing_patches: GrowingPatches,
}

/// The treatment of patches, whose result this layer cannot measure without a further request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrowingPatches {
    /// A patch is sent if its own content is within the limit. Many small patches can make a record larger
    /// than the limit, up to the limit of the inner store. Clause V4 then holds for puts and for the content
    /// of a patch.
    #[default]
    Forwarded,
    /// The layer denies the capability `patch`. No record is ever larger than the limit.
    Denied,
}

impl LimitSize {
    /// Creates the layer with the size of the largest value, in bytes; at least 1.
    #[must_use]
    pub const fn new(max_value_bytes: u64) -> Self {
        Self { max_value_bytes, growing_patches: GrowingPatches::Forwarded }
    }

    /// Sets the treatment of patches; defaults to [`GrowingPatches::Forwarded`].
    #[must_use]
    pub const fn with_growing_patches(mut self, patches: GrowingPatches) -> Self {
        self.growing_patches = patches;
        self
    }

    pub(super) fn check(self) -> Result<()> {
        if self.max_value_bytes == 0 {
            return Err(invalid("LimitSize", "max_value_bytes", "at least 1, found 0"));
        }
        Ok(())
    }
}
