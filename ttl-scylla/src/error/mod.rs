//! Errors: what failed, and what is known of a write.

mod request;

pub(crate) use self::request::*;
