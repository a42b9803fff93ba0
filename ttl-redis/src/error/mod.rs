//! Translates failures of requests and connections into errors of ttl-core.

mod connection;
mod fault;
mod server;

pub(crate) use self::connection::{
    abandoned, connection_broken, handshake_timeout, invalid_settings, no_answer_in_time,
    no_connection_in_time, no_runtime, no_tracking_connection, not_connected, not_sent, suspect_connection,
    unreachable,
};
pub(crate) use self::fault::{Decoded, Fault, RequestKind};
pub(crate) use self::server::{
    foreign_content, is_no_script, is_wrong_type, no_tracking, server, server_text,
};
