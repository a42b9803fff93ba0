//! Get: plain commands, or the script if the value must be consistent with a refresh or the deadline.

use std::time::UNIX_EPOCH;

use redis::{Cmd, Value as Reply};
use ttl_core::options::{Fields, GetOptions, Projection, Returning};
use ttl_core::{Deadline, Entry, Key, Kind, RefreshMode, Result, Ttl, Value};

use crate::error::{Decoded, Fault, RequestKind, foreign_content, is_wrong_type, server_text};
use crate::inner::{Inner, Met};
use crate::layout::{
    FullKey, blob_version, decode_hash, decode_named, parse_cap, parse_mark, parse_pexpiretime, parse_version,
};
use crate::wire::arguments::{
    Word, add_fields, add_words, expected_kind, kind_letter, projected_fields, projection_word, refresh_word,
};
use crate::wire::reply::{array, bulk, expiry_and_text, flag, int, other_reply, pairs, texts};
use crate::wire::{Answer, Commands, Form, OVERHEAD, Replies, Request, ScriptAnswer, Status, Step};

pub(crate) async fn get(inner: &Inner, key: &Key, options: &GetOptions) -> Result<Option<Entry>> {
    inner.capabilities.check_get(options)?;
    inner.link.run(&Get::new(inner, key, options)).await
}

/// A get of one key.
pub(crate) struct Get<'a> {
    inner: &'a Inner,
    key: FullKey<'a>,
    options: &'a GetOptions,
    /// Whether the get is part of a scan, which reads entries of either kind.
    listed: bool,
    plain: Option<PlainRead>,
    by: ReadScript,
}

/// The script for a get, if plain commands do not suffice. The two short ones continue with the whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadScript {
    Whole,
    /// A whole blob, with a refresh that never shortens.
    RefreshBlob,
    /// A whole blob, with its deadline.
    TimedBlob,
}

impl ReadScript {
    fn new(options: &GetOptions, listed: bool, met: &Met) -> Self {
        let GetOptions { projection, kind, returning, refresh, .. } = options;
        let blob = match kind {
            Some(kind) => *kind == Kind::Blob,
            None => met.strings.is_set() || !met.hashes.is_set(),
        };
        let deadline = returning.contains(Returning::DEADLINE);
        match refresh {
            _ if listed || !blob || *projection != Projection::All => Self::Whole,
            Some(refresh) if refresh.mode == RefreshMode::ExtendOnly && !deadline => Self::RefreshBlob,
            None if deadline => Self::TimedBlob,
            _ => Self::Whole,
        }
    }
}

/// The plain commands for a get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlainRead {
    /// GET: a blob, whole.
    Blob,
    /// HGETALL: a record, whole.
    Record,
    /// GET and HGETALL: either kind, whole.
    Either,
    /// HMGET and EXISTS: some fields of a record.
    Fields,
    /// TYPE, HMGET and PEXPIRETIME: whether the entry exists and is the driver's, and its deadline.
    Existence,
}

impl PlainRead {
    /// Returns the commands that suffice for a get, if there are any.
    fn new(options: &GetOptions, listed: bool, met: &Met) -> Option<Self> {
        let GetOptions { projection, kind, returning, refresh, .. } = options;
        if refresh.is_some() {
            return None;
        }
        if *projection == Projection::Nothing && kind.is_none() && !returning.contains(Returning::VERSION) {
            return Some(Self::Existence);
        }
        if listed || returning.contains(Returning::DEADLINE) {
            return None;
        }
        match (projection, kind) {
            (Projection::All, Some(Kind::Blob)) if !met.capped_blobs.is_set() => Some(Self::Blob),
            (Projection::All, Some(Kind::Record)) => Some(Self::Record),
            // As long as a store has met one kind only, the other command would be in vain.
            (Projection::All, None) if met.strings.is_set() && !met.hashes.is_set() => Some(Self::Blob),
            (Projection::All, None) if met.hashes.is_set() && !met.strings.is_set() => Some(Self::Record),
            (Projection::All, _) => Some(Self::Either),
            (Projection::Fields(_), _) | (Projection::Nothing, Some(Kind::Record)) => Some(Self::Fields),
            (Projection::Nothing, _) => None,
        }
    }
}

impl<'a> Get<'a> {
    pub(crate) fn new(inner: &'a Inner, key: &'a Key, options: &'a GetOptions) -> Self {
        Self::build(inner, key, options, false)
    }

    /// Creates a get of a scan, which reads entries of either kind.
    pub(crate) fn listed(inner: &'a Inner, key: &'a Key, options: &'a GetOptions) -> Self {
        Self::build(inner, key, options, true)
    }

