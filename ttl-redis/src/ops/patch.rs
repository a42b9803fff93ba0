//! Patch: one script, or a compare-and-swap from this process if a script would block the server for too long.

use std::sync::Arc;

use redis::{Cmd, Value as Reply};
use ttl_core::driver::parse_field_text;
use ttl_core::options::{Create, PatchOptions, Returning};
use ttl_core::results::{PatchResult, PutResult};
use ttl_core::{
    Effect, Error, ErrorKind, Expiry, Key, Kind, Outcome, Patch, Record, Result, TtlStore, async_trait,
    forward_ttl_store,
};

use super::patch_plan::{Increment, Plan};
use crate::error::{Decoded, Fault};
use crate::inner::{Inner, RedisStore};
use crate::layout::{Encoded, FullKey, Token, name_cost, new_token, parse_pexpiretime, token_version};
use crate::wire::arguments::{
    Word, add_lifespan, add_version, add_words, check_field_count, expiry_words, refresh_word,
};
use crate::wire::reply::{bulk, expiry_and_text};
use crate::wire::{Answer, Commands, Form, OVERHEAD, Replies, Request, ScriptAnswer, Status, Step};

pub(crate) async fn patch(
    inner: &Arc<Inner>,
    key: &Key,
    patch: &Patch,
    options: PatchOptions,
) -> Result<Outcome<PatchResult>> {
    match patch_by_script(inner, key, patch, &options).await? {
        Patched::Outcome(outcome) => Ok(outcome),
        Patched::TooLong => PatchBySwap(RedisStore(Arc::clone(inner))).patch(key, patch, options).await,
    }
}

async fn patch_by_script(inner: &Inner, key: &Key, patch: &Patch, options: &PatchOptions) -> Result<Patched> {
    inner.capabilities.check_patch(patch, options)?;
    let work = match Increment::of(patch)? {
        Some(increment) if options.if_version.is_none() && is_simple(options.create.as_ref()) => {
            Work::Increment(increment)
        }
        _ => {
            let plan = Plan::new(patch)?;
            let initial = options.create.as_ref().map(|create| Encoded::new(create.initial.clone().into()));
            initial.as_ref().map_or(Ok(()), check_field_count)?;
            Work::Plan { plan, initial }
        }
    };
    let (key, token) = (inner.full_key(key), new_token());
    inner.link.run(&PatchRequest { inner, key, patch, work, options, token }).await
}

/// Returns whether the short script knows enough of a new entry: it starts empty, and neither its expiry nor its cap is
/// an instant. An instant too far away is refused whatever is stored, and only the whole script checks that.
fn is_simple(create: Option<&Create>) -> bool {
    let is_instant = |expiry| matches!(expiry, Expiry::At(_));
    create.is_none_or(|Create { lifespan, initial, .. }| {
        initial.is_empty() && !is_instant(lifespan.expiry) && !is_instant(lifespan.cap)
    })
}

/// A patch of one key.
struct PatchRequest<'a> {
    inner: &'a Inner,
    key: FullKey<'a>,
    patch: &'a Patch,
    work: Work<'a>,
    options: &'a PatchOptions,
    token: Token,
}

/// The work of a script.
enum Work<'a> {
    /// An increment, by the short script.
    Increment(Increment<'a>),
    /// All operations, and the record that a new entry starts with.
    Plan { plan: Plan<'a>, initial: Option<Encoded> },
}

/// The result of a patch by script.
enum Patched {
    Outcome(Outcome<PatchResult>),
    /// Too much work for a script, which would block the server. Nothing was changed.
    TooLong,
}

impl Request for PatchRequest<'_> {
    type Output = Patched;

    fn bytes(&self) -> usize {
        OVERHEAD + self.key.len()
    }

    fn commands(&self, step: Step) -> Commands {
        Commands::One(match &self.work {
            Work::Increment(increment) => self.increment_command(step.form(), increment),
            Work::Plan { plan, initial } => self.plan_command(step.form(), plan, initial.as_ref()),
        })
    }

    fn read(&self, _: Step, replies: Replies) -> Decoded<Answer<Self::Output>> {
        let outcome = match (&self.work, replies) {
            (Work::Increment(increment), Replies::One(reply)) => self.read_increment(increment, reply)?,
            (Work::Plan { plan, .. }, replies) => self.read_plan(plan, replies)?,
            (Work::Increment(_), _) => return Err(ScriptAnswer::UNKNOWN),
        };
        Ok(Answer::Done(outcome))
    }
}

