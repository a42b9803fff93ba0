//! Put: a plain SET if the old entry does not matter, otherwise the script.

use std::sync::OnceLock;

use redis::{Cmd, Value as Reply};
use ttl_core::options::{Condition, ExistingDeadline, Projection, PutOptions, Returning};
use ttl_core::results::PutResult;
use ttl_core::{Deadline, Expiry, Key, Outcome, Result, Value, Version};

use crate::error::{Decoded, is_wrong_type};
use crate::inner::Inner;
use crate::layout::{Encoded, FullKey, blob_version, new_token, token_version, version_text};
use crate::wire::arguments::{add_lifespan, check_field_count, refresh_word};
use crate::wire::reply::{bulk, other_reply};
use crate::wire::{Answer, Commands, Form, OVERHEAD, Replies, Request, Script, ScriptAnswer, Status, Step};

pub(crate) async fn put(
    inner: &Inner,
    key: &Key,
    value: Value,
    options: &PutOptions,
) -> Result<Outcome<PutResult>> {
    inner.link.run(&Put::new(inner, key, value, options, false)?).await
}

/// A put of one key.
pub(crate) struct Put<'a> {
    script: &'a Script,
    key: FullKey<'a>,
    value: Encoded,
    options: &'a PutOptions,
    /// The token of the entry, if it is stored as a hash; created when a script needs it.
    token: OnceLock<String>,
    /// Whether the key occurs more than once in the batch. Only requests that are never sent a second time
    /// keep their order.
    ordered: bool,
}

impl<'a> Put<'a> {
    pub(crate) fn new(
        inner: &'a Inner,
        key: &'a Key,
        value: Value,
        options: &'a PutOptions,
        ordered: bool,
    ) -> Result<Self> {
        inner.capabilities.check_put(options)?;
        let value = Encoded::new(value);
        check_field_count(&value)?;
        inner.capabilities.check_size(value.size_bytes())?;
        let (script, key) = (&inner.scripts.put, inner.full_key(key));
        Ok(Self { script, key, value, options, token: OnceLock::new(), ordered })
    }

    fn token(&self) -> &str {
        self.token.get_or_init(new_token)
    }

