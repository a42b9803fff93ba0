//! Put: one request that is correct for most states of the key, and a second one pinned to the item that the
//! first request found.

use aws_sdk_dynamodb::types::AttributeValue;
use ttl_core::rules::{self, Header, PutStep};
use ttl_core::{
    Condition, Deadline, ExistingDeadline, Key, Kind, Now, Outcome, Projection, PutOptions, PutResult,
    Result, Returning, Value,
};

use crate::codec::{self, Item};
use crate::error::{answer_lost, contention, unknown};
use crate::expression::Write;
use crate::names::{CAP, CREATED, DEADLINE, VERSION};
use crate::send::{Lost, Pinned, Reply, Retries, Written, deadline_of};
use crate::size;
use crate::store::Inner;

/// The maximum number of attempts after conflicts, for a write that the driver decides itself.
pub(crate) const ROUNDS: u32 = 64;

/// A put of one key.
pub(crate) struct Put<'a> {
    pub(crate) store: &'a Inner,
    key: &'a Key,
    value: &'a Value,
    pub(crate) options: &'a PutOptions,
    token: String,
}

impl Inner {
    pub(crate) async fn put(
        &self,
        key: &Key,
        value: &Value,
        options: &PutOptions,
    ) -> Result<Outcome<PutResult>> {
        let put = Put { store: self, key, value, options, token: codec::new_token() };
        size::check(key, value, self)?;
        put.run().await
    }
}

