//! The memory engine: tables of entries, their expiry, and their eviction.

pub(crate) mod entry;
mod eviction;
pub(crate) mod hashing;
pub(crate) mod limits;
mod queues;
pub(crate) mod state;
pub(crate) mod stored;
pub(crate) mod sweep;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod weight;
pub(crate) mod wheel;
