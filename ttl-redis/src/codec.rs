//! Entries and their layout in Redis.
//!
//! | entry | Redis type | content |
//! |---|---|---|
//! | blob without cap | string | its bytes |
//! | record | hash | the canonical JSON text of each field under its name; `ttl:version`, `ttl:cap` |
//! | blob with cap | hash | `ttl:value`, `ttl:version`, `ttl:cap` |
//!
//! `ttl:version` is `b` or `r` (blob, record) and a token of 22 random characters, which changes at every
//! write. For a record a dot and its size follow; patches use it to enforce the size limit. `ttl:cap` is the
//! cap in epoch milliseconds, if there is one. The deadline is the key's expiry plus 1 ms, because Redis
//! still shows a key at the millisecond of its expiry.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::{RedisWrite, ToRedisArgs, Value as Reply};
use serde_json::Value as Json;
use sha1::{Digest, Sha1};
use ttl_core::{
    Bytes, Deadline, Entry, Expiry, Fields, Kind, Record, Result, Value, Version, field_text,
    parse_field_text,
};

use crate::error::{Decoded, Fault, foreign_content};
use crate::scripts::hex;

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

/// Creates a new token.
pub(crate) fn new_token() -> String {
    URL_SAFE_NO_PAD.encode(Version::random().as_bytes())
}

/// Returns the version of a string: its SHA-1.
pub(crate) fn blob_version(bytes: &[u8]) -> Result<Version> {
    Version::from_bytes(&Sha1::digest(bytes))
}

/// Returns the version of a token.
pub(crate) fn token_version(token: &[u8]) -> Result<Version> {
    Version::from_bytes(token)
}

/// Returns a version as the scripts compare it.
pub(crate) fn version_text(version: &Version) -> String {
    let bytes = version.as_bytes();
    match std::str::from_utf8(bytes) {
        Ok(token) if bytes.len() == TOKEN_BYTES => token.to_owned(),
        // A version of another store has another length, so it never equals a version of this one.
        _ => hex(bytes),
    }
}

/// Reads a version as the scripts print it.
pub(crate) fn parse_version(text: &[u8]) -> Decoded<Version> {
    if text.len() != 2 * SHA1_BYTES {
        return Ok(token_version(text)?);
    }
    let text = std::str::from_utf8(text).map_err(|_| Fault::UnknownForm("a script"))?;
    text.parse().map_err(|_| Fault::UnknownForm("a script"))
}

/// Reads the kind and the version from a `ttl:version` field. The scripts accept exactly the same texts.
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

/// Reads the cap from a `ttl:cap` field. The scripts accept exactly the same texts.
pub(crate) fn parse_cap(text: &[u8]) -> Result<Deadline> {
    let digits = !text.is_empty() && text.len() <= 15 && text.iter().all(u8::is_ascii_digit);
    let millis = std::str::from_utf8(text).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    millis.map(Deadline::from_epoch_millis).ok_or_else(foreign_content)
}

/// Reads a deadline as PEXPIRETIME reports it; `None` if there is no key.
pub(crate) fn parse_pexpiretime(millis: i64) -> Decoded<Option<Deadline>> {
    match (u64::try_from(millis), millis) {
        (Ok(millis), _) => Ok(Some(Deadline::from_epoch_millis(millis + 1))),
        (_, -1) => Ok(Some(Deadline::NEVER)),
        (_, -2) => Ok(None),
        _ => Err(Fault::UnknownForm("PEXPIRETIME")),
    }
}

/// Reads a deadline as the scripts print it.
pub(crate) fn parse_deadline(millis: i64) -> Deadline {
    u64::try_from(millis).map_or(Deadline::NEVER, Deadline::from_epoch_millis)
}

/// Reads a whole hash as an entry with value and version, and its cap; `None` if there is no hash.
pub(crate) fn decode_hash(reply: Reply) -> Decoded<Option<(Entry, Option<Deadline>)>> {
    let (mut mark, mut cap, mut value, mut fields) = (None, None, None, Vec::new());
    let pairs = pairs(reply)?;
    if pairs.is_empty() {
        return Ok(None);
    }
    for (name, text) in pairs {
        match name.as_slice() {
            b"ttl:version" => mark = Some(text),
            b"ttl:value" => value = Some(text),
            b"ttl:cap" => cap = Some(parse_cap(&text)?),
            name if name.starts_with(b"ttl:") => {}
            _ => fields.push((name, text)),
        }
    }
    let (kind, version) = parse_mark(&mark.ok_or_else(foreign_content)?)?;
    let value = match kind {
        Kind::Blob => Value::Blob(value.ok_or_else(foreign_content)?.into()),
        Kind::Record => decode_fields(fields)?.into(),
    };
    Ok(Some((Entry::new(value).with_version(version), cap)))
}

