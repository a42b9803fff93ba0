//! Get: plain commands if they suffice, and the script if the value must be consistent with a refresh or the
//! deadline.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use redis::{Cmd, Value as Reply};
use ttl_core::{Deadline, Entry, Error, GetOptions, Kind, Projection, RefreshMode, Result, Returning, Value};

use crate::codec::{self, FullKey, bulk, int};
use crate::connection::Link;
use crate::error::{Decoded, Fault, RequestKind, foreign_content, is_wrong_type, server, server_text};
use crate::request::{Answer, Commands, OVERHEAD, Replies, Request, Step};
use crate::scripts::{Form, Script};

/// A get of one key.
pub(crate) struct Get<'a> {
    pub(crate) link: &'a Link,
    pub(crate) script: &'a Script,
    pub(crate) key: FullKey<'a>,
    pub(crate) options: &'a GetOptions,
    /// Set once a plain GET has found a blob with a cap, so that later gets of such blobs take one round
    /// trip.
    pub(crate) capped_blobs: &'a AtomicBool,
    /// Whether the get is part of a scan, which reads entries of either kind.
    pub(crate) listed: bool,
}

/// The plain commands for a get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plain {
    /// GET: a blob, whole.
    Blob,
    /// HGETALL: a record, whole.
    Record,
    /// GET and HGETALL: either kind, whole.
    Either,
    /// HMGET and EXISTS: some fields of a record.
    Part,
    /// TYPE, HMGET and PEXPIRETIME: whether the entry exists and is the driver's, and its deadline.
    Life,
}

