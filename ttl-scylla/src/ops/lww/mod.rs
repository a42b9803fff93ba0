//! Lww mode: plain writes. The write with the latest timestamp wins.

mod delete;
mod expire;
mod get;
mod patch;
mod put;
mod write;

pub(crate) use self::delete::delete;
pub(crate) use self::expire::expire;
pub(crate) use self::get::get;
pub(crate) use self::patch::patch;
pub(crate) use self::put::put;