impl PatchRequest<'_> {
    /// Returns the call of the short script, which continues with the whole one.
    fn increment_command(&self, form: Form, increment: &Increment<'_>) -> Cmd {
        let Increment { field, by, bounds: [min, max] } = increment;
        let PatchOptions { create, refresh, returning, .. } = self.options;
        let script = &self.inner.scripts.increment;
        let mut cmd = script.call(form, self.key, 10, 128 + field.len());
        cmd.arg(field).arg(by).arg(&self.token[..]).arg(self.inner.capabilities.max_value_bytes);
        cmd.arg(creation(create.as_ref(), field));
        let [mode, ttl] = match refresh {
            Some(refresh) => [Word::Text(refresh_word(refresh.mode)), Word::Ttl(refresh.ttl)],
            None => [Word::Text(""); 2],
        };
        let deadline = Word::Text(if returning.contains(Returning::DEADLINE) { "1" } else { "" });
        let [min, max] = [min, max].map(|bound| bound.map_or(Word::Text(""), Word::Number));
        add_words(&mut cmd, &[mode, ttl, deadline, min, max]);
        cmd
    }

    fn plan_command(&self, form: Form, plan: &Plan<'_>, initial: Option<&Encoded>) -> Cmd {
        let (initial, initial_size): (&[_], _) = match initial {
            Some(Encoded::Record { fields, size }) => (fields, *size),
            _ => (&[], 0),
        };
        let arguments = 12 + plan.argument_count() + 2 * initial.len();
        let mut cmd =
            self.inner.scripts.patch.call(form, self.key, arguments, 96 + 16 * arguments + initial_size);
        let PatchOptions { create, refresh, if_version, .. } = self.options;
        add_version(&mut cmd, if_version.as_ref());
        match refresh {
            Some(refresh) => cmd.arg(refresh_word(refresh.mode)).arg(refresh.ttl.as_millis()),
            None => cmd.arg("").arg("0"),
        };
        match create {
            Some(create) => add_lifespan(&mut cmd, create.lifespan),
            None => {
                cmd.arg("").arg("0").arg("").arg("0");
            }
        }
        cmd.arg(&self.token[..]).arg(self.inner.capabilities.max_value_bytes).arg(initial_size);
        cmd.arg(plan.field_count()).arg(initial.len());
        plan.add_fields(&mut cmd);
        for (name, text) in initial {
            cmd.arg(name).arg(text);
        }
        plan.add_operations(&mut cmd);
        cmd
    }

    /// Reads the answer of the short script: the sum, or the expiry and the sum; otherwise that of the whole one.
    fn read_increment(&self, increment: &Increment<'_>, reply: Reply) -> Decoded<Patched> {
        let returning = self.options.returning;
        let split = match (returning.contains(Returning::DEADLINE), reply) {
            (true, reply) => expiry_and_text(reply).map(|(expiry, sum)| (Some(expiry), sum)),
            (false, sum @ Reply::BulkString(_)) => Ok((None, sum)),
            (false, other) => Err(other),
        };
        let (expiry, sum) = match split {
            Ok(split) => split,
            Err(other) => return self.read_plan(&Plan::new(self.patch)?, Replies::One(other)),
        };
        let deadline = match expiry {
            // An entry that was just incremented has an expiry, or is persistent.
            Some(expiry) => Some(parse_pexpiretime(expiry)?.ok_or(ScriptAnswer::UNKNOWN)?),
            None => None,
        };
        let version = returning.contains(Returning::VERSION).then(|| token_version(&self.token));
        let meta = PutResult::new(false).with_deadline(deadline).with_version(version.transpose()?);
        let sum = bulk(sum)?.ok_or(ScriptAnswer::UNKNOWN)?;
        let sum = parse_field_text(increment.field, &sum)?;
        let fields = Record::from_fields([(increment.field.to_owned(), sum)])?;
        Ok(Patched::Outcome(Outcome::Applied(PatchResult::new(&meta, fields, vec![Effect::Done]))))
    }

    fn read_plan(&self, plan: &Plan<'_>, replies: Replies) -> Decoded<Patched> {
        let mut answer = ScriptAnswer::decode(replies)?;
        let outcome = match answer.status {
            Status::Done => {
                let created = answer.flag()?;
                let (meta, fields) = (self.read_meta(created, &mut answer)?, answer.array()?);
                let fields = plan.decode_fields(fields)?;
                let effects = plan.decode_effects(answer.array()?)?;
                Outcome::Applied(PatchResult::new(&meta, fields, effects))
            }
            Status::Absent => Outcome::Absent,
            Status::Refused => Outcome::Refused(None),
            Status::OutOfBounds if answer.is_empty() => Outcome::Refused(None),
            // The metadata and the fields of the entry that stays.
            Status::OutOfBounds => {
                let meta = self.read_meta(false, &mut answer)?;
                let fields = plan.decode_fields(answer.array()?)?;
                Outcome::Refused(Some(PatchResult::new(&meta, fields, Vec::new())))
            }
            Status::TooLong => return Ok(Patched::TooLong),
            Status::WrongKind => return Err(Fault::Refused(Kind::Record.wrong())),
            Status::WrongFieldType => return Err(Fault::Refused(wrong_field_type(plan, answer.int()?))),
            Status::Overflow => return Err(Fault::Refused(overflow(plan, answer.int()?))),
            Status::TooLarge => return Err(Fault::Refused(self.too_large(answer.int()?))),
        };
        Ok(Patched::Outcome(outcome))
    }

    fn read_meta(&self, created: bool, answer: &mut ScriptAnswer) -> Decoded<PutResult> {
        let (deadline, token) = (answer.deadline()?, answer.text()?);
        let returning = self.options.returning;
        let token = token.filter(|_| returning.contains(Returning::VERSION));
        let version = token.map(|token| token_version(&token)).transpose()?;
        Ok(PutResult::returning(returning, created, deadline, version))
    }

    fn too_large(&self, bytes: i64) -> Error {
        let most = self.inner.capabilities.max_value_bytes;
        let text =
            format!("the patched value would have {bytes} bytes: expected at most {most}; nothing changed");
        Error::new(ErrorKind::TooLarge, text)
    }
}

