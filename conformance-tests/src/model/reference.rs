//! A second implementation of the contract, independent of `ttl_core::rules` and as simple as possible: a map
//! and ifs.

use std::collections::BTreeMap;

use ttl_core::options::{
    Condition, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, Guard, PatchOptions,
    Projection, PutItem, PutOptions, Refresh, Returning,
};
use ttl_core::{
    Capabilities, Effect, ErrorKind, Expiry, Key, Kind, Lifespan, Patch, Record, RefreshMode, Ttl, Value,
    Version,
};

use super::fields::{self, Unfit};

/// The deadline of a persistent entry; deadlines are in epoch milliseconds.
pub(super) const NEVER: u64 = u64::MAX;

/// An instant in epoch nanoseconds.
pub(super) type Instant = u128;

/// One call with all of its arguments.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Get(Key, GetOptions),
    Put(PutItem),
    Patch(Key, Patch, PatchOptions),
    Expire(Key, ExpiryChange, ExpireOptions),
    Delete(Key, DeleteOptions),
    /// The result of a scan for one key.
    Show(Key, Projection, Returning),
}

impl Call {
    pub(super) fn key(&self) -> &Key {
        match self {
            Self::Get(key, _)
            | Self::Patch(key, ..)
            | Self::Expire(key, ..)
            | Self::Delete(key, _)
            | Self::Show(key, ..) => key,
            Self::Put(item) => &item.key,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Miss,
    Hit,
    Applied,
    /// Applied, with the removed entry.
    Taken,
    Absent,
    Refused,
    /// One of these errors; a store may return any of them.
    Failed(Vec<ErrorKind>),
}

/// The answer of a store, with the requested metadata.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) value: Option<Value>,
    pub(super) deadline: Option<u64>,
    pub(super) cap: Option<u64>,
    /// Whether a version is reported; the model cannot know its value.
    pub(super) version: bool,
    /// The creation time of the entry, in epoch milliseconds.
    pub(super) created_at: Option<u64>,
    pub(super) created: Option<bool>,
    pub(super) changed: Option<bool>,
    pub(super) fields: Option<Record>,
    pub(super) effects: Option<Vec<Effect>>,
}

impl Reply {
    pub(super) fn of(answer: Answer) -> Self {
        Self {
            answer,
            value: None,
            deadline: None,
            cap: None,
            version: false,
            created_at: None,
            created: None,
            changed: None,
            fields: None,
            effects: None,
        }
    }

    fn failed(kind: ErrorKind) -> Self {
        Self::of(Answer::Failed(vec![kind]))
    }

    /// Adds the requested metadata of an entry: a live one, created at this time, or one that has already
    /// expired.
    fn reporting(mut self, returning: Returning, deadline: u64, created_at: Option<u64>) -> Self {
        self.deadline = returning.contains(Returning::DEADLINE).then_some(deadline);
        self.version = created_at.is_some() && returning.contains(Returning::VERSION);
        self.created_at = created_at.filter(|_| returning.contains(Returning::CREATED_AT));
        self
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) value: Value,
    pub(super) deadline: u64,
    pub(super) cap: u64,
    /// The creation time, in epoch milliseconds.
    pub(super) created_at: u64,
    /// The version, once the store has reported it.
    pub(super) version: Option<Version>,
}

impl Row {
    /// Creates an entry whose version the store has not reported yet.
    fn new(value: Value, deadline: u64, cap: u64, created_at: u64) -> Self {
        Self { value, deadline, cap, created_at, version: None }
    }

    /// Returns the reply to a put that this entry refuses.
    fn refusing(&self, options: &PutOptions) -> Reply {
        let refused = Reply::of(Answer::Refused);
        if !options.previous {
            return refused;
        }
        let told = Reply { value: Some(self.value.clone()), created: Some(false), ..refused };
        told.reporting(options.returning, self.deadline, Some(self.created_at))
    }
}

/// The expected entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) rows: BTreeMap<Key, Row>,
}

