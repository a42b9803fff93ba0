//! The envelope: the stored form of everything that a cache keeps. `docs/layouts.md` describes it.

use bytes::{BufMut, Bytes, BytesMut};
use ttl_core::Deadline;

/// `F5`, then `tc`.
const MAGIC: [u8; 3] = [0xf5, b't', b'c'];
const VERSION: u8 = 1;

/// Random bytes that make every envelope unique, and with it every version of an entry.
pub(crate) type Nonce = [u8; 16];

pub(crate) fn nonce() -> Nonce {
    rand::random()
}

/// The generation of a tag under which a value was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tagged {
    /// Empty for the whole cache.
    pub(crate) tag: String,
    pub(crate) generation: Nonce,
}

/// The metadata of a loaded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The instant from which the value is stale, in milliseconds since the Unix epoch.
    pub(crate) fresh_until: Deadline,
    /// How long the load took.
    pub(crate) load_millis: u32,
    /// The program's version of the type.
    pub(crate) schema: u32,
    /// The codec's id.
    pub(crate) codec: u32,
    /// Whether the load replaced a value that could not be read.
    pub(crate) replaced_unreadable: bool,
    pub(crate) generations: Vec<Tagged>,
}

/// The content of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A load is under way.
    Claim(Vec<Tagged>),
    /// A value.
    Value(Head, Bytes),
    /// The loader found nothing.
    Absent(Head),
    /// The tags of a value that could not be stored, because they were unknown when its load began.
    Tags(Vec<String>),
    /// The generation of a tag. It is the nonce.
    Generation,
    /// A refresh has failed; the next one waits until this entry expires.
    Pause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) nonce: Nonce,
    pub(crate) content: Content,
}

impl Envelope {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(64);
        bytes.put_slice(&MAGIC);
        bytes.put_u8(VERSION);
        let (kind, head, body) = match &self.content {
            Content::Claim(_) => (1, None, None),
            Content::Value(head, body) => (2, Some(head), Some(body)),
            Content::Absent(head) => (3, Some(head), None),
            Content::Tags(_) => (4, None, None),
            Content::Generation => (5, None, None),
            Content::Pause => (6, None, None),
        };
        bytes.put_u8(kind);
        bytes.put_slice(&self.nonce);
        if let Some(head) = head {
            bytes.put_u64(head.fresh_until.as_epoch_millis());
            bytes.put_u32(head.load_millis);
            bytes.put_u32(head.schema);
            bytes.put_u32(head.codec);
            bytes.put_u8(u8::from(head.replaced_unreadable));
            put_generations(&mut bytes, &head.generations);
        }
        match &self.content {
            Content::Claim(generations) => put_generations(&mut bytes, generations),
            Content::Tags(tags) => {
                put_count(&mut bytes, tags.len());
                tags.iter().for_each(|tag| put_text(&mut bytes, tag));
            }
            Content::Value(..) | Content::Absent(_) | Content::Generation | Content::Pause => {}
        }
        if let Some(body) = body {
            bytes.put_slice(body);
        }
        bytes.freeze()
    }

    /// Decodes an envelope. Returns `None` for anything else, and for another version.
    pub(crate) fn decode(bytes: &Bytes) -> Option<Self> {
        let mut rest = Reader(bytes.clone());
        if rest.take(3)? != MAGIC[..] || rest.byte()? != VERSION {
            return None;
        }
        let kind = rest.byte()?;
        let nonce = rest.nonce()?;
        let content = match kind {
            1 => Content::Claim(rest.generations()?),
            2 => {
                let head = rest.head()?;
                Content::Value(head, std::mem::take(&mut rest.0))
            }
            3 => Content::Absent(rest.head()?),
            4 => {
                let count = rest.number::<2>()?;
                Content::Tags((0..count).map(|_| rest.text()).collect::<Option<_>>()?)
            }
            5 => Content::Generation,
            6 => Content::Pause,
            _ => return None,
        };
        rest.0.is_empty().then_some(Self { nonce, content })
    }
}

/// Appends a count or a length. The limits of tags keep both small.
fn put_count(bytes: &mut BytesMut, count: usize) {
    bytes.put_u16(u16::try_from(count).expect("a load has at most 64 tags of 256 bytes"));
}

fn put_text(bytes: &mut BytesMut, text: &str) {
    put_count(bytes, text.len());
    bytes.put_slice(text.as_bytes());
}

fn put_generations(bytes: &mut BytesMut, generations: &[Tagged]) {
    put_count(bytes, generations.len());
    for Tagged { tag, generation } in generations {
        put_text(bytes, tag);
        bytes.put_slice(generation);
    }
}

