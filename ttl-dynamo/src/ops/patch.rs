//! Patch: one update expression, or a change that the driver makes and writes if the version is unchanged
//! since it was read.

use std::time::SystemTime;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value as Json;
use ttl_core::driver::{Change, FieldOperation, Now};
use ttl_core::driver::{MAX_ATTEMPTS, contention};
use ttl_core::options::{PatchOptions, Projection};
use ttl_core::results::PatchResult;
use ttl_core::rules::{self, Header, PatchStep};
use ttl_core::{Deadline, Effect, Key, Outcome, Patch, Record, RefreshMode, Result, Value};

use super::patch_request::{DeadlineEffect, OneRequest};
use super::result::{self, Attempt, WrittenDeadline, recovered_deadline};
use crate::error::{FailedWrite, applied_unread, foreign_item};
use crate::inner::Inner;
use crate::layout::names::FIELDS;
use crate::layout::{self, Item};
use crate::wire::{Retries, TokenReply, Write};

impl Inner {
    pub(crate) async fn patch(
        &self,
        key: &Key,
        patch: &Patch,
        options: &PatchOptions,
    ) -> Result<Outcome<PatchResult>> {
        let operations = patch.operations()?;
        if let Some(create) = &options.create {
            // Invalid input is rejected, whatever is stored.
            create.lifespan.resolve(self.now())?;
        }
        let patching = Patching { store: self, key, patch, operations, options, token: layout::new_token() };
        // DynamoDB limits items, but does not measure records.
        let one = OneRequest::of(operations).filter(|_| self.config.max_value_bytes.is_none());
        patching.run(one, &mut self.retries()).await
    }
}

/// A patch of one key.
struct Patching<'a> {
    store: &'a Inner,
    key: &'a Key,
    patch: &'a Patch,
    operations: &'a [FieldOperation],
    options: &'a PatchOptions,
    token: String,
}

/// The next step of a patch.
enum Step {
    /// Sends the one request.
    Update(DeadlineEffect),
    Read,
    /// Writes the changed record over this item.
    Replace(Header, Item),
    Create(Now),
}

