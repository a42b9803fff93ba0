//! The connection to the server, and the execution of requests on it.

mod back_off;
mod client;
mod link;
mod live;
mod pipeline;
mod run;
mod setup;
mod slot;
mod tracking;

pub(crate) use self::back_off::back_off;
pub(crate) use self::link::Link;
pub(crate) use self::live::Connection;
pub(crate) use self::tracking::{PING_INTERVAL, Tracked, Tracker};
