//! Errors: the failures of requests, and what is known of failed writes.

mod build;
mod cause;
mod classify;
mod failure;
mod foreign;
mod no_answer;

pub(crate) use self::build::{applied_unread, credentials_in, foreign_item, invalid, new};
pub(crate) use self::cause::{Cause, mentions};
pub(crate) use self::classify::{classify, missing_table};
pub(crate) use self::failure::{FailedWrite, Failure};
pub(crate) use self::foreign::OriginCheck;