impl Patching<'_> {
    /// Patches with one request wherever that can be correct, otherwise with a read and a swap.
    async fn run(&self, mut one: Option<OneRequest>, retries: &mut Retries) -> Result<Outcome<PatchResult>> {
        let mut step = if one.is_some() { Step::Update(DeadlineEffect::Moves) } else { Step::Read };
        // The request that was rejected for a live record: the record itself contains the reason.
        let mut rejected = None;
        let mut swaps = 0_usize;
        for _ in 0..MAX_ATTEMPTS {
            let attempt = match (step, &one) {
                (Step::Update(effect), Some(request)) => match self.update(request, effect, retries).await? {
                    Some(Attempt::Conflict(now, item)) => {
                        rejected = layout::live_header(now, item.as_ref())?.map(|_| effect);
                        Attempt::Conflict(now, item)
                    }
                    Some(attempt) => attempt,
                    None => {
                        (one, step) = (None, Step::Read);
                        continue;
                    }
                },
                (Step::Replace(seen, item), _) => {
                    swaps += 1;
                    self.replace(&seen, item, retries).await?
                }
                // A caller that loses this race returns to the one request. With swaps, all others would have
                // to wait.
                (Step::Create(now), _) => {
                    rejected = None;
                    self.create(now, retries).await?
                }
                _ => {
                    let item = self.store.read(self.key, None, true, retries).await?;
                    Attempt::Conflict(self.store.now(), item)
                }
            };
            let (now, item) = match attempt {
                Attempt::Outcome(outcome) => return Ok(outcome),
                Attempt::Conflict(now, item) => (now, item),
            };
            let header = layout::live_header(now, item.as_ref())?;
            step = match (rules::patch(now, header.as_ref(), self.options)?, header, item) {
                (PatchStep::Absent, ..) => return Ok(Outcome::Absent),
                (PatchStep::Refused, ..) => return Ok(Outcome::Refused(None)),
                (PatchStep::Change { .. }, Some(seen), Some(item)) => {
                    if let Some(found) = self.refusal(&seen, &item)? {
                        return Ok(Outcome::Refused(Some(found)));
                    }
                    let effect = self.deadline_effect(now, &seen);
                    if one.is_some() && rejected != Some(effect) {
                        Step::Update(effect)
                    } else {
                        Step::Replace(seen, item)
                    }
                }
                _ => Step::Create(now),
            };
            self.store.back_off(swaps.saturating_sub(1), retries).await?;
        }
        Err(contention())
    }

    /// Returns the stored entry if the patch's bounds reject it. A request that was not applied shows this at
    /// once.
    fn refusal(&self, seen: &Header, item: &Item) -> Result<Option<PatchResult>> {
        if !self.patch.has_bounds() {
            return Ok(None);
        }
        let Some(AttributeValue::M(map)) = item.get(FIELDS) else { return Err(foreign_item()) };
        let named = self.patch.fields().into_iter().filter_map(|name| map.get_key_value(name));
        let before = layout::record(named.map(|(name, value)| (name.clone(), value.clone())))?;
        if rules::apply(&mut before.clone(), self.patch)?.is_some() {
            return Ok(None);
        }
        let found = result::found(self.options.returning, seen, item)?;
        Ok(Some(PatchResult::new(&found, before, Vec::new())))
    }

    /// Returns the effect on the deadline of the one request that is correct for this entry.
    fn deadline_effect(&self, now: Now, seen: &Header) -> DeadlineEffect {
        match &self.options.refresh {
            Some(refresh)
                if refresh.mode == RefreshMode::ExtendOnly
                    && seen.deadline >= Deadline::after(now, refresh.ttl) =>
            {
                DeadlineEffect::Stays
            }
            _ => DeadlineEffect::Moves,
        }
    }

    /// Sends the whole patch in one request. Returns `None` if DynamoDB rejects the expression.
    async fn update(
        &self,
        request: &OneRequest,
        effect: DeadlineEffect,
        retries: &mut Retries,
    ) -> Result<Option<Attempt<PatchResult>>> {
        let store = self.store;
        let build = |now| request.request(&store.layout, now, &self.token, self.options, effect);
        let sent = match self.options.if_version {
            None => store.write_with_token(self.key, &self.token, retries, build).await,
            Some(_) => store.write_pinned(self.key, &self.token, retries, build).await,
        };
        let reply = match sent {
            // DynamoDB has a limit of expressions that this driver does not know.
            Err(failed) if failed.invalid_request => return Ok(None),
            sent => sent.map_err(FailedWrite::into_error)?,
        };
        Ok(Some(match reply {
            // The write was applied, so nothing below may report otherwise.
            (now, TokenReply::Applied(old)) => {
                Attempt::Outcome(self.updated(now, old).map_err(|_| applied_unread("the changed fields"))?)
            }
            (now, TokenReply::ConditionFailed(item)) => Attempt::Conflict(now, item),
            (_, TokenReply::Recovered(sent, item)) => Attempt::Outcome(self.recovered(&sent, effect, item)?),
        }))
    }

    /// Returns the outcome of one request that was applied over this item.
    fn updated(&self, now: Now, old: Option<Item>) -> Result<Outcome<PatchResult>> {
        let header = layout::replaced_header(now, old.as_ref());
        let step = rules::patch(now, header.as_ref(), self.options)?;
        let PatchStep::Change { deadline } = step else { return Err(contention()) };
        let mut old = old.ok_or_else(foreign_item)?;
        let created_at = self.created_at(&old)?;
        let Some(AttributeValue::M(mut map)) = old.remove(FIELDS) else { return Err(foreign_item()) };
        // Only those old fields that the response reports, or is computed from.
        let mut sums = Vec::new();
        let mut old = Vec::new();
        for FieldOperation { field, change, .. } in self.operations {
            if matches!(change, Change::Set(_) | Change::Unset) {
                continue;
            }
            let Some((name, value)) = map.remove_entry(&**field) else { continue };
            if let (Change::Increment(by) | Change::IncrementWithin { by, .. }, AttributeValue::N(before)) =
                (change, &value)
                && let AttributeValue::N(by) = layout::number_attribute(by)
                && let Some(sum) = layout::sum(before, &by)
            {
                sums.push((name.clone(), Json::Number(sum)));
            }
            old.push((name, value));
        }
        let mut record = layout::record(old)?;
        let effects = rules::apply(&mut record, self.patch)?.ok_or_else(contention)?;
        // The server adds fractions in decimal.
        for (name, sum) in sums {
            record.insert(name, sum)?;
        }
        self.outcome(false, deadline, created_at, &record, effects, true).map(Outcome::Applied)
    }

    /// Returns the outcome of one request whose response was lost, but which was applied by one of the
    /// attempts sent at these times.
    fn recovered(
        &self,
        sent: &[Now],
        effect: DeadlineEffect,
        mut item: Item,
    ) -> Result<Outcome<PatchResult>> {
        if self.operations.iter().any(|operation| matches!(operation.change, Change::PopFront)) {
            return Err(applied_unread("the removed elements"));
        }
        let cap = layout::header(&item)?.cap;
        let written: Vec<_> = match &self.options.refresh {
            // It left the existing deadline.
            None => Vec::new(),
            Some(_) if effect == DeadlineEffect::Stays => Vec::new(),
            Some(refresh) => sent
                .iter()
                .map(|now| WrittenDeadline::certain(Deadline::after(*now, refresh.ttl).min(cap)))
                .collect(),
        };
        let deadline = recovered_deadline(&written, &item, self.options.returning)?;
        let created_at = self.created_at(&item)?;
        let value = layout::value(&mut item, &Projection::Fields(self.patch.to_fields()?))?;
        let record = value.map(Value::into_record).transpose()?.unwrap_or_default();
        let effects = vec![Effect::Done; self.operations.len()];
        self.outcome(false, deadline, created_at, &record, effects, true).map(Outcome::Applied)
    }

    /// Returns the item's time of creation, if the caller asked for it.
    fn created_at(&self, item: &Item) -> Result<Option<SystemTime>> {
        layout::created_at(self.options.returning, item)
    }

    fn outcome(
        &self,
        created: bool,
        deadline: Deadline,
        created_at: Option<SystemTime>,
        record: &Record,
        effects: Vec<Effect>,
        stored: bool,
    ) -> Result<PatchResult> {
        let token = stored.then_some(&self.token);
        let written = result::written(self.options.returning, created, deadline, token)?;
        let written = written.with_created_at(created_at.filter(|_| stored));
        Ok(PatchResult::new(&written, record.project(&self.patch.to_fields()?), effects))
    }

    /// Changes the record in the driver, and writes it if the entry is unchanged.
    async fn replace(
        &self,
        seen: &Header,
        mut item: Item,
        retries: &mut Retries,
    ) -> Result<Attempt<PatchResult>> {
        let created_at = self.created_at(&item)?;
        let value = layout::value(&mut item, &Projection::All)?;
        let mut record = value.map(Value::into_record).transpose()?.unwrap_or_default();
        // Rejections by the bounds were handled before this call.
        let effects = rules::apply(&mut record, self.patch)?.ok_or_else(contention)?;
        let value = Value::Record(record.clone());
        self.store.check_size(self.key, &value)?;
        let (_, fields) = layout::encode(&value);
        let build = |now| {
            let write = Write::update()
                .set_value("#f = :f", ":f", fields.clone())
                .set_value("#v = :v", ":v", AttributeValue::S(self.token.clone()))
                .demand_live(now, Some(&seen.version));
            let Some(refresh) = &self.options.refresh else { return Ok(write) };
            let deadline = rules::refreshed(now, seen, refresh);
            let write = write.demand_deadline(seen.deadline);
            Ok(if deadline.is_never() {
                write
            } else {
                write.set_deadline(&self.store.layout, now, deadline)
            })
        };
        let sent = self.store.write_pinned(self.key, &self.token, retries, build).await;
        let deadline = match sent.map_err(FailedWrite::into_error)? {
            (now, TokenReply::ConditionFailed(item)) => return Ok(Attempt::Conflict(now, item)),
            (_, TokenReply::Recovered(sent, item)) => {
                let refresh = self.options.refresh.iter();
                let written: Vec<_> = refresh
                    .flat_map(|refresh| sent.iter().map(|now| rules::refreshed(*now, seen, refresh)))
                    .map(WrittenDeadline::certain)
                    .collect();
                recovered_deadline(&written, &item, self.options.returning)?
            }
            // Without a refresh, another caller may have moved the deadline since it was read.
            (now, TokenReply::Applied(old)) => {
                let old = layout::replaced_header(now, old.as_ref());
                let old = old.as_ref().unwrap_or(seen);
                let refresh = self.options.refresh.as_ref();
                refresh.map_or(old.ends(), |refresh| rules::refreshed(now, old, refresh))
            }
        };
        let outcome = self.outcome(false, deadline, created_at, &record, effects, true)?;
        Ok(Attempt::Outcome(Outcome::Applied(outcome)))
    }

    /// Creates the record where nothing or only a ghost is stored.
    async fn create(&self, now: Now, retries: &mut Retries) -> Result<Attempt<PatchResult>> {
        let Some(create) = &self.options.create else { return Ok(Attempt::Outcome(Outcome::Absent)) };
        let mut record = create.initial.clone();
        let Some(effects) = rules::apply(&mut record, self.patch)? else {
            return Ok(Attempt::Outcome(Outcome::Refused(None)));
        };
        let value = Value::Record(record.clone());
        self.store.check_size(self.key, &value)?;
        let applied = |deadline, created_at, stored| {
            let outcome = self.outcome(true, deadline, created_at, &record, effects, stored);
            outcome.map(|outcome| Attempt::Outcome(Outcome::Applied(outcome)))
        };
        if let PatchStep::CreateElapsed { deadline } = rules::patch(now, None, self.options)? {
            return applied(deadline, None, false);
        }
        let build = |now| match rules::patch(now, None, self.options)? {
            PatchStep::Create { deadline, cap } => {
                let cap = Some(cap).filter(|cap| !cap.is_never());
                let item = self.store.layout.new_item(now, &value, &self.token, deadline, cap);
                Ok(Write::put(item).demand_free(now))
            }
            _ => Ok(Write::nothing()),
        };
        let written_at = |now| match rules::patch(now, None, self.options)? {
            PatchStep::Create { deadline, .. } => Ok(deadline),
            _ => Err(applied_unread("the written deadline")),
        };
        let sent = self.store.write_with_token(self.key, &self.token, retries, build).await;
        match sent.map_err(FailedWrite::into_error)? {
            (now, TokenReply::Applied(_)) => {
                applied(written_at(now)?, rules::created_at(now, self.options.returning), true)
            }
            (now, TokenReply::ConditionFailed(item)) => Ok(Attempt::Conflict(now, item)),
            (now, TokenReply::Recovered(_, item)) => {
                let written = [WrittenDeadline::certain(written_at(now)?)];
                let deadline = recovered_deadline(&written, &item, self.options.returning)?;
                applied(deadline, self.created_at(&item)?, true)
            }
        }
    }
}
