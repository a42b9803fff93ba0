//! The names of metrics, labels and label values, and the descriptions of the metrics.

use metrics::{Unit, describe_counter, describe_histogram};
use ttl_core::ErrorKind;

pub(super) const DURATION: &str = "db.client.operation.duration";
pub(super) const OPERATIONS: &str = "ttl_store.operations";
pub(super) const REFRESHES: &str = "ttl_store.refreshes";
pub(super) const REFRESH_ERRORS: &str = "ttl_store.refresh_errors";
pub(super) const READ_BYTES: &str = "ttl_store.read_bytes";
pub(super) const WRITTEN_BYTES: &str = "ttl_store.written_bytes";
pub(super) const SCANNED_ENTRIES: &str = "ttl_store.scanned_entries";

pub(super) const SYSTEM: &str = "db.system.name";
pub(super) const OPERATION: &str = "db.operation.name";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const NAME: &str = "ttl_store.name";
pub(super) const OUTCOME: &str = "ttl_store.outcome";

/// The outcome of a dropped call, and its `error.type`.
pub(super) const CANCELLED: &str = "cancelled";

/// Describes every metric to the present recorder.
pub(super) fn describe() {
    describe_histogram!(DURATION, Unit::Seconds, "Duration of calls; a batch is one call");
    describe_counter!(OPERATIONS, Unit::Count, "Operations by outcome, one for each key of a batch");
    describe_counter!(
        REFRESHES,
        Unit::Count,
        "Refreshes of live entries that did not fail, and changes of the deadline"
    );
    describe_counter!(REFRESH_ERRORS, Unit::Count, "Refreshes that failed although the read succeeded");
    describe_counter!(READ_BYTES, Unit::Bytes, "Size of the values that were returned");
    describe_counter!(WRITTEN_BYTES, Unit::Bytes, "Size of the values that were put");
    describe_counter!(SCANNED_ENTRIES, Unit::Count, "Entries on the pages of scans");
}

/// Returns the `db.system.name` of a backend: the name of the conventions if there is one.
pub(super) fn system(backend: &'static str) -> &'static str {
    match backend {
        "dynamodb" => "aws.dynamodb",
        other => other,
    }
}

/// Returns the operation of a batch of this many keys. A batch of one key counts as a single operation.
pub(super) fn batch(operation: BatchOperation, keys: usize) -> &'static str {
    match (operation, keys) {
        (BatchOperation::Get, 1) => "get",
        (BatchOperation::Put, 1) => "put",
        (BatchOperation::Delete, 1) => "delete",
        (BatchOperation::Get, _) => "BATCH get",
        (BatchOperation::Put, _) => "BATCH put",
        (BatchOperation::Delete, _) => "BATCH delete",
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum BatchOperation {
    Get,
    Put,
    Delete,
}

/// Returns the `error.type` of a kind of error.
pub(super) fn error_type(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidKey => "invalid_key",
        ErrorKind::InvalidField => "invalid_field",
        ErrorKind::InvalidExpiry => "invalid_expiry",
        ErrorKind::InvalidPolicy => "invalid_policy",
        ErrorKind::InvalidConfig => "invalid_config",
        ErrorKind::InvalidCursor => "invalid_cursor",
        ErrorKind::TooLarge => "too_large",
        ErrorKind::WrongKind => "wrong_kind",
        ErrorKind::WrongFieldType => "wrong_field_type",
        ErrorKind::Overflow => "overflow",
        ErrorKind::Contention => "contention",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Timeout => "timeout",
        ErrorKind::OutcomeUnknown => "outcome_unknown",
        ErrorKind::PermissionDenied => "permission_denied",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::Codec => "codec",
        ErrorKind::Backend => "backend",
        // The conventions' value for a type that has no name yet.
        _ => "_OTHER",
    }
}
