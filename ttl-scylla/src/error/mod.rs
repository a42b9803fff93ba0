//! Errors: what failed, and what is known of a write.

mod connection;
mod driver;
mod request;
mod server;

pub(crate) use self::connection::{not_connected, not_connected_in_time, not_prepared};
pub(crate) use self::driver::{
    corrupt_row, no_datacenter, not_in_lww, overtaken, timed_out, unexpected_response, unreadable_response,
};
pub(crate) use self::request::{WriteKind, is_range_too_large, is_unprepared, not_created, read, write};
