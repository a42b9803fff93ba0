//! The size of entries, in bytes of heap.

use bytes::Bytes;
use serde_json::Value as Json;
use ttl_core::{Key, Record, Value};

use super::entry::Entry;
use super::stored::{SMALL, Stored, small};

/// The share of an entry in the table and the wheel. A bucket has nine bytes, and seven sixteenths to seven
/// eighths of the buckets are in use. The registration in the wheel has four to five bytes.
const INDEX_BYTES: usize = 20;

/// The share of an entry in the eviction queues: its place in a queue, and its part of the list of recently
/// evicted entries.
pub(crate) const QUEUE_BYTES: usize = 12;

/// The size of the reference count that `Bytes` allocates when a buffer is shared for the first time.
pub(crate) const SHARED_BLOB: usize = 24;

/// The size of the handle to a large blob.
const HANDLE_BYTES: usize = size_of::<Bytes>();

/// Returns the size of the allocation of an entry, including its share of the index. `tail` is the size of what
/// follows the head.
pub(crate) fn fixed_bytes(tail: usize) -> usize {
    (Entry::FIXED_BYTES + tail).next_multiple_of(8) + INDEX_BYTES
}

/// Returns the size of the largest entry without the bytes of its blob.
pub(crate) fn largest_bytes_beside() -> usize {
    fixed_bytes(Key::MAX_BYTES + 8) + HANDLE_BYTES + SHARED_BLOB
}

/// Returns the size of a new entry: exact for blobs returned by [`own`], an estimate for records.
pub(crate) fn new_entry_bytes(key: usize, capped: bool, value: &Value) -> usize {
    let cap = if capped { 8 } else { 0 };
    let (small, beside) = match value {
        Value::Blob(bytes) => match small(value) {
            Some(blob) => (blob.len(), 0),
            None => (0, HANDLE_BYTES + bytes.len()),
        },
        Value::Record(record) => (0, record_bytes(record)),
    };
    fixed_bytes(key + cap + small) + beside
}

/// Returns the size of a stored entry. It equals that of the new one.
pub(crate) fn entry_bytes(entry: &Entry) -> usize {
    let beside = match entry.stored() {
        Stored::Small(_) => 0,
        Stored::Large(bytes) => HANDLE_BYTES + bytes.len(),
        Stored::Record(record) => record_bytes(record),
    };
    fixed_bytes(entry.tail().len()) + beside
}

/// Makes the buffer of a large blob exactly as large as the blob, and not shared. Otherwise a slice of a large
/// buffer would keep all of it alive, and the byte count would not include it. An exact buffer that is not
/// shared is not copied.
pub(crate) fn own(value: Value) -> Value {
    match value {
        Value::Blob(bytes) if bytes.len() > SMALL => {
            Value::Blob(Bytes::from(Vec::from(bytes).into_boxed_slice()))
        }
        value => value,
    }
}

fn record_bytes(record: &Record) -> usize {
    // The reference counts and the head of the map.
    const HEAD: usize = 40;
    HEAD + tree_bytes(record.len())
        + record.iter().map(|(name, value)| name.len() + json_bytes(value)).sum::<usize>()
}

fn json_bytes(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(|item| size_of::<Json>() + json_bytes(item)).sum(),
        Json::Object(fields) => {
            let held = fields.iter().map(|(name, value)| name.len() + json_bytes(value)).sum::<usize>();
            tree_bytes(fields.len()) + held
        }
    }
}

/// Estimates the nodes of a B-tree from names to JSON. A leaf holds up to eleven pairs, eight on average in a
/// larger tree; an inner node also has twelve addresses.
fn tree_bytes(len: usize) -> usize {
    const LEAF: usize = 11 * (size_of::<String>() + size_of::<Json>()) + 16;
    match len {
        0 => 0,
        1..=11 => LEAF,
        _ => len.div_ceil(8) * LEAF + len.div_ceil(64) * (LEAF + 96),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_a_large_buffer_lets_go_of_it() {
        let large = Bytes::from(vec![7; 1 << 20]);
        let Value::Blob(owned) = own(large.slice(10..1_000).into()) else { panic!("a blob stays a blob") };
        assert_eq!(owned, large.slice(10..1_000));
        assert!(large.is_unique());
    }

    #[test]
    fn an_exact_buffer_is_taken_over() {
        let bytes = Bytes::from(vec![1; SMALL + 1]);
        let address = bytes.as_ptr();
        let Value::Blob(owned) = own(bytes.into()) else { panic!("a blob stays a blob") };
        assert_eq!(owned.as_ptr(), address);
    }
}
