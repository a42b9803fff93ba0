//! Delete: a plain DEL if the old entry does not matter, otherwise the script.

use redis::Cmd;
use ttl_core::options::{DeleteOptions, Fields, Projection};
use ttl_core::{Entry, Key, Kind, Outcome, Result};

use crate::error::{Decoded, Fault};
use crate::inner::Inner;
use crate::layout::FullKey;
use crate::wire::arguments::{
    add_fields, add_version, expected_kind, kind_letter, projected_fields, projection_word,
};
use crate::wire::reply::flag;
use crate::wire::{Answer, Commands, Form, OVERHEAD, Replies, Request, Script, ScriptAnswer, Status, Step};

pub(crate) async fn delete(
    inner: &Inner,
    key: &Key,
    options: &DeleteOptions,
) -> Result<Outcome<Option<Entry>>> {
    inner.capabilities.check_delete(options)?;
    inner.link.run(&Delete::new(inner, key, options, false)).await
}

/// A delete of one key.
pub(crate) struct Delete<'a> {
    script: &'a Script,
    key: FullKey<'a>,
    options: &'a DeleteOptions,
    /// As in [`Put`](crate::ops::put::Put).
    ordered: bool,
}

impl<'a> Delete<'a> {
    pub(crate) fn new(inner: &'a Inner, key: &'a Key, options: &'a DeleteOptions, ordered: bool) -> Self {
        Self { script: &inner.scripts.alter, key: inner.full_key(key), options, ordered }
    }

    fn is_plain(&self) -> bool {
        let DeleteOptions { projection, kind, if_version, .. } = self.options;
        *projection == Projection::Nothing && kind.is_none() && if_version.is_none()
    }
}

impl Request for Delete<'_> {
    type Output = Outcome<Option<Entry>>;

    fn bytes(&self) -> usize {
        OVERHEAD + self.key.len()
    }

    fn first(&self) -> Step {
        match (self.is_plain(), self.ordered) {
            (true, _) => Step::Plain,
            (false, true) => Step::Script(Form::Text),
            (false, false) => Step::Script(Form::Sha),
        }
    }

    fn commands(&self, step: Step) -> Commands {
        if step == Step::Plain {
            let mut cmd = Cmd::with_capacity(2, 3 + self.key.len());
            cmd.arg("DEL").arg(self.key);
            return Commands::One(cmd);
        }
        let DeleteOptions { projection, kind, if_version, .. } = self.options;
        let fields = projected_fields(projection);
        let count = fields.map_or(0, Fields::len);
        let mut cmd = self.script.call(step.form(), self.key, 4 + count, 96 + 16 * count);
        cmd.arg("delete");
        add_version(&mut cmd, if_version.as_ref());
        cmd.arg(kind_letter(expected_kind(projection, *kind))).arg(projection_word(projection));
        add_fields(&mut cmd, fields);
        Commands::One(cmd)
    }

    fn read(&self, step: Step, replies: Replies) -> Decoded<Answer<Self::Output>> {
        if step == Step::Plain {
            let Replies::One(reply) = replies else { return Err(Fault::UnknownForm("DEL")) };
            return Ok(Answer::Done(if flag(reply)? { Outcome::Applied(None) } else { Outcome::Absent }));
        }
        let DeleteOptions { projection, kind, .. } = self.options;
        let mut answer = ScriptAnswer::decode(replies)?;
        Ok(Answer::Done(match answer.status {
            Status::Done => {
                let kind = answer.kind()?.ok_or(ScriptAnswer::UNKNOWN)?;
                let value = answer.value(projection, kind)?;
                Outcome::Applied((*projection != Projection::Nothing).then(|| Entry::new(value)))
            }
            Status::Absent => Outcome::Absent,
            Status::Refused => Outcome::Refused(None),
            Status::WrongKind => {
                let expected = expected_kind(projection, *kind).unwrap_or(Kind::Record);
                return Err(Fault::Refused(expected.wrong()));
            }
            _ => return Err(ScriptAnswer::UNKNOWN),
        }))
    }
}
