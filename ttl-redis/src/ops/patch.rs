//! Patch: one script, or a compare-and-swap from this process if a script would block the server for too long.

use std::sync::Arc;

use ttl_core::options::{PatchOptions, Returning};
use ttl_core::results::{PatchResult, PutResult};
use ttl_core::{
    Error, ErrorKind, Key, Kind, Outcome, Patch, Result, TtlStore, async_trait, forward_ttl_store,
};

use super::patch_plan::Plan;
use crate::error::{Decoded, Fault};
use crate::inner::{Inner, RedisStore};
use crate::layout::{Encoded, FullKey, new_token, token_version};
use crate::wire::arguments::{add_lifespan, add_version, check_field_count, refresh_word};
use crate::wire::{Answer, Commands, OVERHEAD, Replies, Request, Script, ScriptAnswer, Status, Step};

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
    let plan = Plan::new(patch)?;
    let initial = options.create.as_ref().map(|create| Encoded::new(create.initial.clone().into()));
    initial.as_ref().map_or(Ok(()), check_field_count)?;
    let (script, key, token) = (&inner.scripts.patch, inner.full_key(key), new_token());
    let max_value_bytes = inner.capabilities.max_value_bytes;
    inner.link.run(&PatchRequest { script, key, plan, options, initial, token, max_value_bytes }).await
}

/// A patch of one key.
struct PatchRequest<'a> {
    script: &'a Script,
    key: FullKey<'a>,
    plan: Plan<'a>,
    options: &'a PatchOptions,
    /// The initial record of `options.create`.
    initial: Option<Encoded>,
    token: String,
    max_value_bytes: u64,
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
        let plan = &self.plan;
        let (initial, initial_size): (&[_], _) = match &self.initial {
            Some(Encoded::Record { fields, size }) => (fields, *size),
            _ => (&[], 0),
        };
        let arguments = 12 + plan.argument_count() + 2 * initial.len();
        let mut cmd = self.script.call(step.form(), self.key, arguments, 96 + 16 * arguments + initial_size);
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
        cmd.arg(&self.token).arg(self.max_value_bytes).arg(initial_size);
        cmd.arg(plan.field_count()).arg(initial.len());
        plan.add_fields(&mut cmd);
        for (name, text) in initial {
            cmd.arg(name).arg(text);
        }
        plan.add_operations(&mut cmd);
        Commands::One(cmd)
    }

    fn read(&self, _: Step, replies: Replies) -> Decoded<Answer<Self::Output>> {
        let mut answer = ScriptAnswer::decode(replies)?;
        let outcome = match answer.status {
            Status::Done => {
                let created = answer.flag()?;
                let (meta, fields) = (self.read_meta(created, &mut answer)?, answer.array()?);
                let fields = self.plan.decode_fields(fields)?;
                let effects = self.plan.decode_effects(answer.array()?)?;
                Outcome::Applied(PatchResult::new(&meta, fields, effects))
            }
            Status::Absent => Outcome::Absent,
            Status::Refused => Outcome::Refused(None),
            Status::OutOfBounds if answer.is_empty() => Outcome::Refused(None),
            // The metadata and the fields of the entry that stays.
            Status::OutOfBounds => {
                let meta = self.read_meta(false, &mut answer)?;
                let fields = self.plan.decode_fields(answer.array()?)?;
                Outcome::Refused(Some(PatchResult::new(&meta, fields, Vec::new())))
            }
            Status::TooLong => return Ok(Answer::Done(Patched::TooLong)),
            Status::WrongKind => return Err(Fault::Refused(Kind::Record.wrong())),
            Status::WrongFieldType => return Err(Fault::Refused(self.wrong_field_type(answer.int()?))),
            Status::Overflow => return Err(Fault::Refused(self.overflow(answer.int()?))),
            Status::TooLarge => return Err(Fault::Refused(self.too_large(answer.int()?))),
        };
        Ok(Answer::Done(Patched::Outcome(outcome)))
    }
}

impl PatchRequest<'_> {
    fn read_meta(&self, created: bool, answer: &mut ScriptAnswer) -> Decoded<PutResult> {
        let (deadline, token) = (answer.deadline()?, answer.text()?);
        let returning = self.options.returning;
        let token = token.filter(|_| returning.contains(Returning::VERSION));
        let version = token.map(|token| token_version(&token)).transpose()?;
        Ok(PutResult::returning(returning, created, deadline, version))
    }

    fn wrong_field_type(&self, field: i64) -> Error {
        let field = self.plan.field(field).unwrap_or_default();
        let text = format!(
            "field {field:?} does not have the type that an operation on it requires; nothing changed"
        );
        Error::new(ErrorKind::WrongFieldType, text)
    }

    fn overflow(&self, field: i64) -> Error {
        let field = self.plan.field(field).unwrap_or_default();
        let text = format!(
            "the sum in field {field:?} is out of range: expected an i64 (an f64 for fractions); nothing changed"
        );
        Error::new(ErrorKind::Overflow, text)
    }

    fn too_large(&self, bytes: i64) -> Error {
        let most = self.max_value_bytes;
        let text =
            format!("the patched value would have {bytes} bytes: expected at most {most}; nothing changed");
        Error::new(ErrorKind::TooLarge, text)
    }
}

/// The store with the provided patch of the trait, which is a compare-and-swap from this process.
#[derive(Debug)]
struct PatchBySwap(RedisStore);

#[async_trait]
impl TtlStore for PatchBySwap {
    forward_ttl_store!(self, self.0 => capabilities now get put expire);
}
