//! Items: their headers and values. The crate documentation lists the attributes.

use std::collections::HashMap;
use std::time::SystemTime;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ttl_core::driver::Now;
use ttl_core::options::{Projection, Returning};
use ttl_core::rules::Header;
use ttl_core::{Bytes, Deadline, Kind, Record, Result, Value, Version};

use super::field::{fields, record};
use super::names::{CAP, CREATED, DEADLINE, FIELDS, VALUE, VERSION};
use crate::error::foreign_item;

/// An item's attributes.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Returns a fresh token.
pub(crate) fn new_token() -> String {
    URL_SAFE_NO_PAD.encode(Version::random().as_bytes())
}

/// Returns the version of a token.
pub(crate) fn token_version(token: &str) -> Result<Version> {
    Version::from_bytes(token.as_bytes()).map_err(|_| foreign_item())
}

/// Returns the time of creation of an item, if the caller asked for it.
///
/// # Errors
/// `Corrupt` if it was asked for and cannot be read. Otherwise it is not checked.
pub(crate) fn created_at(returning: Returning, item: &Item) -> Result<Option<SystemTime>> {
    if !returning.contains(Returning::CREATED_AT) {
        return Ok(None);
    }
    let Some(AttributeValue::N(millis)) = item.get(CREATED) else { return Err(foreign_item()) };
    if millis.starts_with('-') {
        return Err(foreign_item());
    }
    instant_of(millis).and_then(Deadline::to_system_time).ok_or_else(foreign_item).map(Some)
}

/// Returns whether the item was written with this token.
pub(crate) fn is_written_with(item: &Item, token: &str) -> bool {
    matches!(item.get(VERSION), Some(AttributeValue::S(version)) if version == token)
}

/// Returns a version as it is stored. A version of another store never equals a stored one.
pub(crate) fn version_attribute(version: &Version) -> AttributeValue {
    AttributeValue::S(match std::str::from_utf8(version.as_bytes()) {
        Ok(token) => token.to_owned(),
        Err(_) => version.to_string(),
    })
}

/// Returns the attribute for the current time.
pub(crate) fn now_attribute(now: Now) -> AttributeValue {
    AttributeValue::N(now.as_epoch_millis().to_string())
}

/// Returns the attribute for a deadline or a cap.
pub(crate) fn deadline_attribute(deadline: Deadline) -> AttributeValue {
    AttributeValue::N(deadline.as_epoch_millis().to_string())
}

/// Decodes the header of an item: everything except the value.
///
/// # Errors
/// `Corrupt` for content that this driver cannot have written.
pub(crate) fn header(item: &Item) -> Result<Header> {
    let (deadline, cap) = lifespan(item)?;
    Ok(Header { kind: kind(item), deadline, cap, version: version(item)? })
}

fn version(item: &Item) -> Result<Version> {
    let Some(AttributeValue::S(token)) = item.get(VERSION) else { return Err(foreign_item()) };
    token_version(token)
}

fn kind(item: &Item) -> Kind {
    if item.contains_key(VALUE) { Kind::Blob } else { Kind::Record }
}

/// Returns the header of the item that an operation finds, if it is live. A ghost may be damaged.
pub(crate) fn live_header(now: Now, item: Option<&Item>) -> Result<Option<Header>> {
    let Some(item) = item else { return Ok(None) };
    let (deadline, cap) = lifespan(item)?;
    if deadline.min(cap).is_expired(now) { Ok(None) } else { header(item).map(Some) }
}

/// Decodes deadline and cap.
fn lifespan(item: &Item) -> Result<(Deadline, Deadline)> {
    Ok((instant(item, DEADLINE)?, instant(item, CAP)?))
}

fn instant(item: &Item, name: &str) -> Result<Deadline> {
    match item.get(name) {
        None => Ok(Deadline::NEVER),
        Some(AttributeValue::N(millis)) => instant_of(millis).ok_or_else(foreign_item),
        Some(_) => Err(foreign_item()),
    }
}

/// Converts a number of milliseconds to an instant. Every number has one, because conditions compare any
/// number. A fraction counts until the next whole millisecond, a number before 1970 is in the past, and one
/// beyond all clocks is the last instant.
fn instant_of(millis: &str) -> Option<Deadline> {
    if let Ok(whole) = millis.parse() {
        return Some(Deadline::from_epoch_millis(whole));
    }
    let millis: f64 = millis.parse().ok().filter(|millis: &f64| millis.is_finite())?;
    // The cast is within the bounds of the type.
    Some(Deadline::from_epoch_millis((millis.ceil() as u64).min(u64::MAX - 1)))
}

