//! The stored form of an entry.

pub(crate) mod lifetime;
pub(crate) mod row;
