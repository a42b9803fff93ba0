//! The stored form of entries.

mod decimal;
mod field;
mod item;
pub(crate) mod names;
pub(crate) mod size;
mod table;

pub(crate) use self::decimal::sum;
pub(crate) use self::field::{number_attribute, record, to_attribute};
pub(crate) use self::item::{
    Item, created_at, deadline_attribute, encode, header, is_written_with, live_header, new_token,
    now_attribute, replaced_header, token_version, value, version_attribute,
};
pub(crate) use self::table::Layout;
