//! `Item`: a value together with what the store says about its entry.

use std::time::SystemTime;

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
    /// The whole millisecond in which the value was put, or its record created by a patch; where it was wanted. A put over
    /// a live entry starts it anew, [`Collection::compare_and_swap`](crate::Collection::compare_and_swap) included; patches
    /// and changes of the deadline keep it (V7). By the store's clock.
    pub created_at: Option<SystemTime>,
    /// Why the refresh that the policy asks for failed, although the read did not (R9).
    pub refresh_error: Option<Error>,
}
