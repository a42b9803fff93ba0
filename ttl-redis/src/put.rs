//! Put: a plain SET if the old entry does not matter, otherwise the script.

use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};
use std::vec::IntoIter;

use redis::{Cmd, Value as Reply};
use ttl_core::{
    Condition, ExistingDeadline, Expiry, Kind, Outcome, Projection, PutOptions, PutResult, Result, Returning,
    Ttl, Value, Version,
};

use crate::codec::{self, Encoded, FullKey, bulk, int};
use crate::error::{Decoded, Fault, RequestKind, is_wrong_type, server};
use crate::get::{decode_selected, mode_argument};
use crate::request::{Answer, Commands, OVERHEAD, Replies, Request, Step};
use crate::scripts::{Form, Script};

/// A put of one key.
pub(crate) struct Put<'a> {
    pub(crate) script: &'a Script,
    pub(crate) key: FullKey<'a>,
    pub(crate) value: Encoded,
    pub(crate) options: &'a PutOptions,
    /// The token of the entry, if it is stored as a hash; created when a script needs it.
    pub(crate) token: OnceLock<String>,
    /// Whether the key occurs more than once in the batch. Only requests that are never sent a second time
    /// keep their order.
    pub(crate) ordered: bool,
}

impl Put<'_> {
    fn token(&self) -> &str {
        self.token.get_or_init(codec::new_token)
    }

    /// Returns the blob if a plain SET suffices. SET cannot depend on the server's time or on the stored
    /// entry.
    fn plain(&self) -> Option<&[u8]> {
        let PutOptions { lifespan, existing_deadline, condition, returning, previous, .. } = self.options;
        // A refused SET returns the value and no deadline.
        let tells =
            !previous || *condition != Condition::IfAbsent || !returning.contains(Returning::DEADLINE);
        let plain = !self.ordered
            && tells
            && lifespan.max_lifetime.is_none()
            && *existing_deadline == ExistingDeadline::Replace
            && matches!(condition, Condition::Always | Condition::IfAbsent | Condition::IfPresent)
            && match lifespan.expiry {
                Expiry::Never => true,
                // SET reports no deadline.
                Expiry::After(_) => !returning.contains(Returning::DEADLINE),
                // The server decides whether an instant has passed or is too far away.
                Expiry::At(_) => false,
            };
        match &self.value {
            Encoded::Blob(bytes) if plain => Some(bytes),
            _ => None,
        }
    }

    fn set(&self, bytes: &[u8]) -> Cmd {
        let mut cmd = Cmd::with_capacity(7, self.key.len() + bytes.len() + 32);
        cmd.arg("SET").arg(self.key).arg(bytes);
        if let Expiry::After(ttl) = self.options.lifespan.expiry {
            // The server adds this to its time in whole milliseconds, and shows the entry until the end of
            // the last one. So the entry ends at the same instant as with a deadline rounded up from now.
            cmd.arg("PX").arg(ttl.as_millis());
        }
        match self.options.condition {
            Condition::IfAbsent if self.options.previous => cmd.arg("NX").arg("GET"),
            Condition::IfAbsent => cmd.arg("NX"),
            // GET distinguishes created from updated, and fails for a hash, which may have a cap.
            Condition::IfPresent => cmd.arg("XX").arg("GET"),
            Condition::Always | Condition::IfVersion(_) => cmd.arg("GET"),
        };
        cmd
    }

    fn script_command(&self, form: Form) -> Cmd {
        let (count, bytes) = match &self.value {
            Encoded::Blob(bytes) => (1, bytes.len()),
            Encoded::Record { fields, size } => (2 * fields.len(), *size),
        };
        let mut cmd = self.script.call(form, self.key, 10 + count, 96 + bytes);
        let PutOptions { lifespan, existing_deadline, condition, .. } = self.options;
        cmd.arg(if matches!(self.value, Encoded::Blob(_)) { "b" } else { "r" });
        match condition {
            Condition::IfAbsent => cmd.arg("n").arg(""),
            Condition::IfPresent => cmd.arg("x").arg(""),
            Condition::IfVersion(version) => cmd.arg("v").arg(codec::version_text(version)),
            Condition::Always => cmd.arg("a").arg(""),
        };
        match existing_deadline {
            ExistingDeadline::Keep => cmd.arg("k").arg("0"),
            ExistingDeadline::Refresh(refresh) => {
                cmd.arg(mode_argument(refresh.mode)).arg(refresh.ttl.as_millis())
            }
            ExistingDeadline::Replace => cmd.arg("r").arg("0"),
        };
        expiry_arguments(&mut cmd, lifespan.expiry);
        max_argument(&mut cmd, lifespan.max_lifetime);
        cmd.arg(if self.options.previous { "1" } else { "" });
        match &self.value {
            Encoded::Blob(bytes) => {
                cmd.arg(self.token()).arg(&bytes[..]);
            }
            Encoded::Record { fields, size } => {
                cmd.arg(format!("{}.{size}", self.token()));
                for (name, text) in fields {
                    cmd.arg(name).arg(text);
                }
            }
        }
        cmd
    }

    fn read_set(&self, bytes: &[u8], reply: Reply) -> Decoded<Answer<Outcome<PutResult>>> {
        let PutOptions { condition, returning, previous, .. } = self.options;
        let met = match (condition, reply) {
            // A hash: the script checks its cap.
            (_, Reply::ServerError(error)) if is_wrong_type(&error) => {
                return Ok(Answer::Next(Step::Script(Form::Sha)));
            }
            (Condition::IfAbsent, Reply::Nil) if !previous => {
                return Ok(Answer::Done(Outcome::Refused(None)));
            }
            (Condition::IfAbsent, Reply::Okay) if !previous => None,
            (Condition::IfAbsent, other) if !previous => return Err(codec::other_reply(other)),
            (Condition::IfPresent, Reply::Nil) => return Ok(Answer::Done(Outcome::Absent)),
            (_, reply) => bulk(reply)?,
        };
        let created = met.is_none();
        let met = met.filter(|_| *previous);
        if let (Condition::IfAbsent, Some(met)) = (condition, &met) {
            let wanted = returning.contains(Returning::VERSION);
            let version = if wanted { Some(codec::blob_version(met)?) } else { None };
            let meta = PutResult::new(false).with_version(version).with_previous(Value::from(met.clone()));
            return Ok(Answer::Done(Outcome::Refused(Some(meta))));
        }
        let version =
            if returning.contains(Returning::VERSION) { Some(codec::blob_version(bytes)?) } else { None };
        // Only a put without expiry gets here with a deadline to report.
        let deadline = returning.contains(Returning::DEADLINE).then_some(ttl_core::Deadline::NEVER);
        let meta = PutResult::new(created).with_deadline(deadline).with_version(version);
        Ok(Answer::Done(Outcome::Applied(meta.with_previous(met.map(Value::from)))))
    }

    fn read_script(&self, reply: Reply) -> Decoded<Outcome<PutResult>> {
        let (status, mut items) = codec::script_answer(reply)?;
        match status.as_slice() {
            b"O" => {}
            b"A" => return Ok(Outcome::Absent),
            b"R" if !self.options.previous => return Ok(Outcome::Refused(None)),
            b"R" => return self.read_refusal(items),
            other => return Err(codec::script_error(other)),
        }
        let created = codec::flag(codec::next(&mut items)?)?;
        let deadline = codec::parse_deadline(int(codec::next(&mut items)?)?);
        let how = int(codec::next(&mut items)?)?;
        let returning = self.options.returning;
        let version = if returning.contains(Returning::VERSION) { self.left(how)? } else { None };
        let meta = PutResult::returning(returning, created, deadline, version);
        let previous = match items.next() {
            Some(kind) if self.options.previous && kind != Reply::Nil => {
                read_value(codec::kind(kind)?, items.next())?
            }
            _ => None,
        };
        Ok(Outcome::Applied(meta.with_previous(previous)))
    }

    /// Reads the metadata of the entry that made the put be refused. Nothing was written.
    fn read_refusal(&self, mut items: IntoIter<Reply>) -> Decoded<Outcome<PutResult>> {
        let deadline = codec::parse_deadline(int(codec::next(&mut items)?)?);
        let token = bulk(codec::next(&mut items)?)?;
        let kind = codec::kind(codec::next(&mut items)?)?;
        let previous = read_value(kind, items.next())?;
        let version = match (token, &previous) {
            (Some(token), _) => Some(codec::token_version(&token)?),
            (None, Some(Value::Blob(bytes))) => Some(codec::blob_version(bytes)?),
            (None, _) => None,
        };
        let meta = PutResult::returning(self.options.returning, false, deadline, version);
        Ok(Outcome::Refused(Some(meta.with_previous(previous))))
    }

    /// Returns the version that the put left behind: of nothing, of a string or of a hash.
    fn left(&self, how: i64) -> Result<Option<Version>> {
        match (how, &self.value) {
            (0, _) => Ok(None),
            (1, Encoded::Blob(bytes)) => codec::blob_version(bytes).map(Some),
            _ => codec::token_version(self.token().as_bytes()).map(Some),
        }
    }
}

