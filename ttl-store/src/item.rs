//! `Item`: a value together with the metadata of its entry.

use std::time::SystemTime;

use ttl_core::{Deadline, Error, Version};

/// A value, and the requested metadata of its entry.
///
/// ```
/// use ttl_store::options::Returning;
/// use ttl_store::Ttl;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ttl_store::Result<()> {
/// let store = ttl_store::connect("memory:").await?;
/// let visits = store.counters("visits", Ttl::minutes(15)).build()?;
/// visits.increment("home").await?;
/// let item = visits.get_item("home", Returning::DEADLINE).await?.expect("the entry is live");
/// assert_eq!(item.value, 1);
/// assert!(item.deadline.is_some());
/// assert!(item.version.is_none()); // not requested
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Item<T> {
    /// The value.
    pub value: T,
    /// The deadline, after the refresh if there was one. Present if requested.
    pub deadline: Option<Deadline>,
    /// The version, which a compare-and-swap compares. Present if requested.
    pub version: Option<Version>,
    /// The time at which the value was put, or at which a patch created its record, in whole milliseconds by
    /// the store's clock. Present if requested. A put over a live entry sets it again,
    /// [`Collection::compare_and_swap`](crate::Collection::compare_and_swap) included. Patches and changes of
    /// the deadline keep it (V7).
    pub created_at: Option<SystemTime>,
    /// The error of a refresh that the policy required and that failed although the read succeeded (R9).
    pub refresh_error: Option<Error>,
}
