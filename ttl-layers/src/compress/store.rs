//! The translation of `Compress`, and the layer.

use std::sync::Arc;

use ttl_core::options::{Fields, Projection};
use ttl_core::{Bytes, Capabilities, Error, ErrorKind, Key, Patch, Record, Result, TtlStore, Value};

use super::codec::{compress, expand};
use super::config::Compress;
use super::envelope::{HEADER_BYTES, is_envelope, unwrap, wrap};
use super::method::Method;
use crate::layer::{Layer, refuse_compression_below};
use crate::translate::{EnvelopeField, Rewrite, TranslatedStore, Translation};

/// The field of a compressed record.
const FIELD: EnvelopeField = EnvelopeField("~z");

impl Layer for Compress {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        self.check()?;
        refuse_compression_below("Compress", "and one compression is enough; remove one", &*inner)?;
        Ok(Arc::new(TranslatedStore::new(inner, *self)))
    }
}

impl Compress {
    /// Returns the envelope of these bytes if they are to be compressed.
    fn compressed(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>> {
        if bytes.len() <= self.over || bytes.len() > self.max_expanded_bytes {
            return Ok(None);
        }
        Ok(Some(wrap(self.method, &compress(self.method, self.level, bytes)?)))
    }

    fn encode_blob(&self, bytes: Bytes) -> Result<Bytes> {
        let smaller = self.compressed(&bytes)?.filter(|envelope| envelope.len() < bytes.len());
        Ok(match smaller {
            Some(envelope) => envelope.into(),
            None if is_envelope(&bytes) => wrap(Method::Stored, &bytes).into(),
            None => bytes,
        })
    }

    /// Returns the envelope of a record if it is to be compressed.
    fn record_envelope(&self, text: &str) -> Result<Option<Vec<u8>>> {
        let envelope = self.compressed(text.as_bytes())?;
        Ok(envelope.filter(|envelope| FIELD.record_bytes(envelope.len()) < text.len()))
    }

    fn expand(&self, envelope: &[u8]) -> Result<Vec<u8>> {
        let (method, payload) = unwrap(envelope)?;
        expand(method, payload, self.max_expanded_bytes)
    }
}

impl Translation for Compress {
    fn capabilities(&self, inner: Capabilities) -> Capabilities {
        let max = match inner.max_value_bytes {
            u64::MAX => u64::MAX,
            max => max.saturating_sub(HEADER_BYTES as u64),
        };
        inner
            .with_max_value_bytes(max)
            .with_patch(inner.patch && inner.conditions)
            .with_compresses_values(true)
    }

    fn encode(&self, _: &Key, value: Value, limits: &Capabilities) -> Result<Value> {
        match value {
            Value::Blob(bytes) => {
                limits.check_size(bytes.len())?;
                self.encode_blob(bytes).map(Value::Blob)
            }
            Value::Record(record) => {
                if record.contains(FIELD.0) {
                    return Err(reserved());
                }
                let text = record.to_json_text();
                limits.check_size(text.len())?;
                Ok(match self.record_envelope(&text)? {
                    Some(envelope) => FIELD.to_record(&envelope)?.into(),
                    None => record.into(),
                })
            }
        }
    }

    fn decode(&self, _: &Key, stored: Value) -> Result<Value> {
        match stored {
            Value::Blob(bytes) if is_envelope(&bytes) => Ok(self.expand(&bytes)?.into()),
            Value::Record(record) => match FIELD.envelope(&record, "Compress")? {
                Some(envelope) => Record::from_json_text(&self.expand(&envelope)?).map(Value::Record),
                None => Ok(record.into()),
            },
            plain @ Value::Blob(_) => Ok(plain),
        }
    }

    fn fields(&self, wanted: &Fields) -> Result<Projection> {
        FIELD.with(wanted)
    }

    fn check_patch(&self, patch: &Patch) -> Result<()> {
        if patch.operations()?.iter().any(|operation| &*operation.field == FIELD.0) {
            return Err(reserved());
        }
        Ok(())
    }

    fn rewrite(
        &self,
        _: &Key,
        stored: &Record,
        next: &Record,
        patch: &Patch,
        limits: &Capabilities,
    ) -> Result<Rewrite> {
        let text = next.to_json_text();
        limits.check_size(text.len())?;
        if let Some(envelope) = self.record_envelope(&text)?
            && let Some(replaced) = FIELD.replace(stored, &envelope)
        {
            return Ok(Rewrite::Patch(replaced));
        }
        if !stored.contains(FIELD.0) {
            return Ok(Rewrite::Patch(patch.clone()));
        }
        let plain = next.iter().fold(Patch::new().unset(FIELD.0), |all, (name, value)| all.set(name, value));
        Ok(match plain.operations() {
            Ok(_) => Rewrite::Patch(plain),
            Err(_) => Rewrite::Put(next.clone().into()),
        })
    }
}

fn reserved() -> Error {
    let text =
        format!("the field name {:?} is reserved by the layer Compress: expected another name", FIELD.0);
    Error::new(ErrorKind::InvalidField, text)
}
