//! Requests: expressions, attempts and replies.

mod expression;
mod read;
mod retry;
mod write;

pub(crate) use self::expression::{LIST, MAP, TEXT, Write, join};
pub(crate) use self::retry::Retries;
pub(crate) use self::write::{NO_TOKEN, Reply, TokenReply};
