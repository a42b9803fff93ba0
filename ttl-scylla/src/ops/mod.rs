//! The operations of both modes.

pub(crate) mod lww;
pub(crate) mod scan;
pub(crate) mod strict;