/// Returns the header of the item that a write was applied to, if it was live. The write's condition was
/// already checked, so further damage does not turn an applied write into an error.
pub(crate) fn replaced_header(now: Now, item: Option<&Item>) -> Option<Header> {
    let item = item?;
    let (deadline, cap) = lifespan(item).ok()?;
    let version = version(item).unwrap_or_else(|_| Version::from_u128(0));
    Some(Header { kind: kind(item), deadline, cap, version }).filter(|header| header.is_live(now))
}

/// Decodes the value of an item, as far as it is selected and was read.
pub(crate) fn value(item: &mut Item, projection: &Projection) -> Result<Option<Value>> {
    let blob = match item.remove(VALUE) {
        None => None,
        Some(AttributeValue::B(blob)) => Some(blob),
        Some(_) => return Err(foreign_item()),
    };
    match (projection, blob) {
        (Projection::Nothing, _) | (Projection::Fields(_), Some(_)) => Ok(None),
        (Projection::All, Some(blob)) => Ok(Some(Value::Blob(Bytes::from(Vec::from(blob))))),
        // A record without any of the requested fields is returned without the map.
        (Projection::Fields(names), None) => match item.remove(FIELDS) {
            None => Ok(Some(Record::new().into())),
            Some(AttributeValue::M(mut map)) => {
                let named = names.iter().filter_map(|name| map.remove_entry(name));
                record(named).map(|record| Some(record.into()))
            }
            Some(_) => Err(foreign_item()),
        },
        (Projection::All, None) => match item.remove(FIELDS) {
            Some(AttributeValue::M(map)) => record(map).map(|record| Some(record.into())),
            _ => Err(foreign_item()),
        },
    }
}

/// Encodes a value. Returns its attribute's name and content.
pub(crate) fn encode(value: &Value) -> (&'static str, AttributeValue) {
    match value {
        Value::Blob(bytes) => (VALUE, AttributeValue::B(Blob::new(bytes.to_vec()))),
        Value::Record(record) => (FIELDS, fields(record)),
    }
}

#[cfg(test)]
mod tests {
    use ttl_core::ErrorKind;

    use super::*;

    #[test]
    fn what_the_driver_cannot_have_written_is_corrupt() {
        let item = |pairs: &[(&str, AttributeValue)]| -> Item {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let (s, n) = (|s: &str| AttributeValue::S(s.into()), |n: &str| AttributeValue::N(n.into()));
        for bad in [
            item(&[]),
            item(&[(VERSION, n("1"))]),
            item(&[(VERSION, s(""))]),
            item(&[(VERSION, s(&"v".repeat(24)))]),
            item(&[(VERSION, s("v")), (DEADLINE, s("1"))]),
            item(&[(VERSION, s("v")), (CAP, AttributeValue::Null(true))]),
        ] {
            assert_eq!(header(&bad).unwrap_err().kind(), ErrorKind::Corrupt, "{bad:?}");
        }
        for bad in [
            item(&[]),
            item(&[(VALUE, s("text"))]),
            item(&[(FIELDS, s("text"))]),
            item(&[(FIELDS, AttributeValue::M(item(&[("a", AttributeValue::Ss(vec!["x".into()]))])))]),
            item(&[(FIELDS, AttributeValue::M(item(&[("ttl:a", s("x"))])))]),
            item(&[(FIELDS, AttributeValue::M(item(&[("a", AttributeValue::B(Blob::new("x")))])))]),
            item(&[(
                FIELDS,
                AttributeValue::M(item(&[("a", AttributeValue::M(item(&[("ttl:a", s("x"))])))])),
            )]),
        ] {
            let read = value(&mut bad.clone(), &Projection::All);
            assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "{bad:?}");
        }
    }

    #[test]
    fn any_number_is_an_instant() {
        for (text, millis) in [
            ("1500", 1500),
            ("1500.0", 1500),
            ("1499.0001", 1500),
            ("1.5E+3", 1500),
            ("0", 0),
            ("-1", 0),
            ("-0.5", 0),
            ("1E+100", u64::MAX - 1),
        ] {
            assert_eq!(instant_of(text), Some(Deadline::from_epoch_millis(millis)), "{text}");
        }
        assert_eq!((instant_of(""), instant_of("soon"), instant_of("NaN")), (None, None, None));
    }

    #[test]
    fn a_ghost_is_absent_even_if_it_is_damaged() {
        let item: Item = [(DEADLINE.to_owned(), AttributeValue::N("1000".into()))].into();
        let at = |millis: u64| Now::from_epoch_nanos(millis * 1_000_000);
        assert_eq!(live_header(at(1000), Some(&item)).unwrap(), None);
        assert_eq!(live_header(at(999), Some(&item)).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(live_header(at(999), None).unwrap(), None);
    }
}
