//! Put: one request that is correct for most states of the key, and a second one pinned to the item that the
//! first request found.

use ttl_core::driver::Now;
use ttl_core::driver::{MAX_ATTEMPTS, contention};
use ttl_core::options::{Condition, ExistingDeadline, Projection, PutOptions};
use ttl_core::results::PutResult;
use ttl_core::rules::{self, Header, PutStep};
use ttl_core::{Deadline, Key, Outcome, Result, Value};

use super::put_request::PutRequests;
use super::result::{self, Attempt, WrittenDeadline, recovered_deadline};
use crate::error::{FailedWrite, applied_unread};
use crate::inner::Inner;
use crate::layout::{self, Item};
use crate::wire::{Retries, TokenReply};

/// A put of one key.
struct Put<'a> {
    store: &'a Inner,
    key: &'a Key,
    options: &'a PutOptions,
    requests: PutRequests<'a>,
}

impl Inner {
    pub(crate) async fn put(
        &self,
        key: &Key,
        value: &Value,
        options: &PutOptions,
    ) -> Result<Outcome<PutResult>> {
        let requests = PutRequests { layout: &self.layout, value, options, token: layout::new_token() };
        self.check_size(key, value)?;
        // Invalid input is rejected, whatever is stored.
        let mut retries = self.retries();
        options.lifespan.resolve(self.now())?;
        let put = Put { store: self, key, options, requests };
        match put.first(&mut retries).await? {
            Attempt::Outcome(outcome) => Ok(outcome),
            Attempt::Conflict(now, item) => put.decide(now, item, &mut retries).await,
        }
    }
}

