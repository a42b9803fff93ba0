//! What goes over the wire.

pub(crate) mod strict;