/// Reads the fields of a record from texts in the order of the names.
pub(crate) fn decode_named(names: &Fields, texts: Vec<Reply>) -> Decoded<Record> {
    if texts.len() != names.len() {
        return Err(Fault::UnknownForm("HMGET"));
    }
    let mut fields = Vec::with_capacity(texts.len());
    for (name, text) in names.iter().zip(texts) {
        if let Some(text) = bulk(text)? {
            fields.push((name.as_bytes().to_vec(), text));
        }
    }
    Ok(decode_fields(fields)?)
}

fn decode_fields(fields: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Record> {
    let mut parsed = Vec::with_capacity(fields.len());
    for (name, text) in fields {
        let name = String::from_utf8(name).map_err(|_| foreign_content())?;
        let value = parse_field_text(&name, &text)?;
        parsed.push((name, value));
    }
    Record::from_fields(parsed).map_err(|_| foreign_content())
}

/// Reads names and texts: a map in RESP3, a list in RESP2 and from scripts.
fn pairs(reply: Reply) -> Decoded<Vec<(Vec<u8>, Vec<u8>)>> {
    match reply {
        Reply::Map(pairs) => {
            pairs.into_iter().map(|(name, text)| Ok((some_bulk(name)?, some_bulk(text)?))).collect()
        }
        Reply::Array(items) if items.len().is_multiple_of(2) => {
            let mut items = items.into_iter();
            let mut pairs = Vec::with_capacity(items.len() / 2);
            while let (Some(name), Some(text)) = (items.next(), items.next()) {
                pairs.push((some_bulk(name)?, some_bulk(text)?));
            }
            Ok(pairs)
        }
        other => Err(other_reply(other)),
    }
}

fn some_bulk(reply: Reply) -> Decoded<Vec<u8>> {
    bulk(reply)?.ok_or(Fault::UnknownForm("a read"))
}

/// Reads a text, or nil.
pub(crate) fn bulk(reply: Reply) -> Decoded<Option<Vec<u8>>> {
    match reply {
        Reply::BulkString(bytes) => Ok(Some(bytes)),
        Reply::Nil => Ok(None),
        other => Err(other_reply(other)),
    }
}

/// Reads a whole number.
pub(crate) fn int(reply: Reply) -> Decoded<i64> {
    match reply {
        Reply::Int(number) => Ok(number),
        other => Err(other_reply(other)),
    }
}

/// Reads the kind of an entry, as the scripts print it.
pub(crate) fn kind(reply: Reply) -> Decoded<Kind> {
    match bulk(reply)?.as_deref() {
        Some(b"b") => Ok(Kind::Blob),
        Some(b"r") => Ok(Kind::Record),
        _ => Err(Fault::UnknownForm("a script")),
    }
}

/// Reads a boolean.
pub(crate) fn flag(reply: Reply) -> Decoded<bool> {
    match reply {
        Reply::Int(0) => Ok(false),
        Reply::Int(1) => Ok(true),
        other => Err(other_reply(other)),
    }
}

/// Reads a list.
pub(crate) fn array(reply: Reply) -> Decoded<Vec<Reply>> {
    match reply {
        Reply::Array(items) => Ok(items),
        other => Err(other_reply(other)),
    }
}

/// Returns the fault for a reply that the command cannot have: an error of the server, or an unknown form.
pub(crate) fn other_reply(reply: Reply) -> Fault {
    match reply {
        Reply::ServerError(error) => crate::error::server(&error),
        _ => Fault::UnknownForm("a command"),
    }
}

/// Returns the fault for the letter of a script that changed nothing.
pub(crate) fn script_error(status: &[u8]) -> Fault {
    match status {
        b"C" => Fault::Refused(foreign_content()),
        b"X" => Fault::Refused(Expiry::too_far()),
        _ => Fault::UnknownForm("a script"),
    }
}

/// Reads a script's answer: its letter and the rest.
pub(crate) fn script_answer(reply: Reply) -> Decoded<(Vec<u8>, std::vec::IntoIter<Reply>)> {
    let mut items = array(reply)?.into_iter();
    let status = items.next().map(bulk).transpose()?.flatten().unwrap_or_default();
    Ok((status, items))
}

/// Takes the next part of a script's answer.
pub(crate) fn next(items: &mut impl Iterator<Item = Reply>) -> Decoded<Reply> {
    items.next().ok_or(Fault::UnknownForm("a script"))
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
    fn versions_survive_the_scripts() {
        let token = token_version(new_token().as_bytes()).unwrap();
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
