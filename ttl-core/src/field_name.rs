//! The names of fields.

use crate::{Error, ErrorKind, Result};

/// The prefix of field names that are reserved for drivers.
pub const RESERVED_PREFIX: &str = "ttl:";

/// The maximum length of a field name, in bytes of UTF-8.
pub const MAX_FIELD_NAME_BYTES: usize = 255;

/// Checks the name of a field.
///
/// # Errors
/// [`ErrorKind::InvalidField`] if the name is empty, longer than [`MAX_FIELD_NAME_BYTES`], or begins with
/// [`RESERVED_PREFIX`].
pub fn check_field_name(name: &str) -> Result<()> {
    let problem = if name.is_empty() {
        "must not be empty".to_owned()
    } else if name.len() > MAX_FIELD_NAME_BYTES {
        format!("has {} bytes: expected at most {MAX_FIELD_NAME_BYTES}", name.len())
    } else if name.starts_with(RESERVED_PREFIX) {
        format!("{name:?} is reserved: expected a name that does not begin with {RESERVED_PREFIX:?}")
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidField, format!("the field name {problem}")))
}