    /// Returns whether a plain SET suffices. SET cannot depend on the server's time or on the stored entry.
    fn is_plain(&self) -> bool {
        let PutOptions { lifespan, existing_deadline, condition, returning, previous, .. } = self.options;
        // A refused SET returns the value and no deadline.
        let reports_all =
            !previous || *condition != Condition::IfAbsent || !returning.contains(Returning::DEADLINE);
        matches!(self.value, Encoded::Blob(_))
            && !self.ordered
            && reports_all
            && lifespan.cap == Expiry::Never
            && *existing_deadline == ExistingDeadline::Replace
            && matches!(condition, Condition::Always | Condition::IfAbsent | Condition::IfPresent)
            && match lifespan.expiry {
                Expiry::Never => true,
                // SET reports no deadline.
                Expiry::After(_) => !returning.contains(Returning::DEADLINE),
                // The server decides whether an instant has passed or is too far away.
                Expiry::At(_) => false,
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
        let mut cmd = self.script.call(form, self.key, 11 + count, 128 + bytes);
        let PutOptions { lifespan, existing_deadline, condition, .. } = self.options;
        cmd.arg(if matches!(self.value, Encoded::Blob(_)) { "b" } else { "r" });
        match condition {
            Condition::Always => cmd.arg("always").arg(""),
            Condition::IfAbsent => cmd.arg("if_absent").arg(""),
            Condition::IfPresent => cmd.arg("if_present").arg(""),
            Condition::IfVersion(version) => cmd.arg("if_version").arg(version_text(version)),
        };
        match existing_deadline {
            ExistingDeadline::Replace => cmd.arg("replace").arg("0"),
            ExistingDeadline::Keep => cmd.arg("keep").arg("0"),
            ExistingDeadline::Refresh(refresh) => {
                cmd.arg(refresh_word(refresh.mode)).arg(refresh.ttl.as_millis())
            }
        };
        add_lifespan(&mut cmd, *lifespan);
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
        let old = match (condition, reply) {
            // A hash: the script checks its cap.
            (_, Reply::ServerError(error)) if is_wrong_type(&error) => return Ok(Answer::BY_SCRIPT),
            (Condition::IfAbsent, Reply::Nil) if !previous => {
                return Ok(Answer::Done(Outcome::Refused(None)));
            }
            (Condition::IfAbsent, Reply::Okay) if !previous => None,
            (Condition::IfAbsent, other) if !previous => return Err(other_reply(other)),
            (Condition::IfPresent, Reply::Nil) => return Ok(Answer::Done(Outcome::Absent)),
            (_, reply) => bulk(reply)?,
        };
        let version =
            |bytes: &[u8]| returning.contains(Returning::VERSION).then(|| blob_version(bytes)).transpose();
        let created = old.is_none();
        let old = old.filter(|_| *previous);
        if let (Condition::IfAbsent, Some(old)) = (condition, &old) {
            let meta = PutResult::new(false).with_version(version(old)?);
            return Ok(Answer::Done(Outcome::Refused(Some(meta.with_previous(Value::from(old.clone()))))));
        }
        // Only a put without expiry gets here with a deadline to report.
        let deadline = returning.contains(Returning::DEADLINE).then_some(Deadline::NEVER);
        let meta = PutResult::new(created).with_deadline(deadline).with_version(version(bytes)?);
        Ok(Answer::Done(Outcome::Applied(meta.with_previous(old.map(Value::from)))))
    }

    fn read_script(&self, mut answer: ScriptAnswer) -> Decoded<Outcome<PutResult>> {
        match answer.status {
            Status::Done => {}
            Status::Absent => return Ok(Outcome::Absent),
            Status::Refused if !self.options.previous => return Ok(Outcome::Refused(None)),
            Status::Refused => return self.read_refusal(answer),
            _ => return Err(ScriptAnswer::UNKNOWN),
        }
        let (created, deadline, stored_as) = (answer.flag()?, answer.deadline()?, answer.text()?);
        let returning = self.options.returning;
        let version = if returning.contains(Returning::VERSION) {
            self.stored_version(stored_as.as_deref())?
        } else {
            None
        };
        let meta = PutResult::returning(returning, created, deadline, version);
        let previous = match answer.kind()? {
            Some(kind) if self.options.previous => answer.value(&Projection::All, kind)?,
            _ => None,
        };
        Ok(Outcome::Applied(meta.with_previous(previous)))
    }

    /// Reads the metadata of the entry because of which the put was refused. Nothing was written.
    fn read_refusal(&self, mut answer: ScriptAnswer) -> Decoded<Outcome<PutResult>> {
        let (deadline, token) = (answer.deadline()?, answer.text()?);
        let kind = answer.kind()?.ok_or(ScriptAnswer::UNKNOWN)?;
        let previous = answer.value(&Projection::All, kind)?;
        let version = match (token, &previous) {
            (Some(token), _) => Some(token_version(&token)?),
            (None, Some(Value::Blob(bytes))) => Some(blob_version(bytes)?),
            (None, _) => None,
        };
        let meta = PutResult::returning(self.options.returning, false, deadline, version);
        Ok(Outcome::Refused(Some(meta.with_previous(previous))))
    }

    /// Returns the version of what the script has stored; `None` if it has stored nothing.
    fn stored_version(&self, stored_as: Option<&[u8]>) -> Decoded<Option<Version>> {
        match (stored_as, &self.value) {
            (Some(b"nothing"), _) => Ok(None),
            (Some(b"string"), Encoded::Blob(bytes)) => Ok(Some(blob_version(bytes)?)),
            (Some(b"hash"), _) => Ok(Some(token_version(self.token().as_bytes())?)),
            _ => Err(ScriptAnswer::UNKNOWN),
        }
    }
}

impl Request for Put<'_> {
    type Output = Outcome<PutResult>;

    fn bytes(&self) -> usize {
        OVERHEAD + self.key.len() + self.value.size_bytes()
    }

    fn first(&self) -> Step {
        match (self.is_plain(), self.ordered) {
            (true, _) => Step::Plain,
            (false, true) => Step::Script(Form::Text),
            (false, false) => Step::Script(Form::Sha),
        }
    }

    fn commands(&self, step: Step) -> Commands {
        Commands::One(match (step, &self.value) {
            (Step::Plain, Encoded::Blob(bytes)) => self.set(bytes),
            (step, _) => self.script_command(step.form()),
        })
    }

    fn read(&self, step: Step, replies: Replies) -> Decoded<Answer<Self::Output>> {
        match (step, &self.value, replies) {
            (Step::Plain, Encoded::Blob(bytes), Replies::One(reply)) => self.read_set(bytes, reply),
            (_, _, replies) => self.read_script(ScriptAnswer::decode(replies)?).map(Answer::Done),
        }
    }
}
