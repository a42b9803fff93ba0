//! `Item`: a value together with what the store says about its entry.

use ttl_core::{Deadline, Error, Version};

/// A value, and as much of its entry's metadata as was asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Item<T> {
    /// The value.
    pub value: T,
    /// The deadline, after the refresh if there was one; where it was wanted.
    pub deadline: Option<Deadline>,
    /// The version, where it was wanted: what a compare-and-swap compares.
    pub version: Option<Version>,
    /// Why the refresh that the policy asks for failed, although the read did not (R9).
    pub refresh_error: Option<Error>,
}
