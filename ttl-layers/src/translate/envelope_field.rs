//! The field of an inner record that holds an envelope.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value as Json;
use ttl_core::options::{Fields, Projection};
use ttl_core::{Error, ErrorKind, Patch, Record, Result};

/// The name of the field. The record has no other field, and the value is the envelope in URL-safe base64
/// without padding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnvelopeField(pub(crate) &'static str);

impl EnvelopeField {
    /// Returns the size of a record with an envelope of this many bytes.
    pub(crate) const fn record_bytes(self, envelope: usize) -> usize {
        // {"name":"text"}
        7 + self.0.len() + (4 * envelope).div_ceil(3)
    }

    /// Returns the text of the field.
    pub(crate) fn text(envelope: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(envelope)
    }

    /// Returns the record with this envelope.
    pub(crate) fn to_record(self, envelope: &[u8]) -> Result<Record> {
        Record::new().try_with(self.0, Self::text(envelope))
    }

    /// Returns the envelope of a record; `None` if the record lacks the field.
    pub(crate) fn envelope(self, record: &Record, layer: &str) -> Result<Option<Vec<u8>>> {
        let Some(value) = record.get(self.0) else { return Ok(None) };
        let corrupt = |problem: &str| {
            let text = format!(
                "the record is not one of the layer {layer}: {problem}; put the entry again, or delete it"
            );
            Error::new(ErrorKind::Corrupt, text)
        };
        if record.len() > 1 {
            return Err(corrupt("it has other fields, which a program without the layer has written"));
        }
        let Json::String(text) = value else { return Err(corrupt("its field is not text")) };
        URL_SAFE_NO_PAD.decode(text).map(Some).map_err(|_| corrupt("its field is not base64"))
    }

    /// Returns the wanted fields and this one. Returns the whole record if those are too many for one call.
    pub(crate) fn with(self, wanted: &Fields) -> Result<Projection> {
        if wanted.len() >= Fields::MAX {
            return Ok(Projection::All);
        }
        Ok(Projection::Fields(Fields::new(wanted.iter().chain([self.0]))?))
    }

    /// Returns a patch that puts this envelope in the place of all fields; `None` if it has too many
    /// operations.
    pub(crate) fn replace(self, stored: &Record, envelope: &[u8]) -> Option<Patch> {
        let set = Patch::new().set(self.0, Self::text(envelope));
        let others = stored.iter().map(|(name, _)| name).filter(|name| *name != self.0);
        let patch = others.fold(set, Patch::unset);
        patch.operations().is_ok().then_some(patch)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIELD: EnvelopeField = EnvelopeField("~t");

    #[test]
    fn an_envelope_comes_back_and_its_size_is_known() {
        for len in 0..70 {
            let envelope: Vec<u8> = (0..len).map(|n: u8| n.wrapping_mul(37)).collect();
            let record = FIELD.to_record(&envelope).unwrap();
            assert_eq!(record.to_json_text().len(), FIELD.record_bytes(envelope.len()));
            assert_eq!(FIELD.envelope(&record, "Test").unwrap(), Some(envelope));
        }
        assert_eq!(FIELD.envelope(&Record::new().with("a", 1), "Test").unwrap(), None);
    }

    #[test]
    fn foreign_records_are_corrupt() {
        for record in [
            Record::new().with("~t", 1),
            Record::new().with("~t", json!(null)),
            Record::new().with("~t", "no base64!"),
            // The last character has bits that no encoder sets.
            Record::new().with("~t", "AB"),
            Record::new().with("~t", "AA").with("a", 1),
        ] {
            assert_eq!(FIELD.envelope(&record, "Test").unwrap_err().kind(), ErrorKind::Corrupt, "{record:?}");
        }
    }

    #[test]
    fn a_replacement_has_room_for_999_fields() {
        let record = |fields: usize| (0..fields).fold(Record::new(), |all, n| all.with(format!("f{n}"), n));
        assert!(FIELD.replace(&record(999), b"x").is_some());
        assert!(FIELD.replace(&record(1000), b"x").is_none());
        let wanted = |fields: usize| Fields::new((0..fields).map(|n| format!("f{n}"))).unwrap();
        assert!(
            matches!(FIELD.with(&wanted(999)).unwrap(), Projection::Fields(fields) if fields.len() == 1000)
        );
        assert_eq!(FIELD.with(&wanted(1000)).unwrap(), Projection::All);
    }
}
