//! Expire and delete: the script, or a plain DEL.

use redis::{Cmd, Value as Reply};
use ttl_core::{
    DeleteOptions, Entry, ExpireOptions, ExpireResult, ExpiryChange, Guard, Kind, Outcome, Projection,
    Version,
};

use crate::codec::{self, FullKey, int};
use crate::error::{Decoded, Fault, RequestKind, server};
use crate::get::{decode_selected, kind_argument, select_argument};
use crate::put::expiry_arguments;
use crate::request::{Answer, Commands, OVERHEAD, Replies, Request, Step};
use crate::scripts::{Form, Script};

/// An expire of one key.
pub(crate) struct Expire<'a> {
    pub(crate) script: &'a Script,
    pub(crate) key: FullKey<'a>,
    pub(crate) change: ExpiryChange,
    pub(crate) options: &'a ExpireOptions,
}

impl Request for Expire<'_> {
    type Output = Outcome<ExpireResult>;

    fn kind(&self) -> RequestKind {
        RequestKind::Write
    }

    fn bytes(&self) -> usize {
        OVERHEAD + self.key.len()
    }

    fn first(&self) -> Step {
        Step::Script(Form::Sha)
    }

    fn commands(&self, step: Step) -> Commands {
        let mut cmd = self.script.call(form(step), self.key, 5, 64);
        cmd.arg("e");
        version_argument(&mut cmd, self.options.if_version.as_ref());
        match self.change {
            ExpiryChange::Extend(by) => {
                cmd.arg("+").arg(by.as_millis());
            }
            ExpiryChange::Set(expiry) => expiry_arguments(&mut cmd, expiry),
        }
        cmd.arg(match self.options.guard {
            Guard::Always => "a",
            Guard::IfLater => "l",
            Guard::IfSooner => "s",
            Guard::IfExpiring => "e",
            Guard::IfPersistent => "p",
        });
        Commands::One(cmd)
    }

    fn read(&self, _: Step, replies: Replies) -> Decoded<Answer<Self::Output>> {
        let mut items = match applied(replies, Kind::Record)? {
            Ok(items) => items,
            Err(outcome) => return Ok(Answer::Done(outcome)),
        };
        let deadline = codec::parse_deadline(int(codec::next(&mut items)?)?);
        let changed = codec::flag(codec::next(&mut items)?)?;
        Ok(Answer::Done(Outcome::Applied(ExpireResult::new(deadline, changed))))
    }
}

/// A delete of one key.
pub(crate) struct Delete<'a> {
    pub(crate) script: &'a Script,
    pub(crate) key: FullKey<'a>,
    pub(crate) options: &'a DeleteOptions,
    /// As in [`Put`](crate::put::Put).
    pub(crate) ordered: bool,
}

impl Delete<'_> {
    fn is_plain(&self) -> bool {
        let DeleteOptions { projection, kind, if_version, .. } = self.options;
        *projection == Projection::Nothing && kind.is_none() && if_version.is_none()
    }
}

impl Request for Delete<'_> {
    type Output = Outcome<Option<Entry>>;

    fn kind(&self) -> RequestKind {
        RequestKind::Write
    }

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
        let (projection, fields) = select_argument(&self.options.projection);
        let expected = if fields.is_some() { "r" } else { kind_argument(self.options.kind) };
        let count = fields.map_or(0, ttl_core::Fields::len);
        let mut cmd = self.script.call(form(step), self.key, 4 + count, 64 + 16 * count);
        cmd.arg("d");
        version_argument(&mut cmd, self.options.if_version.as_ref());
        cmd.arg(expected).arg(projection);
        fields.into_iter().flat_map(ttl_core::Fields::iter).for_each(|field| {
            cmd.arg(field);
        });
        Commands::One(cmd)
    }

    fn read(&self, step: Step, replies: Replies) -> Decoded<Answer<Self::Output>> {
        if step == Step::Plain {
            let Replies::One(reply) = replies else { return Err(Fault::UnknownForm("DEL")) };
            let outcome = if codec::flag(reply)? { Outcome::Applied(None) } else { Outcome::Absent };
            return Ok(Answer::Done(outcome));
        }
        let expected = match (&self.options.projection, self.options.kind) {
            (Projection::Fields(_), _) | (_, None) => Kind::Record,
            (_, Some(kind)) => kind,
        };
        let mut items = match applied(replies, expected)? {
            Ok(items) => items,
            Err(outcome) => return Ok(Answer::Done(outcome)),
        };
        let kind = codec::kind(codec::next(&mut items)?)?;
        let value = items.next().unwrap_or(Reply::Nil);
        let value = decode_selected(&self.options.projection, kind, value)?;
        let taken = (self.options.projection != Projection::Nothing).then(|| Entry::new(value));
        Ok(Answer::Done(Outcome::Applied(taken)))
    }
}

/// Returns the rest of an applied script's answer, or the outcome of a script that changed nothing.
fn applied<T>(
    replies: Replies,
    expected: Kind,
) -> Decoded<std::result::Result<std::vec::IntoIter<Reply>, Outcome<T>>> {
    let reply = match replies {
        Replies::One(Reply::ServerError(error)) => return Err(server(&error)),
        Replies::One(reply) => reply,
        Replies::Two(..) | Replies::Three(..) => return Err(Fault::UnknownForm("a script")),
    };
    let (status, items) = codec::script_answer(reply)?;
    match status.as_slice() {
        b"O" => Ok(Ok(items)),
        b"A" => Ok(Err(Outcome::Absent)),
        b"R" => Ok(Err(Outcome::Refused(None))),
        b"W" => Err(Fault::Refused(expected.wrong())),
        other => Err(codec::script_error(other)),
    }
}

fn form(step: Step) -> Form {
    match step {
        Step::Script(form) => form,
        Step::Plain => Form::Sha,
    }
}

fn version_argument(cmd: &mut Cmd, version: Option<&Version>) {
    match version {
        Some(version) => cmd.arg(codec::version_text(version)),
        None => cmd.arg(""),
    };
}
