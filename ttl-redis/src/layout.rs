//! The layout: the stored form of keys, values and their metadata, as the crate's documentation describes it.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::{RedisWrite, ToRedisArgs};
use serde_json::Value as Json;
use sha1::{Digest, Sha1};
use ttl_core::driver::{field_text, parse_field_text};
use ttl_core::{Bytes, Deadline, Entry, Key, Kind, Record, Result, Value, Version};

use crate::error::{Decoded, Fault, foreign_content};

/// A name and a text of a hash.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

const TOKEN_BYTES: usize = 22;
const SHA1_BYTES: usize = 20;

/// A Redis key.
#[derive(Clone, Copy)]
pub(crate) struct FullKey<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) key: &'a str,
}

impl FullKey<'_> {
    pub(crate) fn len(&self) -> usize {
        self.prefix.len() + self.key.len()
    }
}

/// Returns the key of an entry from its Redis key. `None` for a Redis key that is not the driver's.
pub(crate) fn key_of(prefix: &str, full: Vec<u8>) -> Option<Key> {
    let full = String::from_utf8(full).ok()?;
    Key::new(full.strip_prefix(prefix)?).ok()
}

impl ToRedisArgs for FullKey<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut writer = out.writer_for_next_arg();
        // Both go to a command's buffer in memory, so writing cannot fail.
        let _ = writer.write_all(self.prefix.as_bytes());
        let _ = writer.write_all(self.key.as_bytes());
    }
}

/// A value in its encoded form.
#[derive(Debug)]
pub(crate) enum Encoded {
    Blob(Bytes),
    Record {
        /// Names and texts.
        fields: Vec<(String, String)>,
        /// The sum of the texts and of [`name_cost`].
        size: usize,
    },
}

impl Encoded {
    pub(crate) fn new(value: Value) -> Self {
        match value {
            Value::Blob(bytes) => Self::Blob(bytes),
            Value::Record(record) => Self::record(&record),
        }
    }

    fn record(record: &Record) -> Self {
        let fields: Vec<_> =
            record.iter().map(|(name, value)| (name.to_owned(), field_text(value))).collect();
        let size = fields.iter().map(|(name, text)| name_cost(name) + text.len()).sum();
        Self::Record { fields, size }
    }

    /// Returns the size that [`Capabilities::max_value_bytes`](ttl_core::Capabilities::max_value_bytes)
    /// limits.
    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Self::Blob(bytes) => bytes.len(),
            // Two braces, and one comma fewer than fields.
            Self::Record { size: 0, .. } => 2,
            Self::Record { size, .. } => size + 1,
        }
    }
}

/// Returns the share of a field's name in the size of a record: its JSON text, a colon and a comma. The sum
/// of these and of the texts is the size in `ttl:version`.
pub(crate) fn name_cost(name: &str) -> usize {
    let plain = name.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    let text = if plain { name.len() + 2 } else { field_text(&Json::from(name)).len() };
    text + 2
}

/// The random characters of a `ttl:version`.
pub(crate) type Token = [u8; TOKEN_BYTES];

/// Creates a new token.
pub(crate) fn new_token() -> Token {
    let mut token = [b'-'; TOKEN_BYTES];
    // The 16 bytes of a random version encode to exactly `TOKEN_BYTES` characters.
    let _ = URL_SAFE_NO_PAD.encode_slice(Version::random().as_bytes(), &mut token);
    token
}

/// Returns the version of a string: its SHA-1.
pub(crate) fn blob_version(bytes: &[u8]) -> Result<Version> {
    Version::from_bytes(&Sha1::digest(bytes))
}

/// Returns the version of a token.
pub(crate) fn token_version(token: &[u8]) -> Result<Version> {
    Version::from_bytes(token)
}

/// Returns a version as text: a token as it is stored, any other one in hexadecimal digits.
pub(crate) fn version_text(version: &Version) -> String {
    let bytes = version.as_bytes();
    match std::str::from_utf8(bytes) {
        Ok(token) if bytes.len() == TOKEN_BYTES => token.to_owned(),
        // A version of another store has another length, so it never equals a version of this one.
        _ => hex(bytes),
    }
}

/// Parses a version as the scripts return it.
pub(crate) fn parse_version(text: &[u8]) -> Decoded<Version> {
    if text.len() != 2 * SHA1_BYTES {
        return Ok(token_version(text)?);
    }
    let text = std::str::from_utf8(text).map_err(|_| Fault::UnknownForm("a script"))?;
    text.parse().map_err(|_| Fault::UnknownForm("a script"))
}

/// Returns lower-case hexadecimal digits, as Redis prints a SHA-1.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Parses the kind and the version in a `ttl:version` field. The scripts accept exactly the same texts.
pub(crate) fn parse_mark(mark: &[u8]) -> Result<(Kind, Version)> {
    let (kind, rest) = match mark.split_first() {
        Some((b'b', rest)) => (Kind::Blob, rest),
        Some((b'r', rest)) => (Kind::Record, rest),
        _ => return Err(foreign_content()),
    };
    let (token, size) = rest.split_at_checked(TOKEN_BYTES).ok_or_else(foreign_content)?;
    let is_token = token.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let is_size = match size.split_first() {
        None => true,
        Some((dot, digits)) => *dot == b'.' && digits.iter().all(u8::is_ascii_digit),
    };
    if is_token && is_size { Ok((kind, token_version(token)?)) } else { Err(foreign_content()) }
}

