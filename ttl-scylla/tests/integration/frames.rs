//! CQL frames (protocol version 4), as far as the wire has to understand them.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// What a frame is; others are carried unread.
pub(crate) const ERROR: u8 = 0x00;
pub(crate) const QUERY: u8 = 0x07;
pub(crate) const RESULT: u8 = 0x08;
pub(crate) const PREPARE: u8 = 0x09;
pub(crate) const EXECUTE: u8 = 0x0a;
pub(crate) const BATCH: u8 = 0x0d;

/// What the server's words in an error of the wire's quote.
pub(crate) const QUOTED: &str = "quoted-s3cret";

/// A request or an answer.
#[derive(Debug)]
pub(crate) struct Frame {
    version: u8,
    flags: u8,
    pub(crate) stream: i16,
    pub(crate) opcode: u8,
    pub(crate) body: Vec<u8>,
}

/// An error that a server answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    ServerError,
    Overloaded,
    Bootstrapping,
    /// Too few replicas to agree on anything.
    UnavailableForPaxos,
    /// Too few replicas to commit to.
    UnavailableForCommit,
    /// Nobody knows what the replicas agreed on.
    WriteTimeoutCas,
    /// They agreed, and too few have said that they have it.
    WriteTimeoutSimple,
    WriteFailure,
    ReadTimeout,
    ReadFailure,
    Unauthorized,
    Invalid,
    /// The server has forgotten the statement.
    Unprepared,
}

pub(crate) const REFUSALS: [Refusal; 13] = [
    Refusal::ServerError,
    Refusal::Overloaded,
    Refusal::Bootstrapping,
    Refusal::UnavailableForPaxos,
    Refusal::UnavailableForCommit,
    Refusal::WriteTimeoutCas,
    Refusal::WriteTimeoutSimple,
    Refusal::WriteFailure,
    Refusal::ReadTimeout,
    Refusal::ReadFailure,
    Refusal::Unauthorized,
    Refusal::Invalid,
    Refusal::Unprepared,
];

/// How the server's answer is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoilt {
    /// It is of another kind: nothing, a changed schema, or no result at all.
    Void,
    SchemaChange,
    Ready,
    UnknownKind,
    /// One row of another table, or none.
    OtherRow,
    OtherRows,
    /// It ends in the middle, or before it begins.
    Truncated,
    Empty,
    /// It is an error that ends in the middle.
    TruncatedError,
}

/// All but the one that the client library takes its time for.
pub(crate) const SPOILT: [Spoilt; 8] = [
    Spoilt::Void,
    Spoilt::Ready,
    Spoilt::UnknownKind,
    Spoilt::OtherRow,
    Spoilt::OtherRows,
    Spoilt::Truncated,
    Spoilt::Empty,
    Spoilt::TruncatedError,
];

impl Spoilt {
    fn opcode_and_body(self, body: &[u8]) -> (u8, Vec<u8>) {
        // One column: of kind int, named.
        let rows = |count: u32| {
            let mut rows = [2_u32, 1, 1].map(u32::to_be_bytes).concat();
            rows.extend([short(b"other"), short(b"rows"), short(b"other"), vec![0, 9]].concat());
            rows.extend(count.to_be_bytes());
            rows.extend([4_u32, 7].map(u32::to_be_bytes).concat().repeat(count as usize));
            rows
        };
        let kind = |kind: u32| kind.to_be_bytes().to_vec();
        match self {
            Self::Void => (RESULT, kind(1)),
            Self::SchemaChange => {
                let words = ["UPDATED", "TABLE", "other", "rows"].map(|word| short(word.as_bytes()));
                (RESULT, [kind(5), words.concat()].concat())
            }
            Self::Ready => (0x02, Vec::new()),
            Self::UnknownKind => (RESULT, kind(99)),
            Self::OtherRow => (RESULT, rows(1)),
            Self::OtherRows => (RESULT, rows(0)),
            Self::Truncated => (RESULT, body[..body.len() / 2].to_vec()),
            Self::Empty => (RESULT, Vec::new()),
            Self::TruncatedError => (ERROR, vec![0, 0, 0x11, 0, 0]),
        }
    }
}

const QUORUM: u16 = 4;
const LOCAL_QUORUM: u16 = 6;
const LOCAL_SERIAL: u16 = 9;

