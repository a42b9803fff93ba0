//! Expire: the script.

use ttl_core::options::{ExpireOptions, ExpiryChange, Guard};
use ttl_core::results::ExpireResult;
use ttl_core::{Key, Outcome, Result};

use crate::error::Decoded;
use crate::inner::Inner;
use crate::layout::FullKey;
use crate::wire::arguments::{add_expiry, add_version};
use crate::wire::{Answer, Commands, OVERHEAD, Replies, Request, Script, ScriptAnswer, Status, Step};

pub(crate) async fn expire(
    inner: &Inner,
    key: &Key,
    change: ExpiryChange,
    options: &ExpireOptions,
) -> Result<Outcome<ExpireResult>> {
    inner.capabilities.check_expire(options)?;
    let (script, key) = (&inner.scripts.alter, inner.full_key(key));
    inner.link.run(&Expire { script, key, change, options }).await
}

/// An expire of one key.
struct Expire<'a> {
    script: &'a Script,
    key: FullKey<'a>,
    change: ExpiryChange,
    options: &'a ExpireOptions,
}

impl Request for Expire<'_> {
    type Output = Outcome<ExpireResult>;

    fn bytes(&self) -> usize {
        OVERHEAD + self.key.len()
    }

    fn commands(&self, step: Step) -> Commands {
        let mut cmd = self.script.call(step.form(), self.key, 5, 96);
        cmd.arg("expire");
        add_version(&mut cmd, self.options.if_version.as_ref());
        match self.change {
            ExpiryChange::Extend(by) => {
                cmd.arg("extend").arg(by.as_millis());
            }
            ExpiryChange::Set(expiry) => add_expiry(&mut cmd, expiry),
        }
        cmd.arg(match self.options.guard {
            Guard::Always => "always",
            Guard::IfLater => "if_later",
            Guard::IfSooner => "if_sooner",
            Guard::IfExpiring => "if_expiring",
            Guard::IfPersistent => "if_persistent",
        });
        Commands::One(cmd)
    }

    fn read(&self, _: Step, replies: Replies) -> Decoded<Answer<Self::Output>> {
        let mut answer = ScriptAnswer::decode(replies)?;
        Ok(Answer::Done(match answer.status {
            Status::Done => Outcome::Applied(ExpireResult::new(answer.deadline()?, answer.flag()?)),
            Status::Absent => Outcome::Absent,
            Status::Refused => Outcome::Refused(None),
            _ => return Err(ScriptAnswer::UNKNOWN),
        }))
    }
}