impl Model {
    /// Applies the call at this instant, and returns the expected answer of a store.
    pub(super) fn call(&mut self, now: Instant, offers: &Capabilities, call: &Call) -> Reply {
        // Expired entries are removed first, so the code below never sees a ghost.
        self.rows.retain(|_, row| u128::from(row.deadline) > now / 1_000_000);
        let errors = bad_input(now, offers, call);
        if !errors.is_empty() {
            return Reply::of(Answer::Failed(errors));
        }
        let reply = match call {
            Call::Get(key, options) => self.get(now, key, options),
            Call::Put(item) => self.put(now, item),
            Call::Patch(key, patch, options) => self.patch(now, key, patch, options),
            Call::Expire(key, change, options) => self.expire(now, key, *change, options),
            Call::Delete(key, options) => self.delete(key, options),
            Call::Show(key, projection, returning) => self.show(key, projection, *returning),
        };
        if !offers.created_at {
            // A value that no store reports must not distinguish states.
            self.rows.values_mut().for_each(|row| row.created_at = 0);
        }
        reply
    }

    fn get(&mut self, now: Instant, key: &Key, options: &GetOptions) -> Reply {
        let Some(row) = self.rows.get_mut(key) else { return Reply::of(Answer::Miss) };
        if is_wrong(row, options.kind, &options.projection) {
            return Reply::failed(ErrorKind::WrongKind);
        }
        if let Some(refresh) = options.refresh {
            let to = refreshed(now, row, refresh);
            if to.abs_diff(row.deadline) >= refresh.slack.map_or(0, Ttl::as_millis) {
                row.deadline = to;
            }
        }
        let cap = options.cap.then_some(row.cap);
        let reply = Reply { value: part(&row.value, &options.projection), cap, ..Reply::of(Answer::Hit) };
        reply.reporting(options.returning, row.deadline, Some(row.created_at))
    }

    fn show(&self, key: &Key, projection: &Projection, returning: Returning) -> Reply {
        let Some(row) = self.rows.get(key) else { return Reply::of(Answer::Miss) };
        let reply = Reply { value: part(&row.value, projection), ..Reply::of(Answer::Hit) };
        reply.reporting(returning, row.deadline, Some(row.created_at))
    }

    fn put(&mut self, now: Instant, item: &PutItem) -> Reply {
        let options = &item.options;
        let old = self.rows.get(&item.key);
        match (old, options.condition) {
            (None, Condition::IfPresent | Condition::IfVersion(_)) => return Reply::of(Answer::Absent),
            (Some(row), Condition::IfAbsent) => return row.refusing(options),
            (Some(row), Condition::IfVersion(version)) if row.version != Some(version) => {
                return row.refusing(options);
            }
            _ => {}
        }
        let asked = asked(now, options.lifespan.expiry);
        let fresh = fresh_cap(now, options.lifespan);
        let cap = match old {
            Some(row) if row.cap != NEVER => row.cap,
            _ => fresh,
        };
        let deadline = match (old, options.existing_deadline) {
            (Some(row), ExistingDeadline::Keep) => row.deadline,
            (Some(row), ExistingDeadline::Refresh(refresh)) => refreshed(now, row, refresh),
            _ => asked,
        };
        let deadline = deadline.min(cap);
        let created = Some(old.is_none());
        let value = old.filter(|_| options.previous).map(|row| row.value.clone());
        let created_at = millis_down(now);
        let lives = self.store(now, &item.key, Row::new(item.value.clone(), deadline, cap, created_at));
        Reply { created, value, ..Reply::of(Answer::Applied) }.reporting(options.returning, deadline, lives)
    }