    fn build(inner: &'a Inner, key: &'a Key, options: &'a GetOptions, listed: bool) -> Self {
        let plain = PlainRead::new(options, listed, &inner.met);
        let by = ReadScript::new(options, listed, &inner.met);
        Self { inner, key: inner.full_key(key), options, listed, plain, by }
    }

    fn command(&self, name: &str, more: usize) -> Cmd {
        let mut cmd = Cmd::with_capacity(2 + more, name.len() + self.key.len() + 16 * more);
        cmd.arg(name).arg(self.key);
        cmd
    }

    /// Returns HMGET of version, cap and fields.
    fn hmget(&self, fields: Option<&Fields>) -> Cmd {
        let mut cmd = self.command("HMGET", 2 + fields.map_or(0, Fields::len));
        cmd.arg("ttl:version").arg("ttl:cap");
        add_fields(&mut cmd, fields);
        cmd
    }

    fn plain_commands(&self, plain: PlainRead) -> Commands {
        match plain {
            PlainRead::Blob => Commands::One(self.command("GET", 0)),
            PlainRead::Record => Commands::One(self.command("HGETALL", 0)),
            PlainRead::Either => Commands::Two(self.command("GET", 0), self.command("HGETALL", 0)),
            PlainRead::Existence => {
                let marks = self.hmget(None);
                Commands::Three(self.command("TYPE", 0), marks, self.command("PEXPIRETIME", 0))
            }
            PlainRead::Fields => {
                let texts = self.hmget(projected_fields(&self.options.projection));
                // Without a version, either there is no entry, or the content is foreign.
                Commands::Two(texts, self.command("EXISTS", 0))
            }
        }
    }

    fn script_command(&self, form: Form) -> Cmd {
        let GetOptions { projection, kind, returning, refresh, .. } = self.options;
        let scripts = &self.inner.scripts;
        let version = if returning.contains(Returning::VERSION) { "1" } else { "" };
        let (mode, ttl, slack) = refresh.map_or(("", 0, 0), |refresh| {
            (refresh_word(refresh.mode), refresh.ttl.as_millis(), refresh.slack.map_or(0, Ttl::as_millis))
        });
        let short = match self.by {
            ReadScript::RefreshBlob => Some(&scripts.refresh_blob),
            ReadScript::TimedBlob => Some(&scripts.timed_blob),
            ReadScript::Whole => None,
        };
        if let Some(short) = short {
            let mut cmd = short.call(form, self.key, 4, 32);
            if self.by == ReadScript::RefreshBlob {
                cmd.arg(ttl);
            }
            let slack = refresh.and_then(|refresh| refresh.slack).map_or(Word::Text(""), Word::Ttl);
            add_words(&mut cmd, &[Word::Text(kind_letter(*kind)), Word::Text(version), slack]);
            return cmd;
        }
        let fields = projected_fields(projection);
        let expected = if self.listed { *kind } else { expected_kind(projection, *kind) };
        let count = fields.map_or(0, Fields::len);
        let mut cmd = scripts.get.call(form, self.key, 6 + count, 64 + 16 * count);
        cmd.arg(projection_word(projection)).arg(kind_letter(expected)).arg(version);
        cmd.arg(mode).arg(ttl).arg(slack);
        add_fields(&mut cmd, fields);
        cmd
    }

    /// Returns what the store has seen, if this get is to be remembered: it names no kind, and is not part of a scan.
    fn met(&self) -> Option<&Met> {
        (self.options.kind.is_none() && !self.listed).then_some(&self.inner.met)
    }

    fn meet_string(&self) {
        if let Some(met) = self.met() {
            met.strings.set();
        }
    }

    fn meet_hash(&self) {
        if let Some(met) = self.met() {
            met.hashes.set();
        }
    }

    fn read_blob(&self, reply: Reply) -> Decoded<Answer<Option<Entry>>> {
        let Some(bytes) = bulk(reply)? else { return Ok(Answer::Done(None)) };
        check_kind(Kind::Blob, self.options.kind)?;
        self.meet_string();
        let wanted = self.options.returning.contains(Returning::VERSION);
        let version = if wanted { Some(blob_version(&bytes)?) } else { None };
        let entry = Entry::new(Value::from(bytes)).with_version(version);
        Ok(Answer::Done(Some(self.with_cap(entry, None))))
    }

    fn read_hash(&self, reply: Reply) -> Decoded<Answer<Option<Entry>>> {
        let Some((mut entry, cap)) = decode_hash(pairs(reply)?)? else { return Ok(Answer::Done(None)) };
        self.meet_hash();
        if self.seems_over(cap) {
            return Ok(Answer::BY_SCRIPT);
        }
        if let Some(value) = &entry.value {
            check_kind(value.kind(), self.options.kind)?;
        }
        if !self.options.returning.contains(Returning::VERSION) {
            entry.version = None;
        }
        Ok(Answer::Done(Some(self.with_cap(entry, cap))))
    }

