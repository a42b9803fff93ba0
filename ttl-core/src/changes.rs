//! The changes that a store reports: `StoreChange`, and the stream of them.

use std::pin::Pin;

use futures_core::Stream;

use crate::{Capabilities, Error, ErrorKind, Key};

/// A change of a store, as its [`changes`](crate::TtlStore::changes) report it.
///
/// A program that keeps copies of entries removes the copy of a changed key, and all of its copies after a
/// [`Cleared`](StoreChange::Cleared) or a [`Gap`](StoreChange::Gap).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChange {
    /// The entry of this key has changed, or may have changed. `Debug` does not print the key.
    Changed(Key),
    /// All entries of the store were deleted at once.
    Cleared,
    /// Any entry may have changed without a report of its own (N2). While changes cannot be reported, a gap
    /// is reported again and again.
    Gap,
}

/// The changes of a store, in the order of their reports. Dropping the stream ends the subscription (N3).
pub type ChangeStream = Pin<Box<dyn Stream<Item = StoreChange> + Send>>;

/// Creates the [`ErrorKind::Unsupported`] error of a store with these capabilities that reports no changes.
#[must_use]
pub fn unsupported_changes(capabilities: &Capabilities) -> Error {
    let text =
        "this store does not report changes; check capabilities(), or let copies of its entries expire soon";
    Error::new(ErrorKind::Unsupported, text).with_operation("changes").with_backend(capabilities.backend)
}
