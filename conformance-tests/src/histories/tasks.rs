//! One of several concurrent tasks on the same keys, and its answers.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value as Json;
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, Guard,
    PatchOptions, PutItem, PutOptions, Refresh, Returning,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Deadline, Entry, Error, ErrorKind, Expiry, Key, Kind, Outcome, Patch, Record, Result, Ttl, TtlStore,
    Value, Version,
};

use super::checker::Operation;
use super::register::{Answer, Asked, Done, Moves, To, When, text};
use crate::{Check, Failure};

const WANT: Returning = Returning::DEADLINE.union(Returning::VERSION);

/// A call: an operation on one key, or the same operation on several keys.
enum Call {
    One(usize, Asked),
    Many(Vec<(usize, Asked)>),
}

pub(super) struct Worker {
    store: Arc<dyn TtlStore>,
    keys: Vec<Key>,
    kind: Kind,
    begun: Instant,
    /// The base of all deadlines, on a whole second.
    base: SystemTime,
    random: u64,
    /// The last version of each key that the task has seen.
    versions: Vec<Option<Version>>,
}

impl Worker {
    pub(super) fn new(
        store: Arc<dyn TtlStore>,
        keys: Vec<Key>,
        kind: Kind,
        begun: Instant,
        base: SystemTime,
        random: u64,
    ) -> Self {
        let versions = vec![None; keys.len()];
        Self { store, keys, kind, begun, base, random, versions }
    }

    /// Performs this number of random operations, and returns each with its key.
    pub(super) async fn run(mut self, operations: usize) -> Check<Vec<(usize, Operation<Done>)>> {
        let mut done = Vec::new();
        while done.len() < operations {
            let call = self.choose(operations - done.len());
            if self.below(3) == 0 {
                tokio::task::yield_now().await;
            }
            let called = self.nanos();
            let answers = match &call {
                Call::One(key, asked) => vec![self.ask(*key, asked).await?],
                Call::Many(items) => self.ask_many(items).await?,
            };
            let now = self.nanos();
            let asked = match call {
                Call::One(key, asked) => vec![(key, asked)],
                Call::Many(items) => items,
            };
            for ((key, asked), answer) in asked.into_iter().zip(answers) {
                let answer = match answer {
                    Ok(answer) => answer,
                    Err(error) if error.kind() == ErrorKind::OutcomeUnknown => Answer::Unknown,
                    Err(error) => return Err(error.into()),
                };
                let answered = (!matches!(answer, Answer::Unknown)).then_some(now);
                if let Answer::Hit(_, version, _)
                | Answer::Put { version, .. }
                | Answer::Patched { version, .. }
                | Answer::Beyond { version, .. } = &answer
                {
                    self.versions[key] = Some(*version);
                }
                done.push((key, Operation { what: Done { asked, answer }, called, answered }));
            }
        }
        Ok(done)
    }

