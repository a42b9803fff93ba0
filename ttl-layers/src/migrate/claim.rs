//! Claims: the values that a move leaves in the new store until it is complete.

use std::time::Duration;

use ttl_core::{Bytes, Ttl, Value, Version};

/// The beginning of every claim: random, so that no value of a program begins with it.
const MAGIC: [u8; 32] = [
    0x9e, 0x1f, 0x5b, 0xd7, 0x6a, 0x40, 0xc3, 0x92, 0xfb, 0x08, 0x77, 0xe4, 0x2d, 0xb1, 0x5c, 0x39, 0x84,
    0xaf, 0x16, 0xd2, 0x63, 0xee, 0x90, 0x4b, 0x27, 0xfc, 0x51, 0x8a, 0x0d, 0x74, 0xb9, 0xc6,
];

/// The length of a claim: the beginning and a version.
const BYTES: usize = MAGIC.len() + 16;

/// The lifetime of a claim. Only a move that was interrupted leaves a claim for longer than a moment.
pub(super) const TTL: Ttl = Ttl::minutes(1);

/// The time after which a waiting caller takes over the first claim of another.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

/// Creates a claim. No two are equal, so their versions differ on every backend.
pub(super) fn create() -> Value {
    let nonce = Version::random();
    Value::Blob(Bytes::from([MAGIC.as_slice(), nonce.as_bytes()].concat()))
}

/// Returns whether a value is a claim.
pub(super) fn is_claim(value: &Value) -> bool {
    matches!(value, Value::Blob(bytes) if bytes.len() == BYTES && bytes.starts_with(&MAGIC))
}

#[cfg(test)]
mod tests {
    use ttl_core::Record;

    use super::*;

    #[test]
    fn claims_differ_and_are_recognized() {
        let (one, two) = (create(), create());
        assert!(is_claim(&one) && is_claim(&two) && one != two);
        for value in [Value::from(""), "value".into(), Record::new().into(), MAGIC[..31].to_vec().into()] {
            assert!(!is_claim(&value), "{value:?}");
        }
    }
}
