//! A row of the table, and the entry that it holds.

use std::time::SystemTime;

use ttl_core::driver::Stored;
use ttl_core::options::Returning;
use ttl_core::rules::Header;
use ttl_core::{Bytes, Deadline, Key, Kind, Record, Result, Value};
use uuid::Uuid;

use super::columns::{NEVER, from_column, from_uuid, kind_of, now_column};
use crate::error::corrupt_row;

/// A row as far as it was read. A missing or unrequested cell is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    pub(crate) kind: Option<i8>,
    pub(crate) deadline: Option<i64>,
    pub(crate) covers: Option<i64>,
    pub(crate) cap: Option<i64>,
    pub(crate) version: Option<Uuid>,
    pub(crate) value: Option<Bytes>,
    /// In epoch milliseconds.
    pub(crate) created: Option<i64>,
    /// The newest of the requested timestamps, in microseconds.
    pub(crate) written: Option<i64>,
    /// The token of the key, in a scan.
    pub(crate) token: Option<i64>,
    pub(crate) key: Option<String>,
}

impl Row {
    /// Returns whether no entry is stored. Cells that outlived the deadline's cell do not count.
    pub(crate) fn is_empty(&self) -> bool {
        self.deadline.is_none()
    }

    /// Returns the end of the row: its deadline or its cap, or the instant after which its other cells may be
    /// missing.
    fn ends(&self) -> i64 {
        let is_capped = self.kind.and_then(kind_of).is_some_and(|(_, capped)| capped);
        let cap = self.cap.filter(|_| is_capped).unwrap_or(NEVER);
        self.deadline.unwrap_or(0).min(self.covers.unwrap_or(0)).min(cap)
    }

    /// Returns whether the row is marked as expired: no request that was sent before can move its deadline.
    pub(crate) fn is_marked_expired(&self) -> bool {
        self.covers < self.deadline
    }

    pub(crate) fn is_live(&self, now: SystemTime) -> bool {
        self.ends() > now_column(now)
    }

    /// Returns the row as the rules see it. An expired row need not be readable: only its deadline counts.
    pub(crate) fn header(&self, now: SystemTime) -> Result<Option<Header>> {
        if self.is_empty() {
            return Ok(None);
        }
        let deadline = from_column(self.ends());
        if !self.is_live(now) {
            let version = from_uuid(self.version.unwrap_or_default());
            return Ok(Some(Header { kind: Kind::Blob, deadline, cap: Deadline::NEVER, version }));
        }
        let (Some(code), Some(cap), Some(version)) = (self.kind, self.cap, self.version) else {
            return Err(corrupt_row("it lacks cells"));
        };
        let (kind, capped) = kind_of(code).ok_or_else(|| corrupt_row("its kind is unknown"))?;
        if capped != (cap != NEVER) {
            return Err(corrupt_row("its kind and its cap contradict each other"));
        }
        Ok(Some(Header { kind, deadline, cap: from_column(cap), version: from_uuid(version) }))
    }

    /// Decodes the value of a row that was read completely.
    pub(crate) fn take_value(&mut self, kind: Kind) -> Result<Value> {
        let bytes = self.value.take().ok_or_else(|| corrupt_row("it lacks its value"))?;
        match kind {
            Kind::Blob => Ok(Value::Blob(bytes)),
            Kind::Record => match Record::from_json_text(&bytes) {
                Ok(record) => Ok(record.into()),
                Err(_) => Err(corrupt_row("its record is not a JSON object")),
            },
        }
    }

    /// Returns the entry of a row that was read completely. An expired entry has no value.
    pub(crate) fn stored(&mut self, now: SystemTime) -> Result<Option<Stored>> {
        let live = self.is_live(now);
        let Some(header) = self.header(now)? else { return Ok(None) };
        let value = if live { self.take_value(header.kind)? } else { Value::Blob(Bytes::new()) };
        Ok(Some(self.entry(value, &header)))
    }

    /// Returns the entry of this row, whose value was taken out.
    pub(crate) fn entry(&self, value: Value, header: &Header) -> Stored {
        Stored::new(value, header.deadline, header.cap, header.version)
            .with_created_at(self.readable_creation())
    }

    /// Returns the time of creation of a live entry, if the caller asked for it. Otherwise it is not checked.
    pub(crate) fn created_at(&self, returning: Returning) -> Result<Option<SystemTime>> {
        if !returning.contains(Returning::CREATED_AT) {
            return Ok(None);
        }
        self.readable_creation()
            .map(Some)
            .ok_or_else(|| corrupt_row("its time of creation is missing or wrong"))
    }

