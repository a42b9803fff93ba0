//! `MessagePack`: the codec, and its limit of nesting.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ttl_core::Result;
use ttl_core::codec::{Codec, Misfit, ReadBack, cannot_decode, cannot_encode, cannot_read_back};

/// The maximum number of levels of arrays and maps that are decoded. Values that [`MessagePack`] encodes have
/// at most 120.
const MAX_LEVELS: usize = 128;

/// The `MessagePack` codec: values as `MessagePack` bytes, by serde. Structs are maps by field name, so that
/// fields can be added and removed later.
///
/// More than 120 levels of nesting are rejected: an `Option` or a newtype is one level, a struct or tuple
/// variant is two. Bytes that are nested deeper than 128 levels are rejected before they are decoded, because
/// decoding them could overflow the stack.
///
/// A value with map keys that are not text is decoded before it is stored, and rejected if the type cannot
/// read it. The reason is that serde loses the type of such a key under `flatten` or a tag.
///
/// Requires the feature `msgpack`.
///
/// ```
/// use ttl_store::{Codec, MessagePack};
///
/// let bytes = MessagePack.encode(&vec![1_u8, 2, 3])?;
/// let numbers: Vec<u8> = MessagePack.decode(bytes)?;
/// assert_eq!(numbers, [1, 2, 3]);
/// # Ok::<(), ttl_store::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessagePack;

impl<T: Serialize + DeserializeOwned> Codec<T> for MessagePack {
    fn id(&self) -> u32 {
        3
    }

    fn encode(&self, value: &T) -> Result<Bytes> {
        let read_back = ttl_core::codec::check_depth(value)?;
        let bytes = rmp_serde::to_vec_named(value)
            .map(Bytes::from)
            .map_err(|error| cannot_encode::<T>("MessagePack").with_source(Misfit::new(&error)))?;
        if read_back == ReadBack::Uncertain {
            Codec::<T>::decode(self, bytes.clone()).map_err(|error| cannot_read_back::<T>(&error))?;
        }
        Ok(bytes)
    }

    fn decode(&self, bytes: Bytes) -> Result<T> {
        if levels_exceed(&bytes, MAX_LEVELS) {
            return Err(
                cannot_decode::<T>("MessagePack").with_source(rmp_serde::decode::Error::DepthLimitExceeded)
            );
        }
        rmp_serde::from_slice(&bytes)
            .map_err(|error| cannot_decode::<T>("MessagePack").with_source(Misfit::new(&markless(error))))
    }
}

/// Removes the marker from an error. A marker contains the value itself if that is a small number, and the
/// error would print it.
fn markless(error: rmp_serde::decode::Error) -> rmp_serde::decode::Error {
    use rmp_serde::decode::Error;
    match error {
        Error::TypeMismatch(_) => Error::Syntax("a value of another type".to_owned()),
        error => error,
    }
}

/// Returns whether arrays and maps are nested deeper than `most`, without recursion. The decoder's own limit
/// does not count enums, and its default overflows the stack. Truncated and reserved bytes are left for the
/// decoder to reject.
fn levels_exceed(bytes: &[u8], most: usize) -> bool {
    let mut rest = bytes;
    // The number of missing values of each array or map that has begun.
    let mut open: Vec<u64> = Vec::new();
    loop {
        let Some((marker, after)) = rest.split_first() else { return false };
        let Some((payload, values)) = extent(*marker, after) else { return false };
        let Some(after) = after.get(payload..) else { return false };
        rest = after;
        if values > 0 {
            open.push(values);
            if open.len() > most {
                return true;
            }
            continue;
        }
        // A value has ended, and with it each container whose last value it was.
        while let Some(missing) = open.last_mut() {
            *missing -= 1;
            if *missing > 0 {
                break;
            }
            open.pop();
        }
        if open.is_empty() {
            return false;
        }
    }
}

