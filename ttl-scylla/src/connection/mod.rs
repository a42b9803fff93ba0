//! The connections: the session, its runtime, and how a statement is sent on it.

mod client;
mod retry_wait;
mod runtime;
mod session;
#[cfg(feature = "tls")]
mod tls;

pub(crate) use self::client::{Client, PageFailure, Transaction};
pub(crate) use self::retry_wait::RetryWait;
pub(crate) use self::runtime::Runtime;
pub(crate) use self::session::{check_datacenter, open_session};
