//! Layers for the stores of ttl-store.
//!
//! A layer wraps any [`TtlStore`](ttl_core::TtlStore) and is one. [`LayerExt::layer`] puts it around a store.

mod batch;
mod clamp_ttl;
mod layer;
mod limit_size;
mod prefix;
mod read_only;

pub use self::clamp_ttl::{ClampTtl, PersistentEntries};
pub use self::layer::{Layer, LayerExt};
pub use self::limit_size::{GrowingPatches, LimitSize};
pub use self::prefix::Prefix;
pub use self::read_only::ReadOnly;