impl Put<'_> {
    async fn run(&self) -> Result<Outcome<PutResult>> {
        let mut retries = self.store.retries();
        // Invalid input is rejected, whatever is stored.
        self.options.lifespan.expiry.resolve(self.store.now_millis())?;
        let met = match self.options.condition {
            Condition::IfVersion(_) => self.first_of_version(&mut retries).await?,
            Condition::Always | Condition::IfAbsent | Condition::IfPresent => {
                self.first(&mut retries).await?
            }
        };
        match met {
            Met::Outcome(outcome) => Ok(outcome),
            Met::Item(now, item) => self.decided(now, item, &mut retries).await,
        }
    }

    async fn first(&self, retries: &mut Retries) -> Result<Met> {
        match self.store.write(self.key, retries, |now| self.first_request(now)).await {
            Ok((now, Reply::Done(old))) => self.done(now, old).map(Met::Outcome),
            Ok((now, Reply::Failed(item))) => Ok(Met::Item(now, item)),
            // It is unknown whether the put created the entry, unless only a creating put is applied.
            Err(lost) => {
                let created = self.options.condition == Condition::IfAbsent;
                let written = |now, cap| self.first_deadline(now, cap);
                self.lost(lost, created, retries, written).await.map(Met::Outcome)
            }
        }
    }

    async fn first_of_version(&self, retries: &mut Retries) -> Result<Met> {
        let sent = self.store.write_pinned(self.key, &self.token, retries, |now| self.first_request(now));
        match sent.await.map_err(Lost::into_error)? {
            (now, Pinned::Done(old)) => self.done(now, old).map(Met::Outcome),
            (now, Pinned::Failed(item)) => Ok(Met::Item(now, item)),
            (_, Pinned::Own(sent, item)) => {
                let written = |now, cap| self.first_deadline(now, cap);
                self.own(&sent, &item, false, written).map(Met::Outcome)
            }
        }
    }

    /// Returns the deadline that the first request writes at this time with this cap.
    fn first_deadline(&self, now: Now, cap: Deadline) -> Result<Written> {
        let asked = self.options.lifespan.expiry.resolve(now)?;
        let creates_only = self.options.condition == Condition::IfAbsent;
        let (deadline, certain) = match self.options.existing_deadline {
            ExistingDeadline::Refresh(refresh) if !creates_only => (Deadline::after(now, refresh.ttl), true),
            ExistingDeadline::Keep => (asked, creates_only),
            ExistingDeadline::Replace | ExistingDeadline::Refresh(_) => (asked, true),
        };
        Ok(Written { deadline: deadline.min(cap), certain })
    }

    /// Returns an update of value, version and creation that removes the attribute of the other kind.
    pub(crate) fn content(&self, now: Now) -> Write {
        let (_, value) = codec::encode(self.value);
        let write = match self.value.kind() {
            Kind::Blob => Write::update().set_value("#b = :b", ":b", value).remove("#f"),
            Kind::Record => Write::update().set_value("#f = :f", ":f", value).remove("#b"),
        };
        write.set_value("#v = :v", ":v", AttributeValue::S(self.token.clone())).set_value(
            "#c = :c",
            ":c",
            codec::created_attribute(now),
        )
    }

    /// Returns a write of the complete item.
    pub(crate) fn whole(&self, now: Now, deadline: Deadline, cap: Option<Deadline>) -> Write {
        Write::put(self.store.new_item(now, self.value, &self.token, deadline, cap))
    }

    /// Returns the outcome of a request that was applied over this item.
    fn done(&self, now: Now, old: Option<Item>) -> Result<Outcome<PutResult>> {
        let header = codec::replaced(now, old.as_ref());
        let meta = match rules::put(now, header.as_ref(), self.options)? {
            PutStep::Absent => return Ok(Outcome::Absent),
            PutStep::Refused => return Ok(Outcome::Refused(None)),
            PutStep::Write { deadline, created, .. } => self
                .meta(created, deadline, true)?
                .with_created_at(rules::created_at(now, self.options.returning)),
            PutStep::Erase { deadline, created } => self.meta(created, deadline, false)?,
        };
        let previous = self.previous(now, header.as_ref(), old);
        let previous = previous.map_err(|_| answer_lost("the replaced value, which is damaged"))?;
        Ok(Outcome::Applied(meta.with_previous(previous)))
    }

    /// Returns the value of the previous entry, if the caller asked for it.
    fn previous(&self, now: Now, header: Option<&Header>, item: Option<Item>) -> Result<Option<Value>> {
        match (rules::live(now, header), item) {
            (Some(_), Some(mut item)) if self.options.previous => codec::value(&mut item, &Projection::All),
            _ => Ok(None),
        }
    }

    /// Returns the outcome of a put that this entry refuses.
    fn refused(&self, now: Now, header: Option<&Header>, item: Option<Item>) -> Result<Outcome<PutResult>> {
        let Some(seen) = header.filter(|_| self.options.previous) else { return Ok(Outcome::Refused(None)) };
        let created_at =
            item.as_ref().map(|item| codec::created_at(self.options.returning, item)).transpose()?;
        let meta = PutResult::returning(self.options.returning, false, seen.ends(), seen.version)
            .with_created_at(created_at.flatten());
        Ok(Outcome::Refused(Some(meta.with_previous(self.previous(now, header, item)?))))
    }

    /// Returns the outcome of a write whose response was lost, but which was applied by one of the attempts
    /// sent at these times.
    fn own(
        &self,
        sent: &[Now],
        item: &Item,
        created: bool,
        written: impl Fn(Now, Deadline) -> Result<Written>,
    ) -> Result<Outcome<PutResult>> {
        if self.options.previous && !created {
            return Err(answer_lost("the replaced value"));
        }
        let cap = codec::header(item)?.cap;
        let written = sent.iter().map(|now| written(*now, cap)).collect::<Result<Vec<_>>>()?;
        let deadline = match deadline_of(&written, item)? {
            Some(deadline) => deadline,
            None if self.options.returning.contains(Returning::DEADLINE) => {
                return Err(answer_lost("the kept deadline"));
            }
            None => Deadline::NEVER,
        };
        let created_at = codec::created_at(self.options.returning, item)?;
        Ok(Outcome::Applied(self.meta(created, deadline, true)?.with_created_at(created_at)))
    }

    async fn lost(
        &self,
        lost: Lost,
        created: bool,
        retries: &Retries,
        written: impl Fn(Now, Deadline) -> Result<Written>,
    ) -> Result<Outcome<PutResult>> {
        let (now, error) = match lost {
            Lost::Unknown(now, error) => (now, error),
            lost => return Err(lost.into_error()),
        };
        match self.store.look(self.key, &self.token, retries).await {
            Some(item) => self.own(&[now], &item, created, written),
            None => Err(unknown(&error)),
        }
    }

    fn meta(&self, created: bool, deadline: Deadline, stored: bool) -> Result<PutResult> {
        codec::meta(self.options.returning, created, deadline, stored.then_some(&self.token))
    }

    /// Decides by the item that was found, and writes if it is unchanged.
    async fn decided(
        &self,
        mut now: Now,
        mut item: Option<Item>,
        retries: &mut Retries,
    ) -> Result<Outcome<PutResult>> {
        // A caller that loses the race to create returns to the first request. With swaps, all others would
        // have to wait.
        let mut lost_race = false;
        for round in 0..ROUNDS {
            let met = codec::met(now, item.as_ref())?;
            let step = rules::put(now, met.as_ref(), self.options)?;
            let back = std::mem::replace(&mut lost_race, met.is_none());
            let replied = match (step, &met) {
                (PutStep::Absent, _) => return Ok(Outcome::Absent),
                (PutStep::Refused, _) => return self.refused(now, met.as_ref(), item),
                (_, Some(_)) if back => self.first(retries).await?,
                (_, Some(header)) => self.over(header, retries).await?,
                (_, None) => match self.store.write(self.key, retries, |now| self.fresh(now)).await {
                    Ok((now, Reply::Done(_))) => Met::Outcome(self.done(now, None)?),
                    Ok((now, Reply::Failed(item))) => Met::Item(now, item),
                    Err(lost) => {
                        let written = |now, _| self.decided_deadline(now, None);
                        Met::Outcome(self.lost(lost, true, retries, written).await?)
                    }
                },
            };
            match replied {
                Met::Outcome(outcome) => return Ok(outcome),
                Met::Item(at, found) => (now, item) = (at, found),
            }
            self.store.step_aside(round, retries).await?;
        }
        Err(contention())
    }

    /// Creates the entry where nothing or only a ghost is stored.
    fn fresh(&self, now: Now) -> Result<Write> {
        Ok(match rules::put(now, None, self.options)? {
            PutStep::Write { deadline, cap, .. } => {
                self.whole(now, deadline, Some(cap).filter(|cap| !cap.is_never()))
            }
            PutStep::Erase { .. } => Write::delete(),
            PutStep::Absent | PutStep::Refused => return Ok(Write::nothing()),
        }
        .demand_free(now))
    }

    /// Replaces a live entry, if it is unchanged since it was read.
    async fn over(&self, seen: &Header, retries: &mut Retries) -> Result<Met> {
        let build = |now| {
            let write = match rules::put(now, Some(seen), self.options)? {
                PutStep::Write { deadline, cap, created: false } => {
                    let write = self.content(now);
                    let write = match deadline.is_never() {
                        true => write.remove("#d").remove("#e"),
                        false => self.store.set_deadline(write, now, deadline),
                    };
                    if cap.is_never() {
                        write
                    } else {
                        write.set_value("#m = :m", ":m", codec::deadline_attribute(cap))
                    }
                }
                PutStep::Erase { .. } => Write::delete(),
                // The entry has expired meanwhile.
                _ => return Ok(Write::nothing()),
            };
            Ok(write.demand_live(now, Some(&seen.version)).demand_deadline(seen.deadline))
        };
        let erases =
            matches!(rules::put(self.store.now_millis(), Some(seen), self.options)?, PutStep::Erase { .. });
        if erases {
            return match self.store.write(self.key, retries, build).await {
                Ok((now, Reply::Done(old))) => self.done(now, old).map(Met::Outcome),
                Ok((now, Reply::Failed(item))) => Ok(Met::Item(now, item)),
                Err(lost) => Err(lost.into_error()),
            };
        }
        let sent = self.store.write_pinned(self.key, &self.token, retries, build).await;
        match sent.map_err(Lost::into_error)? {
            (now, Pinned::Done(old)) => self.done(now, old).map(Met::Outcome),
            (now, Pinned::Failed(item)) => Ok(Met::Item(now, item)),
            (_, Pinned::Own(sent, item)) => {
                let written = |now, _| self.decided_deadline(now, Some(seen));
                self.own(&sent, &item, false, written).map(Met::Outcome)
            }
        }
    }

    /// Returns the deadline that a put decided by the driver writes at this time.
    fn decided_deadline(&self, now: Now, seen: Option<&Header>) -> Result<Written> {
        match rules::put(now, seen, self.options)? {
            PutStep::Write { deadline, .. } => Ok(Written { deadline, certain: true }),
            _ => Err(answer_lost("the written deadline")),
        }
    }
}

/// The result of a request.
enum Met {
    Outcome(Outcome<PutResult>),
    /// The request was not applied; this item was found at this time.
    Item(Now, Option<Item>),
}

impl Inner {
    /// Returns an item without its key.
    pub(crate) fn new_item(
        &self,
        now: Now,
        value: &Value,
        token: &str,
        deadline: Deadline,
        cap: Option<Deadline>,
    ) -> Item {
        let (name, value) = codec::encode(value);
        let mut item = Item::with_capacity(7);
        item.insert(name.to_owned(), value);
        item.insert(VERSION.to_owned(), AttributeValue::S(token.to_owned()));
        item.insert(CREATED.to_owned(), codec::created_attribute(now));
        if !deadline.is_never() {
            item.insert(DEADLINE.to_owned(), codec::deadline_attribute(deadline));
            item.insert(self.names.epoch.clone(), self.epoch(now, deadline));
        }
        if let Some(cap) = cap {
            item.insert(CAP.to_owned(), codec::deadline_attribute(cap));
        }
        item
    }
}
