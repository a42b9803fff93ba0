//! Patch: one update expression, or a change that the driver makes and writes if the version is unchanged
//! since it was read.

use std::time::SystemTime;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value as Json;
use ttl_core::rules::{self, Header, PatchStep};
use ttl_core::{
    Change, Deadline, Effect, FieldOperation, Key, Now, Outcome, Patch, PatchOptions, PatchResult,
    Projection, PutResult, Record, RefreshMode, Result, Returning, Value,
};

use crate::codec::{self, Item};
use crate::decimal;
use crate::error::{answer_lost, contention, not_ours, unknown};
use crate::expression::Write;
use crate::names::FIELDS;
use crate::patch_first::{Form, OneRequest};
use crate::put::ROUNDS;
use crate::send::{Lost, Pinned, Reply, Retries, Written, deadline_of};
use crate::size;
use crate::store::Inner;

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
            create.lifespan.expiry.resolve(self.now_millis())?;
        }
        let patching = Patching { store: self, key, patch, operations, options, token: codec::new_token() };
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

/// The result of a request.
enum Met {
    Outcome(Outcome<PatchResult>),
    /// The request was not applied; this item was found at this time.
    Item(Now, Option<Item>),
}

/// The next step of a patch.
enum Step {
    One(Form),
    Read,
    Over(Header, Item),
    Create(Now),
}