/// Reads a whole value from a script's answer.
fn read_value(kind: Kind, value: Option<Reply>) -> Decoded<Option<Value>> {
    decode_selected(&Projection::All, kind, value.unwrap_or(Reply::Nil))
}

impl Request for Put<'_> {
    type Output = Outcome<PutResult>;

    fn kind(&self) -> RequestKind {
        RequestKind::Write
    }

    fn bytes(&self) -> usize {
        OVERHEAD + self.key.len() + self.value.size_bytes()
    }

    fn first(&self) -> Step {
        match self.plain() {
            Some(_) => Step::Plain,
            None if self.ordered => Step::Script(Form::Text),
            None => Step::Script(Form::Sha),
        }
    }

    fn commands(&self, step: Step) -> Commands {
        Commands::One(match (step, self.plain()) {
            (Step::Plain, Some(bytes)) => self.set(bytes),
            (Step::Script(form), _) => self.script_command(form),
            (Step::Plain, None) => self.script_command(Form::Sha),
        })
    }

    fn read(&self, step: Step, replies: Replies) -> Decoded<Answer<Self::Output>> {
        let Replies::One(reply) = replies else { return Err(Fault::UnknownForm("a put")) };
        match (step, self.plain(), reply) {
            (Step::Plain, Some(bytes), reply) => self.read_set(bytes, reply),
            (_, _, Reply::ServerError(error)) => Err(server(&error)),
            (_, _, reply) => self.read_script(reply).map(Answer::Done),
        }
    }
}

/// Adds an expiry as the scripts expect it.
pub(crate) fn expiry_arguments(cmd: &mut Cmd, expiry: Expiry) {
    match expiry {
        Expiry::Never => cmd.arg("n").arg("0"),
        Expiry::After(ttl) => cmd.arg("a").arg(ttl.as_millis()),
        Expiry::At(instant) => {
            // Finer than deadlines: the script decides whether the instant has passed before it rounds up.
            let since = instant.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            let micros = u64::try_from(since.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
            cmd.arg("t").arg(micros)
        }
    };
}

/// Adds the length of a cap as the scripts expect it.
pub(crate) fn max_argument(cmd: &mut Cmd, max: Option<Ttl>) {
    match max {
        Some(max) => cmd.arg(max.as_millis()),
        None => cmd.arg(""),
    };
}
