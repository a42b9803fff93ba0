//! Translates steps into calls: names into keys, offsets into instants, picks into versions.

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, Fields, GetOptions,
    PatchOptions, Projection, PutItem, PutOptions, Returning, ScanOptions,
};
use ttl_core::{Expiry, Key, Lifespan, Patch, Record, Ttl, Value, Version};

use super::reference::Call;
use super::seen::Request;
use super::steps::{Content, Edit, Ends, Life, Live, Part, Pick, Read, Step, To, When, Write};
use crate::{Check, Failure};

pub(super) struct Translator<'a> {
    pub(super) keys: &'a [Key],
    pub(super) prefix: &'a str,
    pub(super) now: SystemTime,
    /// The current and an earlier version of each key.
    pub(super) versions: Vec<(Option<Version>, Option<Version>)>,
    /// The metadata that the store can report.
    pub(super) offered: Returning,
}

impl Step {
    /// Returns the keys whose current version the step names.
    pub(super) fn versioned(&self) -> Vec<usize> {
        let names = |write: &&Write| matches!(write.when, When::IfVersion(Pick::Current));
        match self {
            Self::Put(write) => Some(write).filter(names).map(|write| write.key).into_iter().collect(),
            Self::PutMany(writes) => writes.iter().filter(names).map(|write| write.key).collect(),
            Self::Patch { key, version, .. }
            | Self::Expire { key, version, .. }
            | Self::Delete { key, version, .. } => version.map(|_| *key).into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl Translator<'_> {
    pub(super) fn request(&self, step: &Step) -> Check<Request> {
        Ok(match step {
            Step::Pass(_) => return Err(Failure::new("a call", "a wait")),
            Step::Get(key, read) => Request::One(Call::Get(self.keys[*key].clone(), self.get(read)?)),
            Step::GetMany(keys, read) => Request::GetMany(self.keys_of(keys), self.get(read)?),
            Step::Put(write) => Request::One(Call::Put(self.put(write)?)),
            Step::PutMany(writes) => {
                Request::PutMany(writes.iter().map(|write| self.put(write)).collect::<Check<_>>()?)
            }
            Step::Patch { key, edits, create, refresh, version, returning } => {
                let mut options =
                    PatchOptions::new().with_refresh(*refresh).with_returning(*returning & self.offered);
                if let Some((life, initial)) = create {
                    let create = Create::new(self.lifespan(*life)).with_initial(record(initial)?);
                    options = options.with_create(create);
                }
                options.if_version = self.version(*key, *version);
                let patch = edits.iter().fold(Patch::new(), edited);
                Request::One(Call::Patch(self.keys[*key].clone(), patch, options))
            }
            Step::Expire { key, to, guard, version } => {
                let change = match to {
                    To::Set(ends) => ExpiryChange::Set(self.expiry(*ends)),
                    To::Extend(by) => ExpiryChange::Extend(*by),
                };
                let mut options = ExpireOptions::new().with_guard(*guard);
                options.if_version = self.version(*key, *version);
                Request::One(Call::Expire(self.keys[*key].clone(), change, options))
            }
            Step::Delete { key, part, kind, version } => {
                let mut options = DeleteOptions::new().with_projection(select(part)?);
                // Fields of a blob are meaningless, whatever the answer.
                options.kind = kind.filter(|_| !matches!(part, Part::Fields(_)));
                options.if_version = self.version(*key, *version);
                Request::One(Call::Delete(self.keys[*key].clone(), options))
            }
            Step::DeleteMany { keys, part } => {
                Request::DeleteMany(self.keys_of(keys), DeleteOptions::new().with_projection(select(part)?))
            }
            Step::Scan { prefix, limit, part, returning } => {
                let prefix = format!("{}{prefix}", self.prefix);
                let keys =
                    self.keys.iter().filter(|key| key.as_str().starts_with(&prefix)).cloned().collect();
                let limit = NonZeroUsize::new(*limit).unwrap_or(NonZeroUsize::MIN);
                let options = ScanOptions::new(prefix).with_limit(limit).with_projection(select(part)?);
                Request::Scan(options.with_returning(*returning & self.offered), keys)
            }
        })
    }

    fn get(&self, read: &Read) -> Check<GetOptions> {
        let returning = read.returning & self.offered;
        let mut options = GetOptions::new().with_projection(select(&read.part)?).with_returning(returning);
        options.kind = read.kind;
        let options = if read.cap { options.with_cap() } else { options };
        Ok(options.with_refresh(read.refresh))
    }

    fn keys_of(&self, keys: &[usize]) -> Vec<Key> {
        keys.iter().map(|key| self.keys[*key].clone()).collect()
    }

    fn put(&self, write: &Write) -> Check<PutItem> {
        let value = match &write.value {
            Content::Blob(text) => Value::from(*text),
            Content::Record(fields) => Value::Record(record(fields)?),
        };
        let existing_deadline = match write.existing_deadline {
            Live::Replace => ExistingDeadline::Replace,
            Live::Keep => ExistingDeadline::Keep,
            Live::Refresh(refresh) => ExistingDeadline::Refresh(refresh),
        };
        let condition = match write.when {
            When::Always => Condition::Always,
            When::IfAbsent => Condition::IfAbsent,
            When::IfPresent => Condition::IfPresent,
            When::IfVersion(pick) => {
                self.version(write.key, Some(pick)).map_or(Condition::Always, Condition::IfVersion)
            }
        };
        let options = PutOptions::new(self.lifespan(write.life)).with_existing_deadline(existing_deadline);
        let mut options = options.with_condition(condition).with_returning(write.returning & self.offered);
        options.previous = write.previous;
        Ok(PutItem::new(self.keys[write.key].clone(), value, options))
    }

    /// Returns the version to name, or a version that no store creates if there is none to pick.
    fn version(&self, key: usize, pick: Option<Pick>) -> Option<Version> {
        let (current, earlier) = self.versions[key];
        let picked = match pick? {
            Pick::Current => current,
            Pick::Earlier => earlier,
            Pick::Foreign => None,
        };
        Some(picked.unwrap_or(Version::from_u128(7)))
    }

    fn lifespan(&self, life: Life) -> Lifespan {
        Lifespan::new(self.expiry(life.ends)).with_cap(self.expiry(life.cap))
    }

    fn expiry(&self, ends: Ends) -> Expiry {
        match ends {
            Ends::Never => Expiry::Never,
            Ends::After(ttl) => Expiry::After(ttl),
            Ends::In { nanos } => {
                Expiry::At(moved(self.now, Duration::from_nanos(nanos.unsigned_abs()), nanos < 0))
            }
            Ends::NearLimit { millis } => {
                let limit = self.now + Ttl::MAX.as_duration();
                Expiry::At(moved(limit, Duration::from_millis(millis.unsigned_abs()), millis < 0))
            }
            Ends::Epoch => Expiry::At(UNIX_EPOCH),
        }
    }
}

fn moved(instant: SystemTime, by: Duration, back: bool) -> SystemTime {
    if back { instant - by } else { instant + by }
}

fn select(part: &Part) -> Check<Projection> {
    Ok(match part {
        Part::All => Projection::All,
        Part::Fields(names) => Projection::Fields(Fields::new(names.iter().copied())?),
        Part::Nothing => Projection::Nothing,
    })
}

fn record(fields: &Json) -> Check<Record> {
    Ok(Record::from_serialize(fields)?)
}

fn edited(patch: Patch, edit: &Edit) -> Patch {
    match edit {
        Edit::Set(field, value) => patch.set(*field, value),
        Edit::Append(field, element) => patch.append(*field, element),
        Edit::Prepend(field, element) => patch.prepend(*field, element),
        Edit::PopFront(field) => patch.pop_front(*field),
        Edit::PopBack(field) => patch.pop_back(*field),
        Edit::RemoveValue(field, element) => patch.remove_value(*field, element),
        Edit::Clear(field) => patch.clear(*field),
        Edit::Unset(field) => patch.unset(*field),
        Edit::Add(field, by) => patch.increment(*field, *by),
        Edit::AddQuarters(field, quarters) => patch.increment(*field, f64::from(*quarters) / 4.0),
        Edit::AddWithin(field, by, bounds) => patch.increment_within(*field, *by, *bounds),
        Edit::AddQuartersWithin(field, quarters, bounds) => {
            patch.increment_within(*field, f64::from(*quarters) / 4.0, *bounds)
        }
    }
}
