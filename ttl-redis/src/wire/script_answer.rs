//! The answer of a script: its status, and the items that follow.

use std::vec::IntoIter;

use redis::Value as Reply;
use ttl_core::options::Projection;
use ttl_core::{Deadline, Expiry, Kind, Value};

use super::reply::{array, bulk, flag, int, pairs, texts};
use super::request::Replies;
use crate::error::{Decoded, Fault, foreign_content};
use crate::layout::{decode_hash, decode_named};

/// The first item of every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Done; the items depend on the script.
    Done,
    /// There is no entry.
    Absent,
    /// The condition or the version does not hold.
    Refused,
    /// The entry has the other kind.
    WrongKind,
    /// A sum would leave its bounds.
    OutOfBounds,
    /// The work would block the server for too long.
    TooLong,
    /// A field has a type that an operation does not allow; the item is its number.
    WrongFieldType,
    /// A sum is out of range; the item is the number of its field.
    Overflow,
    /// The value would be too large; the item is its size.
    TooLarge,
}

/// The answer of a script that has not failed.
#[derive(Debug)]
pub(crate) struct ScriptAnswer {
    pub(crate) status: Status,
    items: IntoIter<Reply>,
}

impl ScriptAnswer {
    /// The fault for an answer that the script cannot give.
    pub(crate) const UNKNOWN: Fault = Fault::UnknownForm("a script");

    /// Decodes an answer. Foreign content and a deadline that is too far away are refusals of every script.
    pub(crate) fn decode(replies: Replies) -> Decoded<Self> {
        let Replies::One(reply) = replies else { return Err(Self::UNKNOWN) };
        let mut items = array(reply)?.into_iter();
        let status = match items.next().map(bulk).transpose()?.flatten().as_deref() {
            Some(b"done") => Status::Done,
            Some(b"absent") => Status::Absent,
            Some(b"refused") => Status::Refused,
            Some(b"wrong_kind") => Status::WrongKind,
            Some(b"out_of_bounds") => Status::OutOfBounds,
            Some(b"too_long") => Status::TooLong,
            Some(b"wrong_field_type") => Status::WrongFieldType,
            Some(b"overflow") => Status::Overflow,
            Some(b"too_large") => Status::TooLarge,
            Some(b"corrupt") => return Err(Fault::Refused(foreign_content())),
            Some(b"too_far") => return Err(Fault::Refused(Expiry::too_far())),
            _ => return Err(Self::UNKNOWN),
        };
        Ok(Self { status, items })
    }

    fn next(&mut self) -> Decoded<Reply> {
        self.items.next().ok_or(Self::UNKNOWN)
    }

    /// Returns whether no items are left.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.as_slice().is_empty()
    }

    /// Takes a text, or nil.
    pub(crate) fn text(&mut self) -> Decoded<Option<Vec<u8>>> {
        bulk(self.next()?)
    }

    /// Takes a whole number.
    pub(crate) fn int(&mut self) -> Decoded<i64> {
        int(self.next()?)
    }

    /// Takes a boolean.
    pub(crate) fn flag(&mut self) -> Decoded<bool> {
        flag(self.next()?)
    }

    /// Takes a list.
    pub(crate) fn array(&mut self) -> Decoded<Vec<Reply>> {
        array(self.next()?)
    }

    /// Takes a deadline.
    pub(crate) fn deadline(&mut self) -> Decoded<Deadline> {
        Ok(u64::try_from(self.int()?).map_or(Deadline::NEVER, Deadline::from_epoch_millis))
    }

    /// Takes the kind of an entry; `None` for no entry.
    pub(crate) fn kind(&mut self) -> Decoded<Option<Kind>> {
        match self.text()?.as_deref() {
            Some(b"b") => Ok(Some(Kind::Blob)),
            Some(b"r") => Ok(Some(Kind::Record)),
            None => Ok(None),
            _ => Err(Self::UNKNOWN),
        }
    }

    /// Takes the last item, the value of an entry. An answer without a value omits it.
    pub(crate) fn value(&mut self, projection: &Projection, kind: Kind) -> Decoded<Option<Value>> {
        let value = self.items.next().unwrap_or(Reply::Nil);
        Ok(match (projection, kind) {
            (Projection::Nothing, _) | (Projection::Fields(_), Kind::Blob) => None,
            (Projection::Fields(fields), Kind::Record) => {
                Some(decode_named(fields.iter(), texts(array(value)?, fields.len())?)?.into())
            }
            (Projection::All, Kind::Blob) => Some(bulk(value)?.ok_or_else(foreign_content)?.into()),
            (Projection::All, Kind::Record) => decode_hash(pairs(value)?)?.and_then(|(entry, _)| entry.value),
        })
    }
}
