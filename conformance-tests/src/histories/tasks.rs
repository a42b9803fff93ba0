//! One of many that work on the same keys, and what it was answered.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value as Json;
use ttl_core::{
    Condition, Create, DeleteOptions, Error, ErrorKind, ExpireOptions, Expiry, ExpiryChange, GetOptions, Key,
    Kind, Outcome, Patch, PatchOptions, PutOptions, Record, Refresh, Ttl, TtlStore, Value, Version, Want,
};

use super::checker::Operation;
use super::register::{Answer, Asked, Done, text};
use crate::test::LONG;
use crate::{Check, Failure};

pub(super) struct Worker {
    store: Arc<dyn TtlStore>,
    keys: Vec<Key>,
    kind: Kind,
    begun: Instant,
    random: u64,
    /// The version of each key that it met last.
    versions: Vec<Option<Version>>,
}

impl Worker {
    pub(super) fn new(
        store: Arc<dyn TtlStore>,
        keys: Vec<Key>,
        kind: Kind,
        begun: Instant,
        random: u64,
    ) -> Self {
        let versions = vec![None; keys.len()];
        Self { store, keys, kind, begun, random, versions }
    }

    /// Does so many random operations; each with the key that it was on. Those that certainly did nothing, because
    /// others were faster, are left out.
    pub(super) async fn run(mut self, operations: usize) -> Check<Vec<(usize, Operation<Done>)>> {
        let mut done = Vec::new();
        for _ in 0..operations {
            let key = usize::from(self.below(4) == 0);
            let asked = self.choose(key);
            if self.below(3) == 0 {
                tokio::task::yield_now().await;
            }
            let called = self.nanos();
            let answer = match self.ask(key, &asked).await? {
                Ok(answer) => answer,
                Err(error) if error.kind() == ErrorKind::Contention => continue,
                Err(error) if error.kind() == ErrorKind::OutcomeUnknown => Answer::Unknown,
                Err(error) => return Err(error.into()),
            };
            let answered = (!matches!(answer, Answer::Unknown)).then(|| self.nanos());
            if let Answer::Hit(_, version) | Answer::Put { version, .. } | Answer::Patched { version, .. } =
                &answer
            {
                self.versions[key] = Some(*version);
            }
            done.push((key, Operation { what: Done { asked, answer }, called, answered }));
        }
        Ok(done)
    }

    fn nanos(&self) -> u64 {
        // Five centuries fit.
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A random number below this; splitmix64, so that a seed makes the same choices everywhere.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound
    }

    fn choose(&mut self, key: usize) -> Asked {
        let content = self.value();
        let records = self.kind == Kind::Record;
        match self.below(if records { 13 } else { 9 }) {
            0 | 1 => Asked::Get,
            2 => Asked::Put(text(&content)),
            3 => Asked::PutIfAbsent(text(&content)),
            4 | 5 => match self.versions[key] {
                Some(version) => Asked::PutIfVersion(text(&content), version),
                None => Asked::Get,
            },
            6 => Asked::Expire,
            7 => Asked::Delete,
            8 => Asked::Take,
            9 | 10 => Asked::Increment { create: self.below(2) == 0 },
            _ => Asked::Append(self.below(1_000_000)),
        }
    }

    /// A value that nobody else writes.
    fn value(&mut self) -> Value {
        let unique = self.below(u64::MAX);
        match self.kind {
            Kind::Blob => Value::from(unique.to_string()),
            Kind::Record => Record::new().with("w", unique).into(),
        }
    }

    async fn ask(&mut self, key: usize, asked: &Asked) -> Check<Result<Answer, Error>> {
        let key = self.keys[key].clone();
        let answer = match asked {
            Asked::Get => {
                let mut options = GetOptions::new().with_want(Want::VERSION);
                // A refresh is a write of its own, which must not touch what others have written since.
                options.refresh =
                    (self.below(2) == 0).then_some(Refresh::reset(Ttl::minutes(50 + self.below(20))));
                self.store.get(&key, options).await.map(|entry| match entry {
                    None => Ok(Answer::Miss),
                    Some(entry) => Ok(Answer::Hit(text(&told(entry.value)?), told(entry.version)?)),
                })
            }
            Asked::Put(text) => self.put(&key, text, Condition::Always).await,
            Asked::PutIfAbsent(text) => self.put(&key, text, Condition::IfAbsent).await,
            Asked::PutIfVersion(text, version) => self.put(&key, text, Condition::IfVersion(*version)).await,
            Asked::Increment { create } => {
                let mut options = PatchOptions::new();
                options.create = create.then(|| Create::new(LONG));
                self.patch(&key, &Patch::new().increment("n", 1), options).await
            }
            Asked::Append(element) => {
                self.patch(&key, &Patch::new().append("l", element), PatchOptions::new()).await
            }
            Asked::Expire => {
                let change = ExpiryChange::Set(Expiry::After(Ttl::minutes(50 + self.below(20))));
                let result = self.store.expire(&key, change, ExpireOptions::new()).await;
                result.map(|outcome| Ok(unless_applied(outcome, |_| Answer::Applied)))
            }
            Asked::Delete => {
                let result = self.store.delete(&key, DeleteOptions::new()).await;
                result.map(|outcome| Ok(unless_applied(outcome, |_| Answer::Applied)))
            }
            Asked::Take => match self.store.delete(&key, DeleteOptions::take()).await {
                Ok(Outcome::Applied(taken)) => {
                    Ok(told(taken.and_then(|entry| entry.value)).map(|value| Answer::Taken(text(&value))))
                }
                Ok(other) => Ok(Ok(unless_applied(other, |_| Answer::Applied))),
                Err(error) => Err(error),
            },
        };
        answer.map_or_else(|error| Ok(Err(error)), |answer| answer.map(Ok))
    }

    async fn put(&self, key: &Key, text: &str, condition: Condition) -> Result<Check<Answer>, Error> {
        let value = match self.kind {
            Kind::Blob => Value::from(text.to_owned()),
            Kind::Record => {
                let fields: Json = serde_json::from_str(text).unwrap_or_default();
                Record::from_serialize(&fields)?.into()
            }
        };
        let options = PutOptions::new(LONG).with_condition(condition).with_want(Want::VERSION);
        Ok(match self.store.put(key, value, options).await? {
            Outcome::Applied(meta) => {
                told(meta.version).map(|version| Answer::Put { created: meta.created, version })
            }
            other => Ok(unless_applied(other, |_| Answer::Applied)),
        })
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Check<Answer>, Error> {
        let options = options.with_want(Want::VERSION);
        Ok(match self.store.patch(key, patch, options).await? {
            Outcome::Applied(done) => told(done.meta.version).map(|version| Answer::Patched {
                created: done.meta.created,
                version,
                field: done.fields.iter().next().map(|(_, value)| value.clone()).unwrap_or_default(),
            }),
            other => Ok(unless_applied(other, |_| Answer::Applied)),
        })
    }
}

fn unless_applied<T>(outcome: Outcome<T>, applied: impl FnOnce(T) -> Answer) -> Answer {
    match outcome {
        Outcome::Applied(done) => applied(done),
        Outcome::Absent => Answer::Absent,
        Outcome::Refused => Answer::Refused,
    }
}

fn told<T>(what: Option<T>) -> Check<T> {
    what.ok_or_else(|| Failure::new("the value and the version that were wanted", "an answer without"))
}
