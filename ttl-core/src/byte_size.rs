//! Sizes as they stand in configurations: `1048576`, `64KiB`, `1MiB`.

use crate::{Error, ErrorKind, Result};

/// The units, and what is written without one.
const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)];

/// Reads the size that a setting has: a whole number of bytes, alone or with `KiB`, `MiB` or `GiB`.
///
/// It is for drivers, so that a size is written and refused alike in the URL of every store.
///
/// ```
/// use ttl_core::parse_byte_size;
///
/// assert_eq!(parse_byte_size("max_value_bytes", "1MiB")?, 1_048_576);
/// let error = parse_byte_size("max_value_bytes", "1MB").unwrap_err();
/// assert!(error.to_string().contains("\"1MB\" is no max_value_bytes"));
/// # Ok::<(), ttl_core::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] for any other text and for a size above `u64::MAX`; it names the setting, the text, and what
/// would be right.
pub fn parse_byte_size(setting: &str, text: &str) -> Result<u64> {
    let size = UNITS.iter().find_map(|(unit, bytes)| {
        let number = text.strip_suffix(unit)?;
        // A sign is a number's to `parse`, and none of a size.
        if !number.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        number.parse::<u64>().ok()?.checked_mul(*bytes)
    });
    size.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!(
                "{text:?} is no {setting}; write a whole number of bytes, alone or with KiB, MiB or GiB, such as 1048576 or \
                 1MiB"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_or_none() {
        for (text, bytes) in [
            ("0", 0),
            ("10", 10),
            ("007", 7),
            ("2KiB", 2048),
            ("1MiB", 1 << 20),
            ("3GiB", 3 << 30),
            ("18446744073709551615", u64::MAX),
            ("17179869183GiB", u64::MAX - (1 << 30) + 1),
        ] {
            assert_eq!(parse_byte_size("size", text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn anything_else_says_what_would_be_right() {
        for text in [
            "",
            "KiB",
            "-1",
            "+1",
            "1.5MiB",
            "1MB",
            "1mib",
            "1 MiB",
            " 1",
            "1KiBKiB",
            "0x10",
            "many",
            "18446744073709551616",
            "17179869184GiB",
        ] {
            let error = parse_byte_size("max_bytes", text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            let said = error.to_string();
            assert!(said.contains(&format!("{text:?} is no max_bytes; write")), "{said}");
            assert!(said.contains("1MiB"), "{said}");
        }
    }
}
