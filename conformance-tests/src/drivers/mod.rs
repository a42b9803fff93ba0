//! The project's own drivers, as the suite meets them: one feature each.

#[cfg(feature = "redis")]
pub mod redis;