fn wrong_field_type(plan: &Plan<'_>, field: i64) -> Error {
    let field = plan.field(field).unwrap_or_default();
    let text =
        format!("field {field:?} does not have the type that an operation on it requires; nothing changed");
    Error::new(ErrorKind::WrongFieldType, text)
}

fn overflow(plan: &Plan<'_>, field: i64) -> Error {
    let field = plan.field(field).unwrap_or_default();
    let text = format!(
        "the sum in field {field:?} is out of range: expected an i64 (an f64 for fractions); nothing changed"
    );
    Error::new(ErrorKind::Overflow, text)
}

/// Returns what the short script needs only if it continues with the whole one, as one argument, because each costs the
/// server 55 ns: expiry and cap of a new entry, and the share of the field's name in the size. Written without the
/// formatting of the standard library, which costs 1000 instructions here, a fifteenth of the whole call.
fn creation(create: Option<&Create>, field: &str) -> String {
    let [expiry, cap] = match create.map(|create| create.lifespan) {
        Some(lifespan) => [lifespan.expiry, lifespan.cap].map(expiry_words),
        None => [("", 0); 2],
    };
    let mut text = String::with_capacity(64);
    for (form, length) in [expiry, cap] {
        text.push_str(form);
        text.push(' ');
        push_number(&mut text, length);
        text.push(' ');
    }
    push_number(&mut text, name_cost(field) as u64);
    text
}

/// Appends a number in decimal.
fn push_number(text: &mut String, number: u64) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

/// The store with the provided patch of the trait, which is a compare-and-swap from this process.
#[derive(Debug)]
struct PatchBySwap(RedisStore);

#[async_trait]
impl TtlStore for PatchBySwap {
    forward_ttl_store!(self, self.0 => capabilities now get put expire);
}
