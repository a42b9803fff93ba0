//! Values of single columns.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ttl_core::{Deadline, Kind, Version};
use uuid::Uuid;

/// The column value for "never": with it, `deadline > :now` is the complete test of liveness.
pub(crate) const NEVER: i64 = i64::MAX;

/// Converts a deadline to a column value.
pub(crate) fn to_column(deadline: Deadline) -> i64 {
    if deadline.is_never() {
        NEVER
    } else {
        i64::try_from(deadline.as_epoch_millis()).unwrap_or(NEVER).min(NEVER - 1)
    }
}

/// Converts a column value to a deadline. A value before 1970 is in the past.
pub(crate) fn from_column(millis: i64) -> Deadline {
    if millis == NEVER {
        Deadline::NEVER
    } else {
        Deadline::from_epoch_millis(u64::try_from(millis).unwrap_or(0))
    }
}

/// Converts an instant to a value that can be compared with columns.
pub(crate) fn now_column(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(NEVER - 1).min(NEVER - 1)
}

/// Returns the `kind` column of an entry: its type, and whether it has a cap.
pub(super) const fn kind_code(kind: Kind, cap: Deadline) -> i8 {
    match (kind, cap.is_never()) {
        (Kind::Blob, true) => 1,
        (Kind::Record, true) => 2,
        (Kind::Blob, false) => 3,
        (Kind::Record, false) => 4,
    }
}

/// Returns the type of an entry with this `kind`, and whether it has a cap.
pub(super) const fn kind_of(code: i8) -> Option<(Kind, bool)> {
    match code {
        1 => Some((Kind::Blob, false)),
        2 => Some((Kind::Record, false)),
        3 => Some((Kind::Blob, true)),
        4 => Some((Kind::Record, true)),
        _ => None,
    }
}

/// Converts an expected version. Versions of this driver have the 16 bytes of a UUID; a version of another
/// store matches no row.
pub(crate) fn to_uuid(version: &Version) -> Option<Uuid> {
    Uuid::from_slice(version.as_bytes()).ok()
}

/// Converts a version that this driver has created.
pub(crate) fn driver_uuid(version: &Version) -> Uuid {
    to_uuid(version).expect("every version of this driver is a UUID")
}

pub(super) const fn from_uuid(version: Uuid) -> Version {
    Version::from_u128(version.as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_deadlines_agree() {
        for millis in [0, 1, NEVER - 1, NEVER] {
            assert_eq!(to_column(from_column(millis)), millis);
        }
        assert_eq!(to_column(Deadline::from_epoch_millis(u64::MAX - 1)), NEVER - 1);
        assert_eq!(from_column(-1), Deadline::from_epoch_millis(0));
    }
}
