//! The operations of both modes, as functions over the foundation.

mod entry;
pub(crate) mod lww;
mod scan;
mod scan_position;
pub(crate) mod strict;
mod token_ranges;

pub(crate) use self::scan::scan;