    fn patch(&mut self, now: Instant, key: &Key, patch: &Patch, options: &PatchOptions) -> Reply {
        let old = self.rows.get(key).cloned();
        let (value, deadline, cap, created_at) = match (&old, &options.create) {
            (Some(row), _) => {
                if options.if_version.is_some_and(|version| row.version != Some(version)) {
                    return Reply::of(Answer::Refused);
                }
                let to = options.refresh.map_or(row.deadline, |refresh| refreshed(now, row, refresh));
                (row.value.clone(), to, row.cap, row.created_at)
            }
            (None, Some(create)) if options.if_version.is_none() => {
                let cap = fresh_cap(now, create.lifespan);
                let deadline = asked(now, create.lifespan.expiry).min(cap);
                (Value::Record(create.initial.clone()), deadline, cap, millis_down(now))
            }
            _ => return Reply::of(Answer::Absent),
        };
        let Value::Record(before) = value else { return Reply::failed(ErrorKind::WrongKind) };
        let (after, effects) = match fields::patched(&before, patch) {
            Ok(done) => done,
            Err(Unfit::Failed(kind)) => return Reply::failed(kind),
            Err(Unfit::Outside) => {
                let Some(row) = old else { return Reply::of(Answer::Refused) };
                let reply = Reply {
                    created: Some(false),
                    fields: touched(&before, patch),
                    effects: Some(Vec::new()),
                    ..Reply::of(Answer::Refused)
                };
                return reply.reporting(options.returning, row.deadline, Some(row.created_at));
            }
        };
        let reply = Reply {
            created: Some(old.is_none()),
            fields: touched(&after, patch),
            effects: Some(effects),
            ..Reply::of(Answer::Applied)
        };
        let lives = self.store(now, key, Row::new(after.into(), deadline, cap, created_at));
        reply.reporting(options.returning, deadline, lives)
    }

    fn expire(&mut self, now: Instant, key: &Key, change: ExpiryChange, options: &ExpireOptions) -> Reply {
        let Some(row) = self.rows.get_mut(key) else { return Reply::of(Answer::Absent) };
        if options.if_version.is_some_and(|version| row.version != Some(version)) {
            return Reply::of(Answer::Refused);
        }
        let from = row.deadline;
        let to = match change {
            ExpiryChange::Extend(_) if from == NEVER => NEVER,
            ExpiryChange::Extend(by) => from + by.as_millis(),
            ExpiryChange::Set(expiry) => asked(now, expiry),
        };
        let to = to.min(row.cap);
        let holds = match options.guard {
            Guard::Always => true,
            Guard::IfLater => to > from,
            Guard::IfSooner => to < from,
            Guard::IfExpiring => from != NEVER,
            Guard::IfPersistent => from == NEVER,
        };
        let changed = holds && to != from;
        if changed && to != NEVER && to > millis_up(now) + Ttl::MAX.as_millis() {
            return Reply::failed(ErrorKind::InvalidExpiry);
        }
        if changed {
            row.deadline = to;
        }
        Reply {
            deadline: Some(if changed { to } else { from }),
            changed: Some(changed),
            ..Reply::of(Answer::Applied)
        }
    }

    fn delete(&mut self, key: &Key, options: &DeleteOptions) -> Reply {
        let Some(row) = self.rows.get(key) else { return Reply::of(Answer::Absent) };
        if options.if_version.is_some_and(|version| row.version != Some(version)) {
            return Reply::of(Answer::Refused);
        }
        if is_wrong(row, options.kind, &options.projection) {
            return Reply::failed(ErrorKind::WrongKind);
        }
        let value = part(&row.value, &options.projection);
        let answer = if options.projection == Projection::Nothing { Answer::Applied } else { Answer::Taken };
        self.rows.remove(key);
        Reply { value, ..Reply::of(answer) }
    }

    /// Stores the entry unless it has already expired; returns its creation time if it is stored.
    fn store(&mut self, now: Instant, key: &Key, row: Row) -> Option<u64> {
        self.rows.remove(key);
        let lives = u128::from(row.deadline) > now / 1_000_000;
        let created_at = lives.then_some(row.created_at);
        if lives {
            self.rows.insert(key.clone(), row);
        }
        created_at
    }
}

