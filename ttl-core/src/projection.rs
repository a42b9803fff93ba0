//! What part of an entry an operation asks for: `Projection`, `Fields`, `Returning`.

use std::fmt;
use std::sync::Arc;

use crate::record::check_field_name;
use crate::{Error, ErrorKind, Result};

/// Names of fields to read: checked, without duplicates, cheap to clone.
///
/// ```
/// use ttl_core::Fields;
///
/// let fields = Fields::new(["page", "cart"])?;
/// assert_eq!(fields.iter().collect::<Vec<_>>(), ["page", "cart"]);
/// assert!(Fields::new(["ttl:version"]).is_err());
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Fields(Arc<[Box<str>]>);

impl Fields {
    /// The most fields that one call can name.
    pub const MAX: usize = 1000;

    /// Checks and takes names; a name that stands twice is taken once.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidField`] for a name that no field can have; [`ErrorKind::TooLarge`] for more than
    /// [`Fields::MAX`] names.
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
                    format!("a call names at most {} fields; fetch the whole record", Self::MAX),
                ));
            }
            seen.insert(name.clone());
            checked.push(name);
        }
        Ok(Self(checked.into()))
    }

    /// The names, in the order given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
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

/// Which part of the value to read. Get, read of a part, contains and peek are one method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Projection {
    /// The whole value.
    #[default]
    All,
    /// These fields of a record; fields that it does not have are left out. A blob is [`ErrorKind::WrongKind`].
    Fields(Fields),
    /// Nothing: only whether the entry is there, and the metadata asked for.
    Nothing,
}

bitflags::bitflags! {
    /// Which metadata to report. Each may cost (a second command, a longer answer), so it is asked for.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Returning: u8 {
        /// The deadline.
        const DEADLINE = 1;
        /// The version.
        const VERSION = 1 << 1;
        /// When the value was put, or its record created (V7). Needs
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
        // Without end: it stops at the first name too many.
        let many = (0_u64..).map(|n| format!("f{n}"));
        assert_eq!(Fields::new(many).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