impl Patching<'_> {
    /// Patches with one request wherever that can be correct, otherwise with a read and a swap.
    async fn run(&self, mut one: Option<OneRequest>, retries: &mut Retries) -> Result<Outcome<PatchResult>> {
        let mut step = if one.is_some() { Step::One(Form::Moving) } else { Step::Read };
        // The form that was rejected for a live record: the record itself contains the reason.
        let mut refused = None;
        let mut swaps = 0_u32;
        for _ in 0..ROUNDS {
            let met = match (step, &one) {
                (Step::One(form), Some(request)) => match self.one(request, form, retries).await? {
                    Some(Met::Item(now, item)) => {
                        refused = codec::met(now, item.as_ref())?.map(|_| form);
                        Met::Item(now, item)
                    }
                    Some(met) => met,
                    None => {
                        (one, step) = (None, Step::Read);
                        continue;
                    }
                },
                (Step::Over(seen, item), _) => {
                    swaps += 1;
                    self.over(&seen, item, retries).await?
                }
                // A caller that loses this race returns to the one request. With swaps, all others would have
                // to wait.
                (Step::Create(now), _) => {
                    refused = None;
                    self.create(now, retries).await?
                }
                _ => {
                    let item = self.store.read(self.key, None, true, retries).await?;
                    Met::Item(self.store.now_millis(), item)
                }
            };
            let (now, item) = match met {
                Met::Outcome(outcome) => return Ok(outcome),
                Met::Item(now, item) => (now, item),
            };
            let header = codec::met(now, item.as_ref())?;
            step = match (rules::patch(now, header.as_ref(), self.options)?, header, item) {
                (PatchStep::Absent, ..) => return Ok(Outcome::Absent),
                (PatchStep::Refused, ..) => return Ok(Outcome::Refused(None)),
                (PatchStep::Change { .. }, Some(seen), Some(item)) => {
                    if let Some(there) = self.refusal(&seen, &item)? {
                        return Ok(Outcome::Refused(Some(there)));
                    }
                    let form = self.form(now, &seen);
                    if one.is_some() && refused != Some(form) {
                        Step::One(form)
                    } else {
                        Step::Over(seen, item)
                    }
                }
                _ => Step::Create(now),
            };
            self.store.step_aside(swaps.saturating_sub(1), retries).await?;
        }
        Err(contention())
    }

    /// Returns the stored entry if the patch's bounds reject it. A request that was not applied shows this at
    /// once.
    fn refusal(&self, seen: &Header, item: &Item) -> Result<Option<PatchResult>> {
        if !self.patch.has_bounds() {
            return Ok(None);
        }
        let Some(AttributeValue::M(map)) = item.get(FIELDS) else { return Err(not_ours()) };
        let named = self.patch.fields().into_iter().filter_map(|name| map.get_key_value(name));
        let before = codec::record(named.map(|(name, value)| (name.clone(), value.clone())))?;
        if rules::apply(&mut before.clone(), self.patch)?.is_some() {
            return Ok(None);
        }
        let meta = PutResult::returning(self.options.returning, false, seen.ends(), seen.version)
            .with_created_at(self.created_at(item)?);
        Ok(Some(PatchResult::new(&meta, before, Vec::new())))
    }

    /// Returns the form of the one request that is correct for this entry.
    fn form(&self, now: Now, seen: &Header) -> Form {
        match &self.options.refresh {
            Some(refresh) if refresh.mode == RefreshMode::ExtendOnly => {
                let later = seen.deadline < Deadline::after(now, refresh.ttl);
                if later { Form::Moving } else { Form::Resting }
            }
            _ => Form::Moving,
        }
    }

    /// Sends the whole patch in one request. Returns `None` if DynamoDB rejects the expression.
    async fn one(&self, request: &OneRequest, form: Form, retries: &mut Retries) -> Result<Option<Met>> {
        let build = |now| request.request(self.store, now, &self.token, self.options, form);
        let sent = match self.options.if_version {
            None => self.store.write(self.key, retries, build).await.map(|(now, reply)| match reply {
                Reply::Done(item) => (now, Pinned::Done(item)),
                Reply::Failed(item) => (now, Pinned::Failed(item)),
            }),
            Some(_) => self.store.write_pinned(self.key, &self.token, retries, build).await,
        };
        Ok(Some(match sent {
            // The write was applied, so nothing below may report otherwise.
            Ok((now, Pinned::Done(old))) => {
                Met::Outcome(self.done(now, old).map_err(|_| answer_lost("the changed fields"))?)
            }
            Ok((now, Pinned::Failed(item))) => Met::Item(now, item),
            Ok((_, Pinned::Own(sent, item))) => Met::Outcome(self.own(&sent, form, item)?),
            // DynamoDB has a limit of expressions that this driver does not know.
            Err(Lost::Invalid(_)) => return Ok(None),
            Err(Lost::Unknown(now, error)) if self.options.if_version.is_none() => {
                match self.store.look(self.key, &self.token, retries).await {
                    Some(item) => Met::Outcome(self.own(&[now], form, item)?),
                    None => return Err(unknown(&error)),
                }
            }
            Err(lost) => return Err(lost.into_error()),
        }))
    }

    /// Returns the outcome of one request that was applied over this item.
    fn done(&self, now: Now, old: Option<Item>) -> Result<Outcome<PatchResult>> {
        let header = codec::replaced(now, old.as_ref());
        let step = rules::patch(now, header.as_ref(), self.options)?;
        let PatchStep::Change { deadline } = step else { return Err(contention()) };
        let mut old = old.ok_or_else(not_ours)?;
        let created_at = self.created_at(&old)?;
        let Some(AttributeValue::M(mut map)) = old.remove(FIELDS) else { return Err(not_ours()) };
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
                && let AttributeValue::N(by) = codec::number_attribute(by)
                && let Some(sum) = decimal::sum(before, &by)
            {
                sums.push((name.clone(), Json::Number(sum)));
            }
            old.push((name, value));
        }
        let mut record = codec::record(old)?;
        let effects = rules::apply(&mut record, self.patch)?.ok_or_else(contention)?;
        // The server adds fractions in decimal.
        for (name, sum) in sums {
            record.insert(name, sum)?;
        }
        self.outcome(false, deadline, created_at, &record, effects, true).map(Outcome::Applied)
    }

    /// Returns the outcome of one request whose response was lost, but which was applied by one of the
    /// attempts sent at these times.
    fn own(&self, sent: &[Now], form: Form, mut item: Item) -> Result<Outcome<PatchResult>> {
        if self.operations.iter().any(|operation| matches!(operation.change, Change::PopFront)) {
            return Err(answer_lost("the removed elements"));
        }
        let cap = codec::header(&item)?.cap;
        let written: Vec<_> = match &self.options.refresh {
            // It left the existing deadline.
            None => Vec::new(),
            Some(_) if form == Form::Resting => Vec::new(),
            Some(refresh) => sent
                .iter()
                .map(|now| Deadline::after(*now, refresh.ttl).min(cap))
                .map(|deadline| Written { deadline, certain: true })
                .collect(),
        };
        let deadline = self.own_deadline(&written, &item)?;
        let created_at = self.created_at(&item)?;
        let value = codec::value(&mut item, &Projection::Fields(self.patch.to_fields()?))?;
        let record = value.map(Value::into_record).transpose()?.unwrap_or_default();
        let effects = vec![Effect::Done; self.operations.len()];
        self.outcome(false, deadline, created_at, &record, effects, true).map(Outcome::Applied)
    }

    /// Returns the item's time of creation, if the caller asked for it.
    fn created_at(&self, item: &Item) -> Result<Option<SystemTime>> {
        codec::created_at(self.options.returning, item)
    }

    /// Returns the deadline after a write whose response was lost, if the caller asked for it.
    fn own_deadline(&self, written: &[Written], item: &Item) -> Result<Deadline> {
        match deadline_of(written, item)? {
            Some(deadline) => Ok(deadline),
            None if self.options.returning.contains(Returning::DEADLINE) => {
                Err(answer_lost("the deadline of the entry"))
            }
            None => Ok(Deadline::NEVER),
        }
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
        let meta = codec::meta(self.options.returning, created, deadline, stored.then_some(&self.token))?;
        let meta = meta.with_created_at(created_at.filter(|_| stored));
        Ok(PatchResult::new(&meta, record.project(&self.patch.to_fields()?), effects))
    }

    /// Changes the record in the driver, and writes it if the entry is unchanged.
    async fn over(&self, seen: &Header, mut item: Item, retries: &mut Retries) -> Result<Met> {
        let created_at = self.created_at(&item)?;
        let value = codec::value(&mut item, &Projection::All)?;
        let mut record = value.map(Value::into_record).transpose()?.unwrap_or_default();
        // Rejections by the bounds were handled before this call.
        let effects = rules::apply(&mut record, self.patch)?.ok_or_else(contention)?;
        let value = Value::Record(record.clone());
        size::check(self.key, &value, self.store)?;
        let (_, fields) = codec::encode(&value);
        let build = |now| {
            let write = Write::update()
                .set_value("#f = :f", ":f", fields.clone())
                .set_value("#v = :v", ":v", AttributeValue::S(self.token.clone()))
                .demand_live(now, Some(&seen.version));
            let Some(refresh) = &self.options.refresh else { return Ok(write) };
            let deadline = rules::refreshed(now, seen, refresh);
            let write = write.demand_deadline(seen.deadline);
            Ok(if deadline.is_never() { write } else { self.store.set_deadline(write, now, deadline) })
        };
        let sent = self.store.write_pinned(self.key, &self.token, retries, build).await;
        let deadline = match sent.map_err(Lost::into_error)? {
            (now, Pinned::Failed(item)) => return Ok(Met::Item(now, item)),
            (_, Pinned::Own(sent, item)) => {
                let written = |refresh| {
                    let deadlines = sent.iter().map(|now| rules::refreshed(*now, seen, refresh));
                    deadlines.map(|deadline| Written { deadline, certain: true }).collect()
                };
                let written: Vec<_> = self.options.refresh.as_ref().map(written).unwrap_or_default();
                self.own_deadline(&written, &item)?
            }
            // Without a refresh, another caller may have moved the deadline since it was read.
            (now, Pinned::Done(old)) => {
                let old = codec::replaced(now, old.as_ref());
                let old = old.as_ref().unwrap_or(seen);
                self.options
                    .refresh
                    .as_ref()
                    .map_or(old.ends(), |refresh| rules::refreshed(now, old, refresh))
            }
        };
        let outcome = self.outcome(false, deadline, created_at, &record, effects, true)?;
        Ok(Met::Outcome(Outcome::Applied(outcome)))
    }

    async fn create(&self, now: Now, retries: &mut Retries) -> Result<Met> {
        let Some(create) = &self.options.create else { return Ok(Met::Outcome(Outcome::Absent)) };
        let mut record = create.initial.clone();
        let Some(effects) = rules::apply(&mut record, self.patch)? else {
            return Ok(Met::Outcome(Outcome::Refused(None)));
        };
        let value = Value::Record(record.clone());
        size::check(self.key, &value, self.store)?;
        let applied = |deadline, created_at, stored| {
            let outcome = self.outcome(true, deadline, created_at, &record, effects.clone(), stored);
            outcome.map(|outcome| Met::Outcome(Outcome::Applied(outcome)))
        };
        if let PatchStep::CreateElapsed { deadline } = rules::patch(now, None, self.options)? {
            return applied(deadline, None, false);
        }
        let build = |now| match rules::patch(now, None, self.options)? {
            PatchStep::Create { deadline, cap } => {
                let cap = Some(cap).filter(|cap| !cap.is_never());
                Ok(Write::put(self.store.new_item(now, &value, &self.token, deadline, cap)).demand_free(now))
            }
            _ => Ok(Write::nothing()),
        };
        match self.store.write(self.key, retries, build).await {
            Ok((now, Reply::Done(_))) => match rules::patch(now, None, self.options)? {
                PatchStep::Create { deadline, .. } => {
                    applied(deadline, rules::created_at(now, self.options.returning), true)
                }
                _ => Err(contention()),
            },
            Ok((now, Reply::Failed(item))) => Ok(Met::Item(now, item)),
            Err(Lost::Unknown(sent, error)) => match self.store.look(self.key, &self.token, retries).await {
                Some(item) => match rules::patch(sent, None, self.options)? {
                    PatchStep::Create { deadline, .. } => {
                        let written = [Written { deadline, certain: true }];
                        applied(self.own_deadline(&written, &item)?, self.created_at(&item)?, true)
                    }
                    _ => Err(unknown(&error)),
                },
                None => Err(unknown(&error)),
            },
            Err(lost) => Err(lost.into_error()),
        }
    }
}
