//! The connections.

pub(crate) mod client;
pub(crate) mod runtime;
pub(crate) mod session;
#[cfg(feature = "tls")]
mod tls;
