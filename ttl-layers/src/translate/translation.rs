//! The trait of a translation.

use std::borrow::Cow;
use std::fmt::Debug;

use ttl_core::options::{Fields, Projection};
use ttl_core::{Capabilities, Key, Patch, Record, Result, Value};

/// The translation between the values of the callers and those of the inner store. It keeps the kind of a
/// value, so that the inner store can check it. Every key is that of the inner store.
pub(crate) trait Translation: Debug + Send + Sync + 'static {
    /// Returns the capabilities of the layer.
    fn capabilities(&self, inner: Capabilities) -> Capabilities;

    /// Returns the key in the inner store. Defaults to the caller's key.
    fn key<'a>(&self, key: &'a Key) -> Cow<'a, Key> {
        Cow::Borrowed(key)
    }

    /// Returns the value to store, after checking the size of `value` (V4).
    fn encode(&self, key: &Key, value: Value, limits: &Capabilities) -> Result<Value>;

    /// Returns the caller's value, of a whole value or of the fields of [`Translation::fields`].
    fn decode(&self, key: &Key, stored: Value) -> Result<Value>;

    /// Returns the part of a stored record from which the caller's fields can be decoded.
    fn fields(&self, wanted: &Fields) -> Result<Projection>;

    /// Checks a patch regardless of the stored entry.
    fn check_patch(&self, patch: &Patch) -> Result<()> {
        let _ = patch;
        Ok(())
    }

    /// Returns the write that turns a stored record into one that holds `next`, which is the result of
    /// `patch`. Checks the size of `next` (V4).
    fn rewrite(
        &self,
        key: &Key,
        stored: &Record,
        next: &Record,
        patch: &Patch,
        limits: &Capabilities,
    ) -> Result<Rewrite>;
}

/// A write of a changed record.
#[derive(Debug)]
pub(crate) enum Rewrite {
    /// This patch of the stored record. Deadline, cap and creation time stay (V7).
    Patch(Patch),
    /// The whole value, because a patch has too few operations for it. The creation time is that of the put.
    Put(Value),
}
