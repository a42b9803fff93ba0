//! The bytes of an entry: format, kind, deadline, cap and creation in milliseconds, the length of the version,
//! the version, and the value. Numbers are big-endian.

use ttl_core::driver::Stored;
use ttl_core::{Bytes, Deadline, Error, ErrorKind, Record, Result, Value, Version};

/// The first byte of every entry. A new layout gets the next number, and the old one stays readable.
const FORMAT: u8 = 1;
const BLOB: u8 = 1;
const RECORD: u8 = 2;

pub fn encode(stored: &Stored) -> Vec<u8> {
    let (kind, value) = match &stored.value {
        Value::Blob(bytes) => (BLOB, bytes.clone()),
        Value::Record(record) => (RECORD, record.to_json_text().into()),
    };
    // A creation time is in whole milliseconds, like a deadline.
    let created = stored.created_at.map_or(Deadline::NEVER, Deadline::at);
    let mut bytes = vec![FORMAT, kind];
    for instant in [stored.deadline, stored.cap, created] {
        bytes.extend(instant.as_epoch_millis().to_be_bytes());
    }
    let version = stored.version.as_bytes();
    bytes.push(version.len() as u8); // at most `Version::MAX_BYTES`
    bytes.extend(version);
    bytes.extend(value);
    bytes
}

pub fn decode(mut bytes: &[u8]) -> Result<Stored> {
    let [FORMAT, kind] = take(&mut bytes)? else { return Err(corrupt()) };
    let mut instant = || Ok(Deadline::from_epoch_millis(u64::from_be_bytes(take(&mut bytes)?)));
    let (deadline, cap, created) = (instant()?, instant()?, instant()?);
    let [length] = take(&mut bytes)?;
    let (version, value) = bytes.split_at_checked(length.into()).ok_or_else(corrupt)?;
    let value = match kind {
        BLOB => Value::Blob(Bytes::copy_from_slice(value)),
        RECORD => Value::Record(Record::from_json_text(value)?),
        _ => return Err(corrupt()),
    };
    let stored = Stored::new(value, deadline, cap, Version::from_bytes(version)?);
    Ok(stored.with_created_at(created.to_system_time()))
}

/// Takes the first `N` bytes.
pub fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk().ok_or_else(corrupt)?;
    *bytes = rest;
    Ok(*taken)
}

pub fn corrupt() -> Error {
    Error::new(ErrorKind::Corrupt, "the entry does not have the layout of this driver; delete it")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// An entry of format 1, as it is in files. Never change it: add one of each new format.
    #[test]
    fn stored_entries_stay_readable() {
        let golden =
            b"\x01\x02\0\0\0\0\0\0\x03\xe8\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\x05\x02v1{\"n\":1}";
        let (end, version) = (Deadline::from_epoch_millis(1000), Version::from_bytes(b"v1").unwrap());
        let stored = Stored::new(Record::new().with("n", 1).into(), end, Deadline::NEVER, version)
            .with_created_at(UNIX_EPOCH + Duration::from_millis(5));
        assert_eq!(encode(&stored), golden);
        assert_eq!(decode(golden).unwrap(), stored);
        for damaged in [b"", &golden[..1], b"\x02\x02", &golden[..28], &golden[..30]] {
            assert_eq!(decode(damaged).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}
