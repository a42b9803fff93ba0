//! Expire: one `UpdateItem` that moves the deadline alone, or a `DeleteItem`.

use aws_sdk_dynamodb::types::AttributeValue;
use ttl_core::driver::Now;
use ttl_core::driver::{MAX_ATTEMPTS, contention};
use ttl_core::options::{ExpireOptions, ExpiryChange, Guard};
use ttl_core::results::ExpireResult;
use ttl_core::rules::{self, ExpireStep, Header};
use ttl_core::{Deadline, Key, Outcome, Result, Ttl};

use super::result::Attempt;
use crate::error::FailedWrite;
use crate::inner::Inner;
use crate::layout;
use crate::wire::{Reply, Retries, Write};

const PERSISTENT: &str = "attribute_not_exists(#d) AND attribute_not_exists(#m)";

impl Inner {
    pub(crate) async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: &ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        let expire = Expire { store: self, key, change, options };
        let mut retries = self.retries();
        let (mut now, mut item) = match expire.first(&mut retries).await? {
            Attempt::Outcome(outcome) => return Ok(outcome),
            Attempt::Conflict(now, item) => (now, item),
        };
        for round in 0..MAX_ATTEMPTS {
            let seen = layout::live_header(now, item.as_ref())?;
            let step = rules::expire(now, seen.as_ref(), change, options)?;
            let Some(seen) = seen else { return Ok(Outcome::Absent) };
            if !matches!(step, ExpireStep::Move(_) | ExpireStep::End(_)) {
                return Ok(outcome(step));
            }
            match expire.move_pinned(&seen, &mut retries).await? {
                Attempt::Outcome(outcome) => return Ok(outcome),
                Attempt::Conflict(at, found) => (now, item) = (at, found),
            }
            self.back_off(round, &retries).await?;
        }
        Err(contention())
    }
}

/// An expire of one key.
struct Expire<'a> {
    store: &'a Inner,
    key: &'a Key,
    change: ExpiryChange,
    options: &'a ExpireOptions,
}

impl Expire<'_> {
    async fn first(&self, retries: &mut Retries) -> Result<Attempt<ExpireResult>> {
        let now = self.store.now();
        if self.first_request(now)?.is_none() {
            let item = self.store.read(self.key, None, true, retries).await?;
            return Ok(Attempt::Conflict(self.store.now(), item));
        }
        let build = |now| Ok(self.first_request(now)?.unwrap_or_else(Write::nothing));
        self.decide(self.store.write(self.key, retries, build).await)
    }

    /// Returns a request that decides as [`rules::expire`] for any item. `None` if nothing can change.
    fn first_request(&self, now: Now) -> Result<Option<Write>> {
        let live = |write: Write| write.demand_live(now, self.options.if_version.as_ref());
        let asked = match self.change {
            ExpiryChange::Set(expiry) => expiry.resolve(now)?,
            ExpiryChange::Extend(by) => return Ok(self.extend_request(now, by).map(live)),
        };
        let guard = self.options.guard;
        Ok(if asked.is_expired(now) {
            let write = Write::delete();
            match guard {
                Guard::Always | Guard::IfSooner => Some(write),
                Guard::IfExpiring => Some(write.demand("attribute_exists(#d)")),
                Guard::IfPersistent => Some(write.demand(PERSISTENT)),
                // No expired deadline is later than that of a live entry.
                Guard::IfLater => None,
            }
        } else if asked.is_never() {
            // An entry with a cap gets the cap as its deadline, which is not known yet.
            let write = Write::update().remove_deadline();
            match guard {
                Guard::Always | Guard::IfLater | Guard::IfExpiring => {
                    Some(write.demand("attribute_exists(#d) AND attribute_not_exists(#m)"))
                }
                _ => None,
            }
        } else {
            let write = Write::update().set_deadline(&self.store.layout, now, asked);
            match guard {
                Guard::Always => Some(write),
                Guard::IfLater => Some(write.demand("#d < :d AND (attribute_not_exists(#m) OR #d < #m)")),
                Guard::IfSooner => Some(write.demand(
                    "(attribute_not_exists(#d) OR #d > :d) AND (attribute_not_exists(#m) OR #m > :d)",
                )),
                Guard::IfExpiring => Some(write.demand("attribute_exists(#d)")),
                Guard::IfPersistent => Some(write.demand(PERSISTENT)),
            }
        }
        .map(live))
    }

    /// Adds to the existing deadline.
    fn extend_request(&self, now: Now, by: Ttl) -> Option<Write> {
        if matches!(self.options.guard, Guard::IfSooner | Guard::IfPersistent) {
            return None;
        }
        let furthest = Deadline::after(now, Ttl::MAX).as_epoch_millis().saturating_sub(by.as_millis());
        let number = |number: u64| AttributeValue::N(number.to_string());
        Some(
            Write::update()
                .set_value("#d = #d + :by", ":by", number(by.as_millis()))
                .set_value("#e = #e + :seconds", ":seconds", number(by.as_millis().div_ceil(1000)))
                .demand("#d <= :furthest AND attribute_exists(#e) AND (attribute_not_exists(#m) OR #d < #m)")
                .value(":furthest", number(furthest)),
        )
    }

    /// Moves the deadline or ends the entry, if it is unchanged since it was read.
    async fn move_pinned(&self, seen: &Header, retries: &mut Retries) -> Result<Attempt<ExpireResult>> {
        let build = |now| {
            let write = match rules::expire(now, Some(seen), self.change, self.options)? {
                ExpireStep::Move(deadline) if deadline.is_never() => Write::update().remove_deadline(),
                ExpireStep::Move(deadline) => Write::update().set_deadline(&self.store.layout, now, deadline),
                ExpireStep::End(_) => Write::delete(),
                // Time has passed, and the change is no longer valid.
                _ => return Ok(Write::nothing()),
            };
            Ok(write.demand_live(now, Some(&seen.version)).demand_deadline(seen.deadline))
        };
        self.decide(self.store.write(self.key, retries, build).await)
    }

    fn decide(&self, sent: Result<(Now, Reply), FailedWrite>) -> Result<Attempt<ExpireResult>> {
        // After a lost response, the stored item does not show whether this write was applied.
        match sent.map_err(FailedWrite::into_error)? {
            (now, Reply::Applied(old)) => {
                let old = layout::replaced_header(now, old.as_ref());
                let step = rules::expire(now, old.as_ref(), self.change, self.options)?;
                Ok(Attempt::Outcome(outcome(step)))
            }
            (now, Reply::ConditionFailed(item)) => Ok(Attempt::Conflict(now, item)),
        }
    }
}

fn outcome(step: ExpireStep) -> Outcome<ExpireResult> {
    match step {
        ExpireStep::Absent => Outcome::Absent,
        ExpireStep::Refused => Outcome::Refused(None),
        ExpireStep::Keep(deadline) => Outcome::Applied(ExpireResult::new(deadline, false)),
        ExpireStep::Move(deadline) | ExpireStep::End(deadline) => {
            Outcome::Applied(ExpireResult::new(deadline, true))
        }
    }
}
