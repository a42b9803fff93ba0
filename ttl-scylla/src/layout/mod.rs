//! The stored form of an entry: its row, the cells that are written, and their native TTL.

mod cells;
mod columns;
mod decode;
mod lifetime;
mod row;

pub(crate) use self::cells::Cells;
pub(crate) use self::columns::{NEVER, driver_uuid, from_column, now_column, to_column, to_uuid};
pub(crate) use self::decode::{one_row, page_rows, transaction_row};
pub(crate) use self::lifetime::CellLifetime;
pub(crate) use self::row::Row;