    /// Adds the cap to an entry, if it is requested. An entry that does not store one has none.
    fn with_cap(&self, entry: Entry, cap: Option<Deadline>) -> Entry {
        entry.with_cap(self.options.cap.then(|| cap.unwrap_or(Deadline::NEVER)))
    }

    /// Returns whether a cap has passed although the key still exists, by the estimate of the server's time.
    /// The driver never writes such an entry, and the script decides.
    fn seems_over(&self, cap: Option<Deadline>) -> bool {
        cap.is_some_and(|cap| {
            let now = self.inner.now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u128::from(cap.as_epoch_millis()) <= now.as_millis()
        })
    }

    fn read_existence(&self, kind: Reply, marks: Reply, expiry: Reply) -> Decoded<Answer<Option<Entry>>> {
        let Reply::SimpleString(kind) = kind else { return Err(other_reply(kind)) };
        let Some(mut deadline) = parse_pexpiretime(int(expiry)?)? else { return Ok(Answer::Done(None)) };
        let mut cap = None;
        match (kind.as_str(), marks) {
            ("string", Reply::ServerError(error)) if is_wrong_type(&error) => {}
            ("hash", Reply::Array(marks)) => {
                let mut marks = texts(marks, 2)?.into_iter();
                let (mark, text) = (marks.next().flatten(), marks.next().flatten());
                parse_mark(&mark.ok_or_else(foreign_content)?)?;
                cap = text.map(|text| parse_cap(&text)).transpose()?;
                if self.seems_over(cap) {
                    return Ok(Answer::BY_SCRIPT);
                }
                deadline = deadline.min(cap.unwrap_or(Deadline::NEVER));
            }
            // Replaced between the commands.
            ("none" | "string" | "hash", _) => return Ok(Answer::BY_SCRIPT),
            _ => return Err(foreign_content().into()),
        }
        let wanted = self.options.returning.contains(Returning::DEADLINE);
        let entry = Entry::default().with_deadline(wanted.then_some(deadline));
        Ok(Answer::Done(Some(self.with_cap(entry, cap))))
    }

    fn read_fields(&self, reply: Reply, exists: Reply) -> Decoded<Answer<Option<Entry>>> {
        let replies = match reply {
            // A blob, or foreign content: the script decides.
            Reply::ServerError(error) if is_wrong_type(&error) => return Ok(Answer::BY_SCRIPT),
            reply => array(reply)?,
        };
        let fields = projected_fields(&self.options.projection);
        let mut texts = texts(replies, 2 + fields.map_or(0, Fields::len))?.into_iter();
        let (mark, cap) = (texts.next().flatten(), texts.next().flatten());
        let cap = cap.map(|cap| parse_cap(&cap)).transpose()?;
        let Some(mark) = mark else {
            return Ok(if flag(exists)? { Answer::BY_SCRIPT } else { Answer::Done(None) });
        };
        let (kind, version) = parse_mark(&mark)?;
        if self.seems_over(cap) {
            return Ok(Answer::BY_SCRIPT);
        }
        check_kind(kind, Some(Kind::Record))?;
        let value = fields.map(|fields| decode_named(fields.iter(), texts)).transpose()?;
        let wanted = self.options.returning.contains(Returning::VERSION);
        let entry = Entry::new(value.map(Value::from)).with_version(wanted.then_some(version));
        Ok(Answer::Done(Some(self.with_cap(entry, cap))))
    }

    fn read_plain(&self, plain: PlainRead, replies: Replies) -> Decoded<Answer<Option<Entry>>> {
        let is_wrong = |reply: &Reply| matches!(reply, Reply::ServerError(error) if is_wrong_type(error));
        match (plain, replies) {
            (PlainRead::Blob | PlainRead::Record, Replies::One(reply)) if is_wrong(&reply) => {
                // The kind was only a guess: a user who may not run scripts can still read the other one.
                let guessed = self.options.kind.is_none();
                Ok(if guessed { Answer::Next(Step::OtherPlain) } else { Answer::BY_SCRIPT })
            }
            (PlainRead::Blob, Replies::One(reply)) => self.read_blob(reply),
            (PlainRead::Record, Replies::One(reply)) => self.read_hash(reply),
            // Replaced between the two, or foreign content.
            (PlainRead::Either, Replies::Two(blob, hash)) if is_wrong(&blob) && is_wrong(&hash) => {
                Ok(Answer::BY_SCRIPT)
            }
            (PlainRead::Either, Replies::Two(blob, hash)) if is_wrong(&blob) => self.read_hash(hash),
            (PlainRead::Either, Replies::Two(blob, _)) => self.read_blob(blob),
            (PlainRead::Fields, Replies::Two(texts, exists)) => self.read_fields(texts, exists),
            (PlainRead::Existence, Replies::Three(kind, marks, expiry)) => {
                self.read_existence(kind, marks, expiry)
            }
            _ => Err(Fault::UnknownForm("a read")),
        }
    }

