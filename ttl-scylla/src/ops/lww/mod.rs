//! Lww mode.

pub(crate) mod write;