impl Get<'_> {
    fn plain(&self) -> Option<Plain> {
        let GetOptions { projection, kind, returning, refresh, .. } = self.options;
        if refresh.is_some() {
            return None;
        }
        if *projection == Projection::Nothing && kind.is_none() && !returning.contains(Returning::VERSION) {
            return Some(Plain::Life);
        }
        if self.listed || returning.contains(Returning::DEADLINE) {
            return None;
        }
        match (projection, kind) {
            (Projection::All, Some(Kind::Blob)) if self.capped_blobs.load(Ordering::Relaxed) => {
                Some(Plain::Either)
            }
            (Projection::All, Some(Kind::Blob)) => Some(Plain::Blob),
            (Projection::All, Some(Kind::Record)) => Some(Plain::Record),
            (Projection::All, None) => Some(Plain::Either),
            (Projection::Fields(_), _) | (Projection::Nothing, Some(Kind::Record)) => Some(Plain::Part),
            (Projection::Nothing, _) => None,
        }
    }

    fn command(&self, name: &str, more: usize) -> Cmd {
        let mut cmd = Cmd::with_capacity(2 + more, name.len() + self.key.len() + 16 * more);
        cmd.arg(name).arg(self.key);
        cmd
    }

    fn plain_commands(&self, plain: Plain) -> Commands {
        match plain {
            Plain::Blob => Commands::One(self.command("GET", 0)),
            Plain::Record => Commands::One(self.command("HGETALL", 0)),
            Plain::Either => Commands::Two(self.command("GET", 0), self.command("HGETALL", 0)),
            Plain::Life => {
                let mut marks = self.command("HMGET", 2);
                marks.arg("ttl:version").arg("ttl:cap");
                Commands::Three(self.command("TYPE", 0), marks, self.command("PEXPIRETIME", 0))
            }
            Plain::Part => {
                let fields = match &self.options.projection {
                    Projection::Fields(fields) => Some(fields),
                    Projection::All | Projection::Nothing => None,
                };
                let mut cmd = self.command("HMGET", 2 + fields.map_or(0, ttl_core::Fields::len));
                cmd.arg("ttl:version").arg("ttl:cap");
                fields.iter().flat_map(|fields| fields.iter()).for_each(|field| {
                    cmd.arg(field);
                });
                // Without a version, either there is no entry, or the content is foreign.
                Commands::Two(cmd, self.command("EXISTS", 0))
            }
        }
    }

    fn script_command(&self, form: Form) -> Cmd {
        let GetOptions { projection, kind, returning, refresh, .. } = self.options;
        let (projection, fields) = select_argument(projection);
        let expected = match (fields, kind) {
            (Some(_), _) if !self.listed => "r",
            (_, kind) => kind_argument(*kind),
        };
        let count = fields.map_or(0, ttl_core::Fields::len);
        let mut cmd = self.script.call(form, self.key, 6 + count, 48 + 16 * count);
        cmd.arg(projection).arg(expected).arg(if returning.contains(Returning::VERSION) { "1" } else { "" });
        match refresh {
            Some(refresh) => {
                let slack = refresh.slack.map_or(0, ttl_core::Ttl::as_millis);
                cmd.arg(mode_argument(refresh.mode)).arg(refresh.ttl.as_millis()).arg(slack);
            }
            None => {
                cmd.arg("").arg("0").arg("0");
            }
        }
        fields.into_iter().flat_map(ttl_core::Fields::iter).for_each(|field| {
            cmd.arg(field);
        });
        cmd
    }

    fn blob(&self, bytes: Vec<u8>) -> Result<Entry> {
        if self.options.kind == Some(Kind::Record) {
            return Err(Kind::Record.wrong());
        }
        let wanted = self.options.returning.contains(Returning::VERSION);
        let version = if wanted { Some(codec::blob_version(&bytes)?) } else { None };
        Ok(Entry::new(Value::from(bytes)).with_version(version))
    }

    /// Reads a whole hash.
    fn hash(&self, reply: Reply) -> Decoded<Answer<Option<Entry>>> {
        let Some((mut entry, cap)) = codec::decode_hash(reply)? else { return Ok(Answer::Done(None)) };
        if self.seems_over(cap) {
            return Ok(Answer::Next(Step::Script(Form::Sha)));
        }
        check_kind(entry.value.as_ref().map(Value::kind), self.options.kind)?;
        if !self.options.returning.contains(Returning::VERSION) {
            entry.version = None;
        }
        Ok(Answer::Done(Some(entry)))
    }

    /// Returns whether a cap has passed although the key still exists, by the estimate of the server's time.
    /// The driver never writes such an entry, and the script decides.
    fn seems_over(&self, cap: Option<Deadline>) -> bool {
        cap.is_some_and(|cap| {
            let now = self.link.facts().map_or_else(SystemTime::now, |facts| facts.now());
            let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            u128::from(cap.as_epoch_millis()) <= now
        })
    }

    fn life(&self, kind: Reply, marks: Reply, life: Reply) -> Decoded<Answer<Option<Entry>>> {
        let again = Ok(Answer::Next(Step::Script(Form::Sha)));
        let Reply::SimpleString(kind) = kind else { return Err(codec::other_reply(kind)) };
        let Some(mut deadline) = codec::parse_pexpiretime(int(life)?)? else { return Ok(Answer::Done(None)) };
        match (kind.as_str(), marks) {
            ("string", Reply::ServerError(error)) if is_wrong_type(&error) => {}
            ("hash", Reply::Array(marks)) => {
                let mut marks = marks.into_iter();
                let mark = bulk(codec::next(&mut marks)?)?;
                let cap = bulk(codec::next(&mut marks)?)?;
                let read = mark.ok_or_else(foreign_content).and_then(|mark| {
                    codec::parse_mark(&mark)?;
                    cap.map(|cap| codec::parse_cap(&cap)).transpose()
                });
                match read {
                    Ok(cap) if self.seems_over(cap) => return again,
                    Ok(cap) => deadline = deadline.min(cap.unwrap_or(Deadline::NEVER)),
                    Err(error) => return Err(error.into()),
                }
            }
            // Replaced between the commands.
            ("none" | "string" | "hash", _) => return again,
            _ => return Err(foreign_content().into()),
        }
        let wanted = self.options.returning.contains(Returning::DEADLINE);
        Ok(Answer::Done(Some(Entry::default().with_deadline(wanted.then_some(deadline)))))
    }

    fn part(&self, reply: Reply, exists: Reply) -> Decoded<Answer<Option<Entry>>> {
        let again = Ok(Answer::Next(Step::Script(Form::Sha)));
        let mut texts = match reply {
            // A blob, or foreign content: the script decides.
            Reply::ServerError(error) if is_wrong_type(&error) => return again,
            reply => codec::array(reply)?,
        };
        let fields = match &self.options.projection {
            Projection::Fields(fields) => fields.len(),
            Projection::All | Projection::Nothing => 0,
        };
        if texts.len() != 2 + fields {
            return Err(Fault::UnknownForm("HMGET"));
        }
        let cap = bulk(texts.remove(1))?.map(|cap| codec::parse_cap(&cap)).transpose()?;
        let Some(mark) = bulk(texts.remove(0))? else {
            return if codec::flag(exists)? { again } else { Ok(Answer::Done(None)) };
        };
        let (kind, version) = codec::parse_mark(&mark)?;
        if self.seems_over(cap) {
            return again;
        }
        check_kind(Some(kind), Some(Kind::Record))?;
        let value = match &self.options.projection {
            Projection::Fields(fields) => Some(codec::decode_named(fields, texts)?.into()),
            Projection::All | Projection::Nothing => None,
        };
        let wanted = self.options.returning.contains(Returning::VERSION);
        Ok(Answer::Done(Some(Entry::new(value).with_version(wanted.then_some(version)))))
    }

    fn read_plain(&self, plain: Plain, replies: Replies) -> Decoded<Answer<Option<Entry>>> {
        let again = Ok(Answer::Next(Step::Script(Form::Sha)));
        match (plain, replies) {
            (Plain::Blob, Replies::One(Reply::ServerError(error))) if is_wrong_type(&error) => again,
            (Plain::Blob, Replies::One(reply)) => {
                Ok(Answer::Done(bulk(reply)?.map(|bytes| self.blob(bytes)).transpose()?))
            }
            (Plain::Record, Replies::One(Reply::ServerError(error))) if is_wrong_type(&error) => again,
            (Plain::Record, Replies::One(reply)) => self.hash(reply),
            (Plain::Either, Replies::Two(Reply::ServerError(error), hash)) if is_wrong_type(&error) => {
                match hash {
                    // Replaced between the two, or foreign content.
                    Reply::ServerError(error) if is_wrong_type(&error) => again,
                    hash => self.hash(hash),
                }
            }
            (Plain::Either, Replies::Two(reply, _)) => {
                Ok(Answer::Done(bulk(reply)?.map(|bytes| self.blob(bytes)).transpose()?))
            }
            (Plain::Part, Replies::Two(texts, exists)) => self.part(texts, exists),
            (Plain::Life, Replies::Three(kind, marks, life)) => self.life(kind, marks, life),
            _ => Err(Fault::UnknownForm("a read")),
        }
    }

    fn read_script(&self, reply: Reply) -> Decoded<Answer<Option<Entry>>> {
        if reply == Reply::Nil {
            return Ok(Answer::Done(None));
        }
        let (status, mut items) = codec::script_answer(reply)?;
        match status.as_slice() {
            b"O" => {}
            b"W" => return Err(Fault::Refused(self.wrong_kind())),
            other => return Err(codec::script_error(other)),
        }
        let deadline = codec::parse_deadline(int(codec::next(&mut items)?)?);
        let version = bulk(codec::next(&mut items)?)?.map(|text| codec::parse_version(&text)).transpose()?;
        let failed = bulk(codec::next(&mut items)?)?;
        let kind = codec::kind(codec::next(&mut items)?)?;
        let value = items.next().unwrap_or(Reply::Nil);
        let value = decode_selected(&self.options.projection, kind, value)?;
        if kind == Kind::Blob && self.plain() == Some(Plain::Blob) {
            // The plain GET failed before, so this blob has a cap.
            self.capped_blobs.store(true, Ordering::Relaxed);
        }
        let wanted = self.options.returning;
        let mut entry = Entry::new(value)
            .with_deadline(wanted.contains(Returning::DEADLINE).then_some(deadline))
            .with_version(version);
        let Some(text) = failed else { return Ok(Answer::Done(Some(entry))) };
        let fault = server_text(&String::from_utf8_lossy(&text));
        let displaced = matches!(fault, Fault::Displaced(_));
        entry.refresh_error = Some(fault.into_error(RequestKind::Refresh).with_operation("refresh"));
        Ok(if displaced { Answer::Displaced(Some(entry)) } else { Answer::Done(Some(entry)) })
    }

    fn wrong_kind(&self) -> Error {
        match (&self.options.projection, self.options.kind) {
            (Projection::Fields(_), _) | (_, None) => Kind::Record.wrong(),
            (_, Some(kind)) => kind.wrong(),
        }
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
        if self.plain().is_some() { Step::Plain } else { Step::Script(Form::Sha) }
    }

    fn commands(&self, step: Step) -> Commands {
        match (step, self.plain()) {
            (Step::Plain, Some(plain)) => self.plain_commands(plain),
            (Step::Script(form), _) => Commands::One(self.script_command(form)),
            (Step::Plain, None) => Commands::One(self.script_command(Form::Sha)),
        }
    }

    fn read(&self, step: Step, replies: Replies) -> Decoded<Answer<Self::Output>> {
        match (step, self.plain(), replies) {
            (Step::Plain, Some(plain), replies) => self.read_plain(plain, replies),
            (_, _, Replies::One(Reply::ServerError(error))) => Err(server(&error)),
            (_, _, Replies::One(reply)) => self.read_script(reply),
            _ => Err(Fault::UnknownForm("a script")),
        }
    }
}

