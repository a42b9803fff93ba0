//! Decodes the replies of single commands.

use redis::Value as Reply;

use crate::error::{Decoded, Fault, server};
use crate::layout::Pair;

/// Decodes a text, or nil.
pub(crate) fn bulk(reply: Reply) -> Decoded<Option<Vec<u8>>> {
    match reply {
        Reply::BulkString(bytes) => Ok(Some(bytes)),
        Reply::Nil => Ok(None),
        other => Err(other_reply(other)),
    }
}

/// Decodes a whole number.
pub(crate) fn int(reply: Reply) -> Decoded<i64> {
    match reply {
        Reply::Int(number) => Ok(number),
        other => Err(other_reply(other)),
    }
}

/// Decodes a boolean.
pub(crate) fn flag(reply: Reply) -> Decoded<bool> {
    match reply {
        Reply::Int(0) => Ok(false),
        Reply::Int(1) => Ok(true),
        other => Err(other_reply(other)),
    }
}

/// Splits an answer of an expiry and a text. Returns any other one as the error.
pub(crate) fn expiry_and_text(reply: Reply) -> Result<(i64, Reply), Reply> {
    let Reply::Array(items) = reply else { return Err(reply) };
    match <[Reply; 2]>::try_from(items) {
        Ok([Reply::Int(expiry), text @ Reply::BulkString(_)]) => Ok((expiry, text)),
        Ok(others) => Err(Reply::Array(others.into())),
        Err(others) => Err(Reply::Array(others)),
    }
}

/// Decodes a list.
pub(crate) fn array(reply: Reply) -> Decoded<Vec<Reply>> {
    match reply {
        Reply::Array(items) => Ok(items),
        other => Err(other_reply(other)),
    }
}

/// Decodes a list of `count` texts, as HMGET returns it; a missing field is nil.
pub(crate) fn texts(replies: Vec<Reply>, count: usize) -> Decoded<Vec<Option<Vec<u8>>>> {
    if replies.len() != count {
        return Err(Fault::UnknownForm("HMGET"));
    }
    replies.into_iter().map(bulk).collect()
}

/// Decodes names and texts: a map in RESP3, a list in RESP2 and from scripts.
pub(crate) fn pairs(reply: Reply) -> Decoded<Vec<Pair>> {
    let text = |reply| bulk(reply)?.ok_or(Fault::UnknownForm("a read"));
    match reply {
        Reply::Map(pairs) => pairs.into_iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect(),
        Reply::Array(items) if items.len().is_multiple_of(2) => {
            let mut items = items.into_iter();
            let mut pairs = Vec::with_capacity(items.len() / 2);
            while let (Some(name), Some(value)) = (items.next(), items.next()) {
                pairs.push((text(name)?, text(value)?));
            }
            Ok(pairs)
        }
        other => Err(other_reply(other)),
    }
}

/// Returns the fault for a reply that the command cannot have: an error of the server, or an unknown form.
pub(crate) fn other_reply(reply: Reply) -> Fault {
    match reply {
        Reply::ServerError(error) => server(&error),
        _ => Fault::UnknownForm("a command"),
    }
}
