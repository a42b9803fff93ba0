//! Strict mode: rows are read serially and changed by lightweight transactions.

mod delete;
mod expire;
mod get;
mod mark;
mod patch;
mod put;
mod transaction;
mod write;

pub(crate) use self::delete::delete;
pub(crate) use self::expire::expire;
pub(crate) use self::get::get;
pub(crate) use self::patch::patch;
pub(crate) use self::put::put;
