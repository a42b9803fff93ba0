//! The rule for names that are a part of stored keys, such as those of collections and caches.

use crate::{Error, ErrorKind, Result};

/// The maximum length of a name, in bytes. It leaves most of a key to the program.
const MAX_NAME_BYTES: usize = 128;

/// Checks a name that is a part of stored keys: 1 to 128 bytes, without the colon that ends it there. `what` is
/// the named object, such as "collection".
///
/// # Errors
/// [`ErrorKind::InvalidConfig`]. The text names the object and the problem.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    let problem = if name.is_empty() {
        "is empty: expected at least 1 byte".to_owned()
    } else if name.len() > MAX_NAME_BYTES {
        format!("has {} bytes: expected at most {MAX_NAME_BYTES}", name.len())
    } else if name.contains(':') {
        format!("{name:?} contains ':': use '.' or '/' instead")
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidConfig, format!("the {what}'s name {problem}")))
}