impl Put<'_> {
    /// Sends the first request.
    async fn first(&self, retries: &mut Retries) -> Result<Attempt<PutResult>> {
        let (store, token) = (self.store, &*self.requests.token);
        let build = |now| self.requests.first(now);
        let sent = match self.options.condition {
            Condition::IfVersion(_) => store.write_pinned(self.key, token, retries, build).await,
            Condition::Always | Condition::IfAbsent | Condition::IfPresent => {
                store.write_with_token(self.key, token, retries, build).await
            }
        };
        // It is unknown whether the put created the entry, unless only a creating put is applied.
        let created = self.options.condition == Condition::IfAbsent;
        self.attempt(sent, created, |now, cap| self.first_deadline(now, cap))
    }

    /// Returns the deadline that the first request writes at this time with this cap.
    fn first_deadline(&self, now: Now, cap: Deadline) -> Result<WrittenDeadline> {
        let asked = self.options.lifespan.expiry.resolve(now)?;
        let creates_only = self.options.condition == Condition::IfAbsent;
        let (deadline, certain) = match self.options.existing_deadline {
            ExistingDeadline::Refresh(refresh) if !creates_only => (Deadline::after(now, refresh.ttl), true),
            ExistingDeadline::Keep => (asked, creates_only),
            ExistingDeadline::Replace | ExistingDeadline::Refresh(_) => (asked, true),
        };
        Ok(WrittenDeadline { deadline: deadline.min(cap), certain })
    }

    /// Returns the result of a request. If it was recovered, `created` states whether it created the entry,
    /// and `written` returns the deadline that it wrote at a time over an entry with a cap.
    fn attempt(
        &self,
        sent: Result<(Now, TokenReply), FailedWrite>,
        created: bool,
        written: impl Fn(Now, Deadline) -> Result<WrittenDeadline>,
    ) -> Result<Attempt<PutResult>> {
        Ok(match sent.map_err(FailedWrite::into_error)? {
            (now, TokenReply::Applied(old)) => Attempt::Outcome(self.applied(now, old)?),
            (now, TokenReply::ConditionFailed(item)) => Attempt::Conflict(now, item),
            (_, TokenReply::Recovered(sent, item)) => {
                Attempt::Outcome(self.recovered(&sent, &item, created, written)?)
            }
        })
    }

    /// Returns the outcome of a request that was applied over this item.
    fn applied(&self, now: Now, old: Option<Item>) -> Result<Outcome<PutResult>> {
        let header = layout::replaced_header(now, old.as_ref());
        let result = match rules::put(now, header.as_ref(), self.options)? {
            PutStep::Absent => return Ok(Outcome::Absent),
            PutStep::Refused => return Ok(Outcome::Refused(None)),
            PutStep::Write { deadline, created, .. } => self
                .result(created, deadline, true)?
                .with_created_at(rules::created_at(now, self.options.returning)),
            PutStep::Erase { deadline, created } => self.result(created, deadline, false)?,
        };
        let previous = self.previous(now, header.as_ref(), old);
        let previous = previous.map_err(|_| applied_unread("the replaced value, which is damaged"))?;
        Ok(Outcome::Applied(result.with_previous(previous)))
    }

    /// Returns the value of the previous entry, if the caller asked for it.
    fn previous(&self, now: Now, header: Option<&Header>, item: Option<Item>) -> Result<Option<Value>> {
        match (rules::live(now, header), item) {
            (Some(_), Some(mut item)) if self.options.previous => layout::value(&mut item, &Projection::All),
            _ => Ok(None),
        }
    }

    /// Returns the outcome of a put that this entry refuses.
    fn refused(&self, now: Now, header: Option<&Header>, item: Option<Item>) -> Result<Outcome<PutResult>> {
        let (Some(seen), Some(found), true) = (header, &item, self.options.previous) else {
            return Ok(Outcome::Refused(None));
        };
        let result = result::found(self.options.returning, seen, found)?;
        Ok(Outcome::Refused(Some(result.with_previous(self.previous(now, header, item)?))))
    }

    /// Returns the outcome of a write whose response was lost, but which was applied by one of the attempts
    /// sent at these times.
    fn recovered(
        &self,
        sent: &[Now],
        item: &Item,
        created: bool,
        written: impl Fn(Now, Deadline) -> Result<WrittenDeadline>,
    ) -> Result<Outcome<PutResult>> {
        if self.options.previous && !created {
            return Err(applied_unread("the replaced value"));
        }
        let cap = layout::header(item)?.cap;
        let written = sent.iter().map(|now| written(*now, cap)).collect::<Result<Vec<_>>>()?;
        let deadline = recovered_deadline(&written, item, self.options.returning)?;
        let created_at = layout::created_at(self.options.returning, item)?;
        Ok(Outcome::Applied(self.result(created, deadline, true)?.with_created_at(created_at)))
    }

    fn result(&self, created: bool, deadline: Deadline, stored: bool) -> Result<PutResult> {
        let token = stored.then_some(&self.requests.token);
        result::written(self.options.returning, created, deadline, token)
    }

    /// Decides by the item that was found, and writes if it is unchanged.
    async fn decide(
        &self,
        mut now: Now,
        mut item: Option<Item>,
        retries: &mut Retries,
    ) -> Result<Outcome<PutResult>> {
        // A caller that loses the race to create returns to the first request. With swaps, all others would
        // have to wait.
        let mut lost_race = false;
        for round in 0..MAX_ATTEMPTS {
            let seen = layout::live_header(now, item.as_ref())?;
            let step = rules::put(now, seen.as_ref(), self.options)?;
            let restart = std::mem::replace(&mut lost_race, seen.is_none());
            let attempt = match (step, &seen) {
                (PutStep::Absent, _) => return Ok(Outcome::Absent),
                (PutStep::Refused, _) => return self.refused(now, seen.as_ref(), item),
                (_, Some(_)) if restart => self.first(retries).await?,
                (_, Some(seen)) => self.replace(seen, retries).await?,
                (_, None) => self.create(retries).await?,
            };
            match attempt {
                Attempt::Outcome(outcome) => return Ok(outcome),
                Attempt::Conflict(at, found) => (now, item) = (at, found),
            }
            self.store.back_off(round, retries).await?;
        }
        Err(contention())
    }

    /// Creates the entry where nothing or only a ghost is stored.
    async fn create(&self, retries: &mut Retries) -> Result<Attempt<PutResult>> {
        let build = |now| self.requests.create(now);
        let sent = self.store.write_with_token(self.key, &self.requests.token, retries, build).await;
        self.attempt(sent, true, |now, _| self.decided_deadline(now, None))
    }

    /// Replaces a live entry, if it is unchanged since it was read.
    async fn replace(&self, seen: &Header, retries: &mut Retries) -> Result<Attempt<PutResult>> {
        let (store, token) = (self.store, &*self.requests.token);
        let build = |now| self.requests.replace(now, seen);
        let sent = match rules::put(store.now(), Some(seen), self.options)? {
            // This leaves no token.
            PutStep::Erase { .. } => {
                store.write(self.key, retries, build).await.map(|(now, reply)| (now, reply.into()))
            }
            _ => store.write_pinned(self.key, token, retries, build).await,
        };
        self.attempt(sent, false, |now, _| self.decided_deadline(now, Some(seen)))
    }

    /// Returns the deadline that a put decided by the driver writes at this time.
    fn decided_deadline(&self, now: Now, seen: Option<&Header>) -> Result<WrittenDeadline> {
        match rules::put(now, seen, self.options)? {
            PutStep::Write { deadline, .. } => Ok(WrittenDeadline::certain(deadline)),
            _ => Err(applied_unread("the written deadline")),
        }
    }
}
