//! The state of an entry, for comparison before and after an operation, and the text of a value in a failure.

use std::fmt;

use ttl_core::{Deadline, Value, Version};

/// The maximum number of characters of a value that a failure shows.
const SHOWN: usize = 120;

/// The state of a live entry. Equal states mean that the entry has not changed.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct State {
    /// The whole value.
    pub value: Value,
    /// The deadline.
    pub deadline: Deadline,
    /// The value's version.
    pub version: Version,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} until {:?} as {:?}", show(&self.value), self.deadline, self.version)
    }
}

/// Returns the value as text, truncated. The values of the suite are not secret.
pub(crate) fn show(value: &Value) -> String {
    let (kind, text) = match value {
        Value::Blob(bytes) => ("the blob", bytes.escape_ascii().to_string()),
        Value::Record(record) => ("the record", record.to_json_text()),
    };
    if text.chars().count() <= SHOWN {
        return format!("{kind} {text}");
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{kind} {start}... ({} bytes)", value.size_bytes())
}