/// Parses the cap in a `ttl:cap` field. The scripts accept exactly the same texts.
pub(crate) fn parse_cap(text: &[u8]) -> Result<Deadline> {
    let digits = !text.is_empty() && text.len() <= 15 && text.iter().all(u8::is_ascii_digit);
    let millis = std::str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    millis.map(Deadline::from_epoch_millis).ok_or_else(foreign_content)
}

/// Parses a deadline as PEXPIRETIME returns it; `None` if there is no key.
pub(crate) fn parse_pexpiretime(millis: i64) -> Decoded<Option<Deadline>> {
    match (u64::try_from(millis), millis) {
        (Ok(millis), _) => Ok(Some(Deadline::from_epoch_millis(millis + 1))),
        (_, -1) => Ok(Some(Deadline::NEVER)),
        (_, -2) => Ok(None),
        _ => Err(Fault::UnknownForm("PEXPIRETIME")),
    }
}

/// Decodes a whole hash as an entry with value and version, and its cap; `None` if there is no hash.
pub(crate) fn decode_hash(pairs: Vec<Pair>) -> Result<Option<(Entry, Option<Deadline>)>> {
    let (mut mark, mut cap, mut value, mut texts) = (None, None, None, Vec::new());
    if pairs.is_empty() {
        return Ok(None);
    }
    for (name, text) in pairs {
        match name.as_slice() {
            b"ttl:version" => mark = Some(text),
            b"ttl:value" => value = Some(text),
            b"ttl:cap" => cap = Some(parse_cap(&text)?),
            name if name.starts_with(b"ttl:") => {}
            _ => texts.push((name, text)),
        }
    }
    let (kind, version) = parse_mark(&mark.ok_or_else(foreign_content)?)?;
    let value = match kind {
        Kind::Blob => Value::Blob(value.ok_or_else(foreign_content)?.into()),
        Kind::Record => {
            let mut fields = Vec::with_capacity(texts.len());
            for (name, text) in texts {
                let name = String::from_utf8(name).map_err(|_| foreign_content())?;
                let value = parse_field_text(&name, &text)?;
                fields.push((name, value));
            }
            Record::from_fields(fields).map_err(|_| foreign_content())?.into()
        }
    };
    Ok(Some((Entry::new(value).with_version(version), cap)))
}

/// Decodes the fields of a record from their texts, in the order of the names; `None` for a missing field.
pub(crate) fn decode_named<'a>(
    names: impl Iterator<Item = &'a str>,
    texts: impl IntoIterator<Item = Option<Vec<u8>>>,
) -> Result<Record> {
    let mut fields = Vec::new();
    for (name, text) in names.zip(texts) {
        if let Some(text) = text {
            fields.push((name.to_owned(), parse_field_text(name, &text)?));
        }
    }
    Record::from_fields(fields).map_err(|_| foreign_content())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use ttl_core::ErrorKind;

    use super::*;

    #[test]
    fn sizes_are_those_of_the_canonical_text() {
        let names = ["a", "quote\"", "back\\slash", "tab\t", "nul\0", "ä€", "del\u{7f}", "x y"];
        let mut record = Record::new();
        assert_eq!(Encoded::record(&record).size_bytes(), 2);
        for (n, name) in names.into_iter().enumerate() {
            record.insert(name, json!({ "n": n, "list": [1.5, "text"] })).unwrap();
            assert_eq!(Encoded::record(&record).size_bytes(), record.to_json_text().len(), "{name}");
        }
    }

    #[test]
    fn versions_survive_as_text() {
        let token = token_version(&new_token()).unwrap();
        let digest = blob_version(b"abc").unwrap();
        for version in [token, digest] {
            assert_eq!(parse_version(version_text(&version).as_bytes()).unwrap(), version);
        }
        assert_eq!(version_text(&digest), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(version_text(&Version::from_u128(1)).len(), 32);
    }

    #[test]
    fn marks_are_read_or_corrupt() {
        let token = "0123456789abcdefghij_-";
        for (mark, kind) in [(format!("b{token}"), Kind::Blob), (format!("r{token}.57"), Kind::Record)] {
            let (read, version) = parse_mark(mark.as_bytes()).unwrap();
            assert_eq!((read, version.as_bytes()), (kind, token.as_bytes()));
        }
        for mark in [
            "",
            "x",
            "b",
            "r123",
            &format!("x{token}"),
            &format!("r{token}7"),
            &format!("r{token}.x"),
            "r0123456789abcdefghij_ -",
        ] {
            assert_eq!(parse_mark(mark.as_bytes()).unwrap_err().kind(), ErrorKind::Corrupt, "{mark}");
        }
    }

    #[test]
    fn caps_are_digits_or_corrupt() {
        assert_eq!(parse_cap(b"1700000000000").unwrap().as_epoch_millis(), 1_700_000_000_000);
        for text in ["", "-1", "1e3", "0x10", "nan", " 1", "1.5", "9999999999999999"] {
            assert_eq!(parse_cap(text.as_bytes()).unwrap_err().kind(), ErrorKind::Corrupt, "{text:?}");
        }
    }

    #[test]
    fn deadlines_are_one_millisecond_after_the_keys_expiry() {
        assert_eq!(parse_pexpiretime(-2).unwrap(), None);
        assert_eq!(parse_pexpiretime(-1).unwrap(), Some(Deadline::NEVER));
        assert_eq!(parse_pexpiretime(99).unwrap(), Some(Deadline::from_epoch_millis(100)));
    }
}
