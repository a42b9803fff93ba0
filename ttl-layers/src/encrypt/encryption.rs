//! The translation between values and their envelopes.

use std::borrow::Cow;

use ttl_core::options::{Fields, Projection};
use ttl_core::{Capabilities, Error, ErrorKind, Key, Kind, Patch, Record, Result, Value};

use super::envelope::{MAX_OVERHEAD, Place, is_envelope, key_id, open, seal};
use super::key_hash::KeyHash;
use super::keyring::Ciphers;
use crate::translate::{EnvelopeField, Rewrite, Translation};

/// The field of an encrypted record.
const FIELD: EnvelopeField = EnvelopeField("~e");

/// The translation between values and their envelopes.
#[derive(Debug)]
pub(super) struct Encryption {
    pub(super) context: String,
    pub(super) ciphers: Ciphers,
    pub(super) accept_plaintext: bool,
    pub(super) key_hash: Option<KeyHash>,
}

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoredForm {
    /// Under the key that writes.
    Current,
    /// Under another key, or not encrypted.
    Old,
}

impl Encryption {
    fn place<'a>(&'a self, key: &'a Key, kind: Kind) -> Place<'a> {
        Place { context: &self.context, key, kind }
    }

    fn plaintext(&self, value: Value) -> Result<Value> {
        if self.accept_plaintext {
            return Ok(value);
        }
        let text = "the entry is not encrypted: another program wrote it, or it was stored before the layer Encrypt \
                    was in use; accept plaintext during a migration, put the entry again, or delete it";
        Err(Error::new(ErrorKind::Corrupt, text))
    }

    /// Returns the form of a value that could be decoded.
    pub(super) fn form(&self, stored: &Value) -> Result<StoredForm> {
        let is_written = |envelope: &[u8]| key_id(envelope) == Some(&*self.ciphers.writing().id);
        let is_current = match stored {
            Value::Blob(bytes) => is_written(bytes),
            Value::Record(record) => {
                FIELD.envelope(record, "Encrypt")?.is_some_and(|envelope| is_written(&envelope))
            }
        };
        Ok(if is_current { StoredForm::Current } else { StoredForm::Old })
    }
}

impl Translation for Encryption {
    fn capabilities(&self, inner: Capabilities) -> Capabilities {
        inner
            .with_max_value_bytes(max_value_bytes(inner.max_value_bytes))
            .with_patch(inner.patch && inner.conditions)
            .with_scan(inner.scan && self.key_hash.is_none())
            .with_changes(inner.changes && self.key_hash.is_none())
    }

    fn key<'a>(&self, key: &'a Key) -> Cow<'a, Key> {
        match &self.key_hash {
            Some(hash) => Cow::Owned(hash.hash(key)),
            None => Cow::Borrowed(key),
        }
    }

    fn encode(&self, key: &Key, value: Value, limits: &Capabilities) -> Result<Value> {
        let place = self.place(key, value.kind());
        match value {
            Value::Blob(bytes) => {
                limits.check_size(bytes.len())?;
                Ok(seal(&self.ciphers, place, &bytes)?.into())
            }
            Value::Record(record) => {
                let text = record.to_json_text();
                limits.check_size(text.len())?;
                let envelope = seal(&self.ciphers, place, text.as_bytes())?;
                FIELD.to_record(&envelope).map(Value::Record)
            }
        }
    }

    fn decode(&self, key: &Key, stored: Value) -> Result<Value> {
        let place = self.place(key, stored.kind());
        match &stored {
            Value::Blob(bytes) if is_envelope(bytes) => Ok(open(&self.ciphers, place, bytes)?.into()),
            Value::Record(record) => match FIELD.envelope(record, "Encrypt")? {
                Some(envelope) => {
                    let text = open(&self.ciphers, place, &envelope)?;
                    Record::from_json_text(&text).map(Value::Record)
                }
                None => self.plaintext(stored),
            },
            Value::Blob(_) => self.plaintext(stored),
        }
    }

    fn fields(&self, wanted: &Fields) -> Result<Projection> {
        if self.accept_plaintext {
            return FIELD.with(wanted);
        }
        Fields::new([FIELD.0]).map(Projection::Fields)
    }

    fn rewrite(
        &self,
        key: &Key,
        stored: &Record,
        next: &Record,
        _: &Patch,
        limits: &Capabilities,
    ) -> Result<Rewrite> {
        let text = next.to_json_text();
        limits.check_size(text.len())?;
        let envelope = seal(&self.ciphers, self.place(key, Kind::Record), text.as_bytes())?;
        Ok(match FIELD.replace(stored, &envelope) {
            Some(patch) => Rewrite::Patch(patch),
            None => Rewrite::Put(FIELD.to_record(&envelope)?.into()),
        })
    }
}

/// Returns the size of the largest value whose envelope fits, as a blob and as a record.
fn max_value_bytes(inner: u64) -> u64 {
    if inner == u64::MAX {
        return inner;
    }
    let text = inner.saturating_sub(FIELD.record_bytes(0) as u64);
    // Four characters of base64 are three bytes, and the rest of a text two or none.
    let envelope = text / 4 * 3 + (text % 4).saturating_sub(1);
    envelope.saturating_sub(MAX_OVERHEAD as u64)
}

#[cfg(test)]
mod tests {
    use super::super::keyring::Keyring;
    use super::*;

    #[test]
    fn the_largest_value_fits_and_no_larger_one() {
        let ciphers = Keyring::new("k".repeat(32), [1; 32]).ciphers().unwrap();
        let encryption =
            Encryption { context: "test".to_owned(), ciphers, accept_plaintext: false, key_hash: None };
        let key = Key::new("k").unwrap();
        for inner in 300..320 {
            let most = max_value_bytes(inner);
            let limits = encryption.capabilities(Capabilities::new("test").with_max_value_bytes(inner));
            assert_eq!(limits.max_value_bytes, most);
            let record = |bytes: u64| {
                Record::new().with("t", "x".repeat(usize::try_from(bytes).unwrap() - r#"{"t":""}"#.len()))
            };
            let fits = encryption.encode(&key, record(most).into(), &limits).unwrap();
            assert!(fits.size_bytes() as u64 <= inner, "{inner}: {most}");
            let larger = encryption.encode(&key, record(most + 1).into(), &limits).unwrap_err();
            assert_eq!(larger.kind(), ErrorKind::TooLarge);
            let wider = Capabilities::new("test");
            let larger = encryption.encode(&key, record(most + 1).into(), &wider).unwrap();
            assert!(larger.size_bytes() as u64 > inner, "{inner}: {most}");
            let blob = encryption.encode(&key, vec![7; most as usize].into(), &limits).unwrap();
            assert!(blob.size_bytes() as u64 <= inner);
        }
        assert_eq!([0, 100, u64::MAX].map(max_value_bytes), [0, 0, u64::MAX]);
    }
}