    fn nanos(&self) -> u64 {
        // Five centuries fit.
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Returns a random number below the bound. It uses splitmix64, so that a seed makes the same choices
    /// everywhere.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }

    /// Chooses a call of at most this number of operations. The keys of a batch differ, and its operations
    /// are of one kind.
    fn choose(&mut self, most: usize) -> Call {
        let key = usize::from(self.below(4) == 0);
        if most < self.keys.len() || self.below(5) != 0 {
            return Call::One(key, self.operation(key));
        }
        let all = 0..self.keys.len();
        Call::Many(match self.below(3) {
            0 => {
                let refresh = (self.below(2) == 0).then_some(Moves::Later);
                all.map(|key| (key, Asked::Get { refresh })).collect()
            }
            1 => all.map(|key| (key, self.put(key))).collect(),
            _ => {
                let takes = self.below(2) == 0;
                let version = None;
                all.map(|key| (key, if takes { Asked::Take { version } } else { Asked::Delete { version } }))
                    .collect()
            }
        })
    }

    fn operation(&mut self, key: usize) -> Asked {
        let records = self.kind == Kind::Record;
        match self.below(if records { 15 } else { 11 }) {
            0..=2 => Asked::Get {
                refresh: match self.below(3) {
                    0 => None,
                    1 => Some(Moves::Later),
                    _ => Some(Moves::Anywhere),
                },
            },
            3..=5 => self.put(key),
            6 | 7 => self.expire(key),
            8 => Asked::Delete { version: self.maybe_version(key) },
            9 | 10 => Asked::Take { version: self.maybe_version(key) },
            11 | 12 => Asked::Increment {
                create: (self.below(2) == 0).then(|| self.deadline()),
                most: (self.below(2) == 0).then(|| [1, 2, 3][self.below(3) as usize]),
            },
            _ => Asked::Append(self.below(1_000_000)),
        }
    }

    fn put(&mut self, key: usize) -> Asked {
        let content = text(&self.value());
        let when = match (self.below(5), self.versions[key]) {
            (0, _) => When::IfAbsent,
            (1, _) => When::IfPresent,
            (2, Some(version)) => When::IfVersion(version),
            _ => When::Always,
        };
        Asked::Put { text: content, when, deadline: self.deadline(), keep: self.below(3) == 0 }
    }

    fn expire(&mut self, key: usize) -> Asked {
        let to = match self.below(4) {
            0 => To::Extend(Ttl::seconds(1 + self.below(100))),
            1 if self.below(2) == 0 => To::At(Deadline::NEVER),
            _ => To::At(self.deadline()),
        };
        let guard = match self.below(6) {
            0 => Guard::IfLater,
            1 => Guard::IfSooner,
            2 => Guard::IfExpiring,
            3 => Guard::IfPersistent,
            _ => Guard::Always,
        };
        Asked::Expire { to, guard, version: self.maybe_version(key) }
    }

    fn maybe_version(&mut self, key: usize) -> Option<Version> {
        if self.below(3) == 0 { self.versions[key] } else { None }
    }

    /// Chooses a deadline about a day ahead, on a whole second.
    fn deadline(&mut self) -> Deadline {
        Deadline::at(self.base + Duration::from_secs(86_400 + self.below(10_000)))
    }

    /// Creates a value that no other operation writes.
    fn value(&mut self) -> Value {
        let unique = self.below(u64::MAX);
        match self.kind {
            Kind::Blob => Value::from(unique.to_string()),
            Kind::Record => Record::new().with("w", unique).into(),
        }
    }

    async fn ask(&mut self, key: usize, asked: &Asked) -> Check<Result<Answer>> {
        let store = Arc::clone(&self.store);
        let name = self.keys[key].clone();
        match asked {
            Asked::Get { refresh } => got(store.get(&name, self.get_options(*refresh)).await),
            Asked::Put { .. } => {
                let item = self.item(key, asked)?;
                put(store.put(&name, item.value, item.options).await)
            }
            Asked::Increment { create, most } => {
                let mut options = PatchOptions::new().with_returning(WANT);
                options.create = create.map(|deadline| Create::new(Expiry::from(deadline)));
                let patch = match most {
                    Some(most) => Patch::new().increment_within("n", 1, ..=*most),
                    None => Patch::new().increment("n", 1),
                };
                patched(store.patch(&name, &patch, options).await)
            }
            Asked::Append(element) => {
                let options = PatchOptions::new().with_returning(WANT);
                patched(store.patch(&name, &Patch::new().append("l", element), options).await)
            }
            Asked::Expire { to, guard, version } => {
                let change = match to {
                    To::At(deadline) => ExpiryChange::Set(Expiry::from(*deadline)),
                    To::Extend(by) => ExpiryChange::Extend(*by),
                };
                let mut options = ExpireOptions::new().with_guard(*guard);
                options.if_version = *version;
                expired(store.expire(&name, change, options).await)
            }
            Asked::Delete { version } | Asked::Take { version } => {
                deleted(store.delete(&name, delete_options(asked, *version)).await)
            }
        }
    }

    /// Performs the same operation on several keys in one call.
    async fn ask_many(&mut self, items: &[(usize, Asked)]) -> Check<Vec<Result<Answer>>> {
        let store = Arc::clone(&self.store);
        let keys: Vec<Key> = items.iter().map(|(key, _)| self.keys[*key].clone()).collect();
        match &items[0].1 {
            Asked::Get { refresh } => {
                let options = self.get_options(*refresh);
                store.get_many(&keys, options).await.into_iter().map(got).collect()
            }
            Asked::Put { .. } => {
                let items =
                    items.iter().map(|(key, asked)| self.item(*key, asked)).collect::<Check<Vec<_>>>()?;
                store.put_many(items).await.into_iter().map(put).collect()
            }
            asked => {
                let options = delete_options(asked, None);
                store.delete_many(&keys, options).await.into_iter().map(deleted).collect()
            }
        }
    }

    /// Returns the options of a read. Its refresh is a separate write, which must not affect later writes of
    /// other tasks.
    fn get_options(&mut self, refresh: Option<Moves>) -> GetOptions {
        // Deadlines are about a day ahead: some refreshes extend and some do not.
        let ttl = Ttl::seconds(80_000 + self.below(20_000));
        GetOptions::new().with_returning(WANT).with_refresh(refresh.map(|moves| match moves {
            Moves::Anywhere => Refresh::reset(ttl),
            Moves::Later => Refresh::extend_only(ttl),
        }))
    }

    fn item(&self, key: usize, asked: &Asked) -> Check<PutItem> {
        let Asked::Put { text, when, deadline, keep } = asked else {
            return Err(Failure::new("a put", format!("{asked:?}")));
        };
        let value = match self.kind {
            Kind::Blob => Value::from(text.clone()),
            Kind::Record => {
                let fields: Json = serde_json::from_str(text).unwrap_or_default();
                Record::from_serialize(&fields)?.into()
            }
        };
        let condition = match when {
            When::Always => Condition::Always,
            When::IfAbsent => Condition::IfAbsent,
            When::IfPresent => Condition::IfPresent,
            When::IfVersion(version) => Condition::IfVersion(*version),
        };
        let existing_deadline = if *keep { ExistingDeadline::Keep } else { ExistingDeadline::Replace };
        let options = PutOptions::new(Expiry::from(*deadline)).with_condition(condition);
        Ok(PutItem::new(
            self.keys[key].clone(),
            value,
            options.with_existing_deadline(existing_deadline).with_returning(WANT),
        ))
    }
}

fn delete_options(asked: &Asked, version: Option<Version>) -> DeleteOptions {
    let mut options =
        if matches!(asked, Asked::Take { .. }) { DeleteOptions::take() } else { DeleteOptions::new() };
    options.if_version = version;
    options
}

fn got(result: Result<Option<Entry>>) -> Check<Result<Answer>> {
    let entry = match result {
        Ok(Some(entry)) => entry,
        Ok(None) => return Ok(Ok(Answer::Miss)),
        Err(error) => return Ok(Err(error)),
    };
    if let Some(error) = entry.refresh_error {
        return Err(error.into());
    }
    Ok(Ok(Answer::Hit(text(&told(entry.value)?), told(entry.version)?, told(entry.deadline)?)))
}

fn put(result: Result<Outcome<PutResult>>) -> Check<Result<Answer>> {
    unless_applied(result, |meta| {
        let (version, deadline) = (told(meta.version)?, told(meta.deadline)?);
        Ok(Answer::Put { created: meta.created, version, deadline })
    })
}

fn patched(result: Result<Outcome<PatchResult>>) -> Check<Result<Answer>> {
    let field = |done: &PatchResult| done.fields.iter().next().map(|(_, value)| value.clone());
    if let Ok(Outcome::Refused(Some(there))) = result {
        let field = field(&there).unwrap_or_else(|| Json::from(0));
        let (version, deadline) = (told(there.version)?, told(there.deadline)?);
        return Ok(Ok(Answer::Beyond { version, deadline, field }));
    }
    unless_applied(result, |done| {
        let field = field(&done).unwrap_or_default();
        Ok(Answer::Patched { created: done.created, version: told(done.version)?, field })
    })
}

fn expired(result: Result<Outcome<ExpireResult>>) -> Check<Result<Answer>> {
    unless_applied(result, |done| Ok(Answer::Expired { deadline: done.deadline, changed: done.changed }))
}

fn deleted(result: Result<Outcome<Option<Entry>>>) -> Check<Result<Answer>> {
    unless_applied(result, |taken| match taken {
        None => Ok(Answer::Applied),
        Some(entry) => Ok(Answer::Taken(text(&told(entry.value)?))),
    })
}

fn unless_applied<T>(
    result: Result<Outcome<T>>,
    applied: impl FnOnce(T) -> Check<Answer>,
) -> Check<Result<Answer>> {
    match result {
        Ok(Outcome::Applied(done)) => applied(done).map(Ok),
        Ok(Outcome::Absent) => Ok(Ok(Answer::Absent)),
        Ok(Outcome::Refused(_)) => Ok(Ok(Answer::Refused)),
        Err(error) => Ok(Err::<Answer, Error>(error)),
    }
}

fn told<T>(what: Option<T>) -> Check<T> {
    what.ok_or_else(|| Failure::new("the requested value, version and deadline", "an answer without them"))
}