/// The rest of an envelope. Each method takes a part, or returns `None` if the bytes end too early.
struct Reader(Bytes);

impl Reader {
    fn take(&mut self, count: usize) -> Option<Bytes> {
        (self.0.len() >= count).then(|| self.0.split_to(count))
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn number<const WIDTH: usize>(&mut self) -> Option<u64> {
        Some(self.take(WIDTH)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn nonce(&mut self) -> Option<Nonce> {
        self.take(16)?[..].try_into().ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number::<2>()?;
        String::from_utf8(self.take(usize::try_from(length).ok()?)?.into()).ok()
    }

    fn generations(&mut self) -> Option<Vec<Tagged>> {
        let count = self.number::<2>()?;
        (0..count).map(|_| Some(Tagged { tag: self.text()?, generation: self.nonce()? })).collect()
    }

    fn head(&mut self) -> Option<Head> {
        Some(Head {
            fresh_until: match self.number::<8>()? {
                u64::MAX => Deadline::NEVER,
                millis => Deadline::from_epoch_millis(millis),
            },
            load_millis: self.number::<4>()? as u32,
            schema: self.number::<4>()? as u32,
            codec: self.number::<4>()? as u32,
            replaced_unreadable: match self.byte()? {
                0 => false,
                1 => true,
                _ => return None,
            },
            generations: self.generations()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: Nonce = *b"0123456789abcdef";

    fn head() -> Head {
        Head {
            fresh_until: Deadline::from_epoch_millis(0x0102_0304),
            load_millis: 5,
            schema: 6,
            codec: 7,
            replaced_unreadable: true,
            generations: vec![Tagged { tag: "t".to_owned(), generation: *b"ABCDEFGHIJKLMNOP" }],
        }
    }

    fn contents() -> Vec<Content> {
        vec![
            Content::Claim(vec![Tagged { tag: String::new(), generation: *b"ABCDEFGHIJKLMNOP" }]),
            Content::Value(head(), Bytes::from_static(b"value")),
            Content::Value(
                Head { fresh_until: Deadline::NEVER, generations: vec![], ..head() },
                Bytes::new(),
            ),
            Content::Absent(head()),
            Content::Tags(vec!["a".to_owned(), "é".to_owned()]),
            Content::Generation,
            Content::Pause,
        ]
    }

    #[test]
    fn the_layout_is_stable() {
        let start = |kind: u8| [b"\xf5tc\x01".as_slice(), &[kind], &NONCE].concat();
        let times = b"\0\0\0\0\x01\x02\x03\x04\0\0\0\x05\0\0\0\x06\0\0\0\x07";
        let golden: [Vec<u8>; 7] = [
            [&start(1)[..], b"\0\x01\0\0ABCDEFGHIJKLMNOP"].concat(),
            [&start(2)[..], times, b"\x01\0\x01\0\x01tABCDEFGHIJKLMNOPvalue"].concat(),
            [&start(2)[..], b"\xff\xff\xff\xff\xff\xff\xff\xff", &times[8..], b"\x01\0\0"].concat(),
            [&start(3)[..], times, b"\x01\0\x01\0\x01tABCDEFGHIJKLMNOP"].concat(),
            [&start(4)[..], "\0\u{2}\0\u{1}a\0\u{2}é".as_bytes()].concat(),
            start(5),
            start(6),
        ];
        for (content, golden) in contents().into_iter().zip(golden) {
            let envelope = Envelope { nonce: NONCE, content };
            assert_eq!(envelope.encode(), golden, "{envelope:?}");
            assert_eq!(Envelope::decode(&Bytes::from(golden)), Some(envelope));
        }
    }

    #[test]
    fn no_other_bytes_are_an_envelope() {
        for content in contents() {
            let bytes = Envelope { nonce: NONCE, content: content.clone() }.encode();
            for end in 0..bytes.len() {
                let whole = matches!(content, Content::Value(..)) && end >= bytes.len() - 5;
                let decoded = Envelope::decode(&bytes.slice(..end));
                assert!(decoded.is_none() || whole, "{end} bytes of {content:?}");
            }
            for (at, other) in [(0, b'x'), (3, 2), (4, 0), (4, 7)] {
                let mut bytes = bytes.to_vec();
                bytes[at] = other;
                assert_eq!(Envelope::decode(&bytes.into()), None);
            }
        }
        assert_eq!(Envelope::decode(&Bytes::from_static(b"\xf5tc\x01\x05 0123456789abcdef+")), None);
    }
}