impl Refusal {
    /// The code, and what follows the text.
    fn parts(self, statement: &[u8]) -> (u32, Vec<u8>) {
        let counts = |consistency: u16, counts: &[u32]| {
            let mut rest = consistency.to_be_bytes().to_vec();
            rest.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
            rest
        };
        let write = |mut rest: Vec<u8>, kind: &str| {
            rest.extend(short(kind.as_bytes()));
            rest
        };
        match self {
            Self::ServerError => (0x0000, vec![]),
            Self::Overloaded => (0x1001, vec![]),
            Self::Bootstrapping => (0x1002, vec![]),
            Self::UnavailableForPaxos => (0x1000, counts(LOCAL_QUORUM, &[2, 1])),
            Self::UnavailableForCommit => (0x1000, counts(QUORUM, &[2, 1])),
            Self::WriteTimeoutCas => (0x1100, write(counts(LOCAL_SERIAL, &[1, 2]), "CAS")),
            Self::WriteTimeoutSimple => (0x1100, write(counts(QUORUM, &[1, 2]), "SIMPLE")),
            Self::WriteFailure => (0x1500, write(counts(QUORUM, &[1, 2, 1]), "CAS")),
            Self::ReadTimeout => (0x1200, [counts(LOCAL_SERIAL, &[1, 2]), vec![0]].concat()),
            Self::ReadFailure => (0x1300, [counts(LOCAL_SERIAL, &[1, 2, 1]), vec![0]].concat()),
            Self::Unauthorized => (0x2100, vec![]),
            Self::Invalid => (0x2200, vec![]),
            Self::Unprepared => (0x2500, short(statement)),
        }
    }
}

/// Bytes behind their length.
fn short(bytes: &[u8]) -> Vec<u8> {
    let mut all = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    all.extend_from_slice(bytes);
    all
}

impl Frame {
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let (version, flags) = (from.read_u8().await?, from.read_u8().await?);
        let (stream, opcode) = (from.read_i16().await?, from.read_u8().await?);
        let mut body = vec![0; from.read_u32().await? as usize];
        from.read_exact(&mut body).await?;
        Ok(Self { version, flags, stream, opcode, body })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.version, self.flags];
        bytes.extend(self.stream.to_be_bytes());
        bytes.push(self.opcode);
        bytes.extend(u32::try_from(self.body.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The wire carries such a one unread.
    pub(crate) fn is_compressed(&self) -> bool {
        self.flags & 1 != 0
    }

    /// The text of a query, or of a statement to prepare.
    pub(crate) fn text(&self) -> String {
        let (length, rest) = self.body.split_first_chunk::<4>().unwrap();
        String::from_utf8(rest[..u32::from_be_bytes(*length) as usize].to_vec()).unwrap()
    }

    /// Which statement is executed.
    pub(crate) fn executed(&self) -> &[u8] {
        read_short(&self.body)
    }

    /// Which name the server gives a statement that it has prepared.
    pub(crate) fn prepared(&self) -> Option<Vec<u8>> {
        if self.opcode != RESULT {
            return None;
        }
        let mut body = &self.body[..];
        // A trace's name and warnings come first.
        if self.flags & 2 != 0 {
            body = &body[16..];
        }
        if self.flags & 8 != 0 {
            let (count, rest) = body.split_first_chunk::<2>().unwrap();
            body = rest;
            for _ in 0..u16::from_be_bytes(*count) {
                body = &body[2 + read_short(body).len()..];
            }
        }
        let (kind, rest) = body.split_first_chunk::<4>()?;
        (u32::from_be_bytes(*kind) == 4).then(|| read_short(rest).to_vec())
    }

    /// An error in answer to this request.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Self {
        self.answer_with(refusal, if self.opcode == EXECUTE { self.executed() } else { &[] })
    }

    fn answer_with(&self, refusal: Refusal, statement: &[u8]) -> Self {
        let (code, rest) = refusal.parts(statement);
        let mut body = code.to_be_bytes().to_vec();
        body.extend(short(format!("the server's words, with what was {QUOTED}").as_bytes()));
        body.extend(rest);
        Self { version: self.version | 0x80, flags: 0, stream: self.stream, opcode: ERROR, body }
    }

    /// This answer, spoilt.
    pub(crate) fn spoil(&self, spoilt: Spoilt) -> Self {
        let (opcode, body) = spoilt.opcode_and_body(&self.body);
        Self { flags: 0, opcode, body, ..*self }
    }

    /// The beginning of an answer to this request that says to be as long as can be said.
    pub(crate) fn endless_answer(&self) -> Vec<u8> {
        let mut bytes =
            Self { version: self.version | 0x80, flags: 0, opcode: RESULT, body: Vec::new(), ..*self }
                .encode();
        let length = bytes.len() - 4;
        bytes[length..].fill(0xff);
        bytes
    }

    /// Whether it holds this text, as a bound key does.
    pub(crate) fn holds(&self, text: &str) -> bool {
        text.is_empty() || self.body.windows(text.len()).any(|part| part == text.as_bytes())
    }
}

fn read_short(body: &[u8]) -> &[u8] {
    let (length, rest) = body.split_first_chunk::<2>().unwrap();
    &rest[..usize::from(u16::from_be_bytes(*length))]
}
