//! The cells of an entry that is written, as named binds.

use std::time::{SystemTime, UNIX_EPOCH};

use scylla::SerializeRow;
use ttl_core::driver::Stored;
use ttl_core::{Bytes, Deadline, Value, Version};
use uuid::Uuid;

use super::columns::{driver_uuid, kind_code, now_column, to_column};

/// Every cell of an entry except `covers`, as named binds.
#[derive(Clone, Debug, SerializeRow)]
pub(crate) struct Cells {
    pub(crate) kind: i8,
    pub(crate) value: Bytes,
    pub(crate) deadline: i64,
    pub(crate) cap: i64,
    pub(crate) version: Uuid,
    /// A missing or unreadable cell is written as missing again.
    pub(crate) created: Option<i64>,
}

impl Cells {
    /// Returns the cells of a stored row.
    pub(crate) fn of(stored: &Stored) -> Self {
        let Stored { value, deadline, cap, version, created_at, .. } = stored;
        Self {
            created: created_at.map(now_column),
            ..Self::fresh(UNIX_EPOCH, value, *deadline, *cap, version)
        }
    }

    /// Returns the cells of a new entry.
    pub(crate) fn fresh(
        now: SystemTime,
        value: &Value,
        deadline: Deadline,
        cap: Deadline,
        version: &Version,
    ) -> Self {
        let bytes = match value {
            Value::Blob(bytes) => bytes.clone(),
            Value::Record(record) => Bytes::from(record.to_json_text()),
        };
        Self {
            kind: kind_code(value.kind(), cap),
            value: bytes,
            deadline: to_column(deadline),
            cap: to_column(cap),
            version: driver_uuid(version),
            created: Some(now_column(now)),
        }
    }
}