/// Reads a value from a script's answer.
pub(crate) fn decode_selected(projection: &Projection, kind: Kind, value: Reply) -> Decoded<Option<Value>> {
    match (projection, kind) {
        (Projection::Nothing, _) => Ok(None),
        (Projection::Fields(_), Kind::Blob) => Ok(None),
        (Projection::Fields(fields), Kind::Record) => {
            Ok(Some(codec::decode_named(fields, codec::array(value)?)?.into()))
        }
        (Projection::All, Kind::Blob) => Ok(Some(Value::from(bulk(value)?.ok_or_else(foreign_content)?))),
        (Projection::All, Kind::Record) => Ok(codec::decode_hash(value)?.and_then(|(entry, _)| entry.value)),
    }
}

fn check_kind(stored: Option<Kind>, expected: Option<Kind>) -> Result<()> {
    match expected {
        Some(expected) if stored != Some(expected) => Err(expected.wrong()),
        _ => Ok(()),
    }
}

/// Returns a projection as the scripts expect it, and the fields that follow.
pub(crate) fn select_argument(projection: &Projection) -> (&'static str, Option<&ttl_core::Fields>) {
    match projection {
        Projection::All => ("a", None),
        Projection::Fields(fields) => ("f", Some(fields)),
        Projection::Nothing => ("n", None),
    }
}

/// Returns an expected kind as the scripts expect it.
pub(crate) const fn kind_argument(kind: Option<Kind>) -> &'static str {
    match kind {
        None => "",
        Some(Kind::Blob) => "b",
        Some(Kind::Record) => "r",
    }
}

/// Returns a refresh mode as the scripts expect it.
pub(crate) const fn mode_argument(mode: RefreshMode) -> &'static str {
    match mode {
        RefreshMode::ExtendOnly => "e",
        RefreshMode::Reset => "s",
    }
}