    fn readable_creation(&self) -> Option<SystemTime> {
        let millis = self.created.and_then(|millis| u64::try_from(millis).ok())?;
        Deadline::from_epoch_millis(millis).to_system_time()
    }

    /// Returns the key of a scanned row; `None` if it is not a valid key.
    pub(crate) fn take_key(&mut self) -> Option<Key> {
        self.key.take().and_then(|key| Key::new(key).ok())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use ttl_core::{ErrorKind, Version};

    use super::super::cells::Cells;
    use super::super::columns::to_uuid;
    use super::*;

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    fn row() -> Row {
        Row {
            kind: Some(1),
            deadline: Some(100),
            covers: Some(200),
            cap: Some(NEVER),
            version: Some(Uuid::from_u128(7)),
            value: Some(Bytes::from_static(b"x")),
            created: Some(5),
            ..Row::default()
        }
    }

    #[test]
    fn a_row_lives_until_deadline_or_cells_end() {
        assert!(row().is_live(at(99)) && !row().is_live(at(100)));
        let short = Row { covers: Some(50), ..row() };
        assert!(short.is_live(at(49)) && !short.is_live(at(50)));
        for half in [Row { covers: None, ..row() }, Row { deadline: None, ..row() }, Row::default()] {
            assert!(!half.is_live(at(0)), "{half:?}");
        }
        let capped = Row { kind: Some(3), cap: Some(50), ..row() };
        assert!(capped.is_live(at(49)) && !capped.is_live(at(50)));
        let persistent = Row { deadline: Some(NEVER), covers: Some(NEVER), ..row() };
        assert!(persistent.header(at(0)).unwrap().is_some_and(|header| header.deadline.is_never()));
    }

    #[test]
    fn what_is_not_ours_is_corrupt_while_it_lives_and_a_ghost_after() {
        for bad in [
            Row { kind: None, ..row() },
            Row { kind: Some(9), ..row() },
            Row { kind: Some(3), ..row() },
            Row { cap: Some(150), ..row() },
            Row { cap: Some(-1), ..row() },
            Row { cap: None, ..row() },
            Row { version: None, ..row() },
        ] {
            assert_eq!(bad.header(at(0)).unwrap_err().kind(), ErrorKind::Corrupt, "{bad:?}");
            assert!(bad.header(at(100)).unwrap().is_some_and(|header| !header.is_live(at(100))));
        }
        let mut lost = Row { value: None, ..row() };
        assert_eq!(lost.stored(at(0)).unwrap_err().kind(), ErrorKind::Corrupt);
        let mut record = Row { kind: Some(2), ..row() };
        assert_eq!(record.stored(at(0)).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_damaged_creation_is_corrupt_for_those_who_want_it() {
        assert_eq!(row().created_at(Returning::all()).unwrap(), Some(at(5)));
        for created in [None, Some(-1), Some(i64::MIN)] {
            let mut bad = Row { created, ..row() };
            assert_eq!(
                bad.created_at(Returning::CREATED_AT).unwrap_err().kind(),
                ErrorKind::Corrupt,
                "{created:?}"
            );
            assert_eq!(
                bad.created_at(Returning::DEADLINE | Returning::VERSION).unwrap(),
                None,
                "{created:?}"
            );
            let stored = bad.stored(at(0)).unwrap().unwrap();
            assert_eq!((stored.created_at, Cells::of(&stored).created), (None, None), "{created:?}");
        }
    }

    #[test]
    fn entries_survive() {
        let version = Version::from_u128(42);
        for value in [Value::from(""), "x".into(), Record::new().into(), Record::new().with("a", 1).into()] {
            for cap in [Deadline::NEVER, Deadline::from_epoch_millis(500)] {
                let deadline = Deadline::from_epoch_millis(100);
                let cells = Cells::fresh(at(7), &value, deadline, cap, &version);
                let mut row = Row {
                    kind: Some(cells.kind),
                    deadline: Some(cells.deadline),
                    covers: Some(cells.deadline),
                    cap: Some(cells.cap),
                    version: Some(cells.version),
                    value: Some(cells.value),
                    created: cells.created,
                    ..Row::default()
                };
                let stored = row.stored(at(0)).unwrap();
                let expected = Stored::new(value.clone(), deadline, cap, version).with_created_at(at(7));
                assert_eq!(stored.as_ref(), Some(&expected));
                assert_eq!(Cells::of(&expected).created, Some(7));
            }
        }
        // A version of another store matches no version of this one.
        let foreign = Version::from_bytes(b"short").unwrap();
        assert_eq!(to_uuid(&foreign), None);
    }
}
