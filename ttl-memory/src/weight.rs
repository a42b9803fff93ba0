//! What entries weigh: the bytes of heap that they hold.

use bytes::Bytes;
use serde_json::Value as Json;
use ttl_core::{Record, Value};

use crate::entry::Entry;

/// What the table and the wheel take for an entry: nine bytes a bucket, between seven sixteenths and seven eighths
/// of them in use, and four to five bytes for the registration in the wheel.
const INDEX_BYTES: usize = 20;

/// What eviction takes for an entry: its place in a queue, and its share of the list of those evicted lately.
pub(crate) const QUEUE_BYTES: usize = 12;

/// What `Bytes` allocates to count its users when a buffer is handed out for the first time.
pub(crate) const SHARED_BLOB: usize = 24;

/// The entry itself, and its share of the index.
pub(crate) fn fixed_bytes(key: usize, capped: bool) -> usize {
    let cap = if capped { 8 } else { 0 };
    (Entry::FIXED_BYTES + key + cap).next_multiple_of(8) + INDEX_BYTES
}

/// What a value holds on the heap: exact for blobs that [`own`] has seen, an estimate for records.
pub(crate) fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Blob(bytes) => bytes.len(),
        Value::Record(record) => record_bytes(record),
    }
}

/// Makes the buffer of a blob exactly as large as the blob, and the store's alone: a slice of a large buffer would
/// keep all of it alive, and no account would show it. Free of charge for an exact buffer that nobody shares.
pub(crate) fn own(value: Value) -> Value {
    match value {
        Value::Blob(bytes) => Value::Blob(Bytes::from(Vec::from(bytes).into_boxed_slice())),
        Value::Record(record) => Value::Record(record),
    }
}

fn record_bytes(record: &Record) -> usize {
    // The reference counts and the map's own head.
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

/// The nodes of a B-tree from names to JSON: leaves hold up to eleven pairs, eight of them on average in a larger
/// tree, and an inner node has twelve addresses besides.
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
        let Value::Blob(owned) = own(large.slice(10..20).into()) else { panic!("a blob stays a blob") };
        assert_eq!(owned, large.slice(10..20));
        assert!(large.is_unique());
    }

    #[test]
    fn an_exact_buffer_is_taken_over() {
        let bytes = Bytes::from(vec![1, 2, 3]);
        let address = bytes.as_ptr();
        let Value::Blob(owned) = own(bytes.into()) else { panic!("a blob stays a blob") };
        assert_eq!(owned.as_ptr(), address);
    }
}
