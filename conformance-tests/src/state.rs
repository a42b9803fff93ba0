//! An entry as a case compares it before and after, and values as a failure shows them.

use std::fmt;

use ttl_core::{Deadline, Value, Version};

/// The longest piece of a value that a failure shows.
const SHOWN: usize = 120;

/// A live entry as it is seen: equal states mean that nothing happened to it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct State {
    /// The whole value.
    pub value: Value,
    /// When it ends.
    pub deadline: Deadline,
    /// The value's version.
    pub version: Version,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} until {:?} as {:?}", show(&self.value), self.deadline, self.version)
    }
}

/// The value itself, cut: what the suite stores is no secret.
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
