//! The connection to the server, and the execution of requests on it.

mod back_off;
mod client;
mod link;
mod live;
mod pipeline;
mod run;
mod setup;
mod slot;

pub(crate) use self::link::Link;
pub(crate) use self::live::Connection;
