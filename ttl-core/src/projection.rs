//! The part of an entry that an operation requests: `Projection`, `Fields`, `Returning`.

use std::fmt;
use std::sync::Arc;

use crate::field_name::check_field_name;
use crate::{Error, ErrorKind, Result};

/// Names of fields to read: validated, without duplicates, cheap to clone.
///
/// ```
/// use ttl_core::options::Fields;
///
/// let fields = Fields::new(["page", "cart"])?;
/// assert_eq!(fields.iter().collect::<Vec<_>>(), ["page", "cart"]);
/// assert!(Fields::new(["ttl:version"]).is_err());
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Fields(Arc<[Box<str>]>);

impl Fields {
    /// The maximum number of fields that one call can name.
    pub const MAX: usize = 1000;

    /// Creates a list of names after checking them. Duplicates are dropped.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidField`] for a name that is not valid for a field
    /// * [`ErrorKind::TooLarge`] for more than [`Fields::MAX`] names
    pub fn new(names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Result<Self> {
        let mut checked: Vec<Box<str>> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for name in names {
            let name = name.into();
            check_field_name(&name)?;
            if seen.contains(&name) {
                continue;
            }
            if checked.len() == Self::MAX {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!(
                        "too many fields in one call: expected at most {}; fetch the whole record",
                        Self::MAX
                    ),
                ));
            }
            seen.insert(name.clone());
            checked.push(name);
        }
        Ok(Self(checked.into()))
    }

    /// Returns the names, in the given order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Returns the number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no names.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The part of the value to read. It makes one method of get, partial read, contains and peek.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Projection {
    /// The whole value.
    #[default]
    All,
    /// These fields of a record; missing fields are omitted. A blob is [`ErrorKind::WrongKind`].
    Fields(Fields),
    /// Nothing: only the existence of the entry, and the requested metadata.
    Nothing,
}

bitflags::bitflags! {
    /// The metadata to return. Each may have a cost (a second command, a longer response), so each must be
    /// requested.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Returning: u8 {
        /// The deadline.
        const DEADLINE = 1;
        /// The version.
        const VERSION = 1 << 1;
        /// The time at which the value was put, or its record created (V7). Requires
        /// [`Capabilities::created_at`](crate::Capabilities::created_at).
        const CREATED_AT = 1 << 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_counted_and_taken_once() {
        assert_eq!(Fields::new(["a", "b", "a"]).unwrap().len(), 2);
        assert!(Fields::new(Vec::<String>::new()).unwrap().is_empty());
        assert_eq!(Fields::new([""]).unwrap_err().kind(), ErrorKind::InvalidField);
        let most = (0..Fields::MAX).map(|n| format!("f{n}"));
        assert_eq!(Fields::new(most).unwrap().len(), Fields::MAX);
        // An infinite iterator: it stops at the first name beyond the limit.
        let many = (0_u64..).map(|n| format!("f{n}"));
        assert_eq!(Fields::new(many).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
