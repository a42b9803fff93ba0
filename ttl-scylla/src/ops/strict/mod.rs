//! Strict mode.

mod expire;
pub(crate) mod get;
mod mark;
mod put;
pub(crate) mod transaction;
pub(crate) mod write;
