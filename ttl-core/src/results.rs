//! Results of writes.

pub use crate::outcome::{ExpireResult, PatchResult, PutResult};