/// Returns all errors of a call that are independent of the stored entries; a store may return any of them.
fn bad_input(now: Instant, offers: &Capabilities, call: &Call) -> Vec<ErrorKind> {
    let mut errors = Vec::new();
    let (mut lifespan, mut conditional) = (None, false);
    match call {
        Call::Put(item) => {
            lifespan = Some(item.options.lifespan);
            conditional = item.options.condition != Condition::Always || item.options.previous;
        }
        Call::Patch(_, patch, options) => {
            lifespan = options.create.as_ref().map(|create| create.lifespan);
            conditional = options.if_version.is_some();
            errors.extend((!offers.patch).then_some(ErrorKind::Unsupported));
            errors.extend(patch.operations().err().map(|error| error.kind()));
        }
        Call::Expire(_, change, options) => {
            if let ExpiryChange::Set(expiry) = change {
                lifespan = Some(Lifespan::new(*expiry));
            }
            conditional = options.if_version.is_some();
        }
        // A delete with default options is unconditional.
        Call::Delete(_, options) => conditional = *options != DeleteOptions::new(),
        Call::Get(_, options) => {
            errors.extend((options.cap && !offers.caps).then_some(ErrorKind::Unsupported));
        }
        Call::Show(..) => {}
    }
    if let Some(lifespan) = lifespan {
        let latest = millis_up(now) + Ttl::MAX.as_millis();
        let ends = [lifespan.expiry, lifespan.cap].map(|expiry| asked(now, expiry));
        let too_far = ends.iter().any(|end| *end != NEVER && *end > latest);
        errors.extend(too_far.then_some(ErrorKind::InvalidExpiry));
        errors.extend((lifespan.cap != Expiry::Never && !offers.caps).then_some(ErrorKind::Unsupported));
    }
    errors.extend((conditional && !offers.conditions).then_some(ErrorKind::Unsupported));
    errors
}

/// Returns the fields of a record that a patch names.
fn touched(record: &Record, patch: &Patch) -> Option<Record> {
    let named = patch.fields();
    let touched = record.iter().filter(|(name, _)| named.contains(name));
    Record::from_fields(touched.map(|(name, value)| (name.to_owned(), value.clone()))).ok()
}

fn is_wrong(row: &Row, expected: Option<Kind>, projection: &Projection) -> bool {
    match (projection, &row.value) {
        (Projection::Fields(_), Value::Blob(_)) => true,
        (_, value) => expected.is_some_and(|kind| kind != value.kind()),
    }
}

fn part(value: &Value, projection: &Projection) -> Option<Value> {
    match (projection, value) {
        (Projection::All, value) => Some(value.clone()),
        (Projection::Fields(names), Value::Record(record)) => Some(Value::Record(record.project(names))),
        _ => None,
    }
}

fn refreshed(now: Instant, row: &Row, refresh: Refresh) -> u64 {
    let target = (millis_up(now) + refresh.ttl.as_millis()).min(row.cap);
    match refresh.mode {
        RefreshMode::Reset => target,
        RefreshMode::ExtendOnly => row.deadline.max(target),
    }
}

fn fresh_cap(now: Instant, lifespan: Lifespan) -> u64 {
    asked(now, lifespan.cap)
}

fn asked(now: Instant, expiry: Expiry) -> u64 {
    match expiry {
        Expiry::Never => NEVER,
        Expiry::After(ttl) => millis_up(now) + ttl.as_millis(),
        Expiry::At(instant) => {
            let at = instant.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
            // A past instant remains past, although deadlines are rounded up.
            if at <= now { millis_up(at).min(millis_up(now - now % 1_000_000)) } else { millis_up(at) }
        }
    }
}

fn millis_down(instant: Instant) -> u64 {
    u64::try_from(instant / 1_000_000).unwrap_or(NEVER - 1)
}

fn millis_up(instant: Instant) -> u64 {
    // 64 bits of milliseconds exceed any instant that can be requested.
    u64::try_from(instant.div_ceil(1_000_000)).unwrap_or(NEVER - 1)
}