/// Returns how many bytes follow a marker before the next one, and how many values a container has. `None`
/// for a reserved marker or truncated bytes.
fn extent(marker: u8, after: &[u8]) -> Option<(usize, u64)> {
    let length = |width: usize| {
        let bytes = after.get(..width)?;
        Some(bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)))
    };
    let bytes = |width: usize, more: usize| Some((length(width)?.checked_add(width + more)?, 0));
    let values = |width: usize, each: u64| Some((width, length(width)? as u64 * each));
    match marker {
        0x80..=0x8f => Some((0, u64::from(marker & 0x0f) * 2)),
        0x90..=0x9f => Some((0, u64::from(marker & 0x0f))),
        0xa0..=0xbf => Some((usize::from(marker & 0x1f), 0)),
        0xc1 => None,
        0xc4 | 0xd9 => bytes(1, 0),
        0xc5 | 0xda => bytes(2, 0),
        0xc6 | 0xdb => bytes(4, 0),
        // An extension has one more byte for its type.
        0xc7 => bytes(1, 1),
        0xc8 => bytes(2, 1),
        0xc9 => bytes(4, 1),
        0xcc | 0xd0 => Some((1, 0)),
        0xcd | 0xd1 | 0xd4 => Some((2, 0)),
        0xd5 => Some((3, 0)),
        0xca | 0xce | 0xd2 => Some((4, 0)),
        0xd6 => Some((5, 0)),
        0xcb | 0xcf | 0xd3 => Some((8, 0)),
        0xd7 => Some((9, 0)),
        0xd8 => Some((17, 0)),
        0xdc => values(2, 1),
        0xdd => values(4, 1),
        0xde => values(2, 2),
        0xdf => values(4, 2),
        // Small numbers, nil and booleans are their own marker.
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Some((0, 0)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use ttl_core::ErrorKind;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Chain {
        End,
        Link(Box<Chain>),
        Named { next: Box<Chain> },
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Known {
        #[serde(default)]
        a: u8,
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        rest: BTreeMap<String, serde_json::Value>,
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u64),
        List(Vec<Untagged>),
    }

    fn refused<T: Serialize + DeserializeOwned + std::fmt::Debug>(bytes: &[u8]) {
        let decoded: Result<T> = MessagePack.decode(Bytes::copy_from_slice(bytes));
        assert_eq!(decoded.unwrap_err().kind(), ErrorKind::Codec);
    }

    #[test]
    fn deep_nesting_is_refused_at_every_shape_and_never_overflows_the_stack() {
        for levels in [129, 900, 100_000] {
            let arrays = [vec![0x91; levels], vec![0x01]].concat();
            let maps = b"\x81\xa4Link".repeat(levels);
            let under = |name: &[u8]| [name, &arrays].concat();
            refused::<serde_json::Value>(&arrays);
            refused::<Untagged>(&arrays);
            refused::<Known>(&under(b"\x81\xa1b"));
            refused::<Flat>(&under(b"\x81\xa1b"));
            refused::<Chain>(&[&maps[..], b"\xa3End"].concat());
        }
    }

    #[test]
    fn what_is_encoded_can_be_decoded_at_every_depth() {
        let link: fn(Chain) -> Chain = |chain| Chain::Link(Box::new(chain));
        let named: fn(Chain) -> Chain = |chain| Chain::Named { next: Box::new(chain) };
        for add in [link, named] {
            let mut chain = Chain::End;
            for levels in 1.. {
                chain = add(chain);
                match MessagePack.encode(&chain) {
                    Ok(bytes) => {
                        assert_eq!(Codec::<Chain>::decode(&MessagePack, bytes).unwrap(), chain, "{levels}");
                        chain = (0..levels).fold(Chain::End, |chain, _| add(chain));
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Codec);
                        assert!(levels > 30, "{levels}");
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn every_marker_is_passed_over() {
        let mut everything: Vec<(String, serde_json::Value)> = Vec::new();
        for length in [0, 1, 15, 16, 31, 32, 255, 256, 65_536] {
            everything.push((format!("text {length}"), "x".repeat(length).into()));
            everything.push((format!("list {length}"), vec![1; length].into()));
        }
        for number in [0, 127, 128, -1, -33, 255, 256, 65_536, i64::MAX, i64::MIN] {
            everything.push((format!("number {number}"), number.into()));
        }
        everything.push(("others".to_owned(), serde_json::json!([null, true, false, 0.5, u64::MAX, {}])));
        let everything: BTreeMap<_, _> = everything.into_iter().collect();
        let bytes = rmp_serde::to_vec_named(&everything).unwrap();
        assert!(!levels_exceed(&bytes, 2) && levels_exceed(&bytes, 1));
        // The deep part comes last, so it is found only if everything before it is skipped correctly.
        let deep = [b"\x92", &bytes[..], &[0x91; 10], b"\x01"].concat();
        assert!(levels_exceed(&deep, 10) && !levels_exceed(&deep, 11));
        let extensions = b"\x98\xd4\x01a\xd5\x01ab\xd6\x01abcd\xd7\x01abcdefgh\xd8\x01abcdefghabcdefgh\xc7\x01\x01a\xc8\0\x01\x01a\xc9\0\0\0\x01\x01a";
        let binary = b"\x94\xc4\x01a\xc5\0\x01a\xc6\0\0\0\x01a\xca\0\0\0\0";
        for bytes in [&extensions[..], binary] {
            let deep = [b"\x92", bytes, &[0x91; 10], b"\x01"].concat();
            assert!(levels_exceed(&deep, 10) && !levels_exceed(&deep, 11));
        }
        for cut in 0..bytes.len().min(500) {
            assert!(!levels_exceed(&bytes[..cut], 2), "what is cut off ends");
        }
    }

    #[test]
    fn what_the_type_cannot_read_back_is_refused() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Tagged {
            #[serde(flatten)]
            wide: Wide,
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Wide {
            wide: u128,
        }
        let plain: BTreeMap<u64, u64> = [(7, 8)].into();
        let bytes = MessagePack.encode(&plain).unwrap();
        assert_eq!(Codec::<BTreeMap<u64, u64>>::decode(&MessagePack, bytes).unwrap(), plain);
        let error = MessagePack.encode(&Tagged { wide: Wide { wide: u128::MAX } }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Codec);
        assert!(error.to_string().contains("cannot be read back"), "{error}");
    }
}