    /// Reads the answer of a short script: the value, or its expiry and the value; otherwise that of the whole one.
    fn read_short_script(&self, reply: Reply) -> Decoded<Answer<Option<Entry>>> {
        match (self.by, reply) {
            (ReadScript::RefreshBlob, reply @ Reply::BulkString(_))
            | (ReadScript::RefreshBlob | ReadScript::TimedBlob, reply @ Reply::Nil) => self.read_blob(reply),
            (ReadScript::TimedBlob, reply) => {
                let (expiry, value) = match expiry_and_text(reply) {
                    Ok(split) => split,
                    Err(other) => return self.read_script(ScriptAnswer::decode(Replies::One(other))?),
                };
                let deadline = parse_pexpiretime(expiry)?.ok_or(ScriptAnswer::UNKNOWN)?;
                Ok(match self.read_blob(value)? {
                    Answer::Done(Some(entry)) => Answer::Done(Some(entry.with_deadline(deadline))),
                    other => other,
                })
            }
            (_, reply) => self.read_script(ScriptAnswer::decode(Replies::One(reply))?),
        }
    }

    fn read_script(&self, mut answer: ScriptAnswer) -> Decoded<Answer<Option<Entry>>> {
        let GetOptions { projection, kind, returning, .. } = self.options;
        match answer.status {
            Status::Done => {}
            Status::Absent => return Ok(Answer::Done(None)),
            Status::WrongKind => {
                let expected = expected_kind(projection, *kind).unwrap_or(Kind::Record);
                return Err(Fault::Refused(expected.wrong()));
            }
            _ => return Err(ScriptAnswer::UNKNOWN),
        }
        let (deadline, cap) = (answer.deadline()?, answer.deadline()?);
        let version = answer.text()?.map(|text| parse_version(&text)).transpose()?;
        let refresh_error = answer.text()?;
        let kind = answer.kind()?.ok_or(ScriptAnswer::UNKNOWN)?;
        let value = answer.value(projection, kind)?;
        if kind == Kind::Blob && self.plain == Some(PlainRead::Blob) {
            // The plain GET failed before, so this blob has a cap.
            self.inner.met.capped_blobs.set();
        }
        if kind == Kind::Blob && cap == Deadline::NEVER {
            self.meet_string();
        } else {
            self.meet_hash();
        }
        let mut entry = Entry::new(value)
            .with_deadline(returning.contains(Returning::DEADLINE).then_some(deadline))
            .with_cap(self.options.cap.then_some(cap))
            .with_version(version);
        let Some(text) = refresh_error else { return Ok(Answer::Done(Some(entry))) };
        let fault = server_text(&String::from_utf8_lossy(&text));
        let displaced = matches!(fault, Fault::Displaced(_));
        entry.refresh_error = Some(fault.into_error(RequestKind::Refresh).with_operation("refresh"));
        Ok(if displaced { Answer::Displaced(Some(entry)) } else { Answer::Done(Some(entry)) })
    }
}

impl Request for Get<'_> {
    type Output = Option<Entry>;

    fn kind(&self) -> RequestKind {
        if self.options.refresh.is_some() { RequestKind::Refresh } else { RequestKind::Read }
    }

    fn bytes(&self) -> usize {
        OVERHEAD + self.key.len()
    }

    fn first(&self) -> Step {
        if self.plain.is_some() { Step::Plain } else { Step::Script(Form::Sha) }
    }

    fn commands(&self, step: Step) -> Commands {
        match (step, self.plain) {
            (Step::Plain, Some(plain)) => self.plain_commands(plain),
            (Step::OtherPlain, _) => self.plain_commands(PlainRead::Either),
            (step, _) => Commands::One(self.script_command(step.form())),
        }
    }

    fn read(&self, step: Step, replies: Replies) -> Decoded<Answer<Self::Output>> {
        match (step, self.plain, replies) {
            (Step::Plain, Some(plain), replies) => self.read_plain(plain, replies),
            (Step::OtherPlain, _, replies) => self.read_plain(PlainRead::Either, replies),
            (_, _, Replies::One(reply)) if self.by != ReadScript::Whole => self.read_short_script(reply),
            (_, _, replies) => self.read_script(ScriptAnswer::decode(replies)?),
        }
    }
}

fn check_kind(stored: Kind, expected: Option<Kind>) -> Result<()> {
    match expected {
        Some(expected) if stored != expected => Err(expected.wrong()),
        _ => Ok(()),
    }
}
