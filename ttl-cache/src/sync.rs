//! The atomics whose orders of steps a test explores. The test has those of loom in their place.

pub(crate) use std::sync::atomic::AtomicU64;
