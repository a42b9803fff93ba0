//! A write under a fault: its entries before it, its effect on them, and whether its result was correct.

use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use ttl_core::options::{GetOptions, PutOptions, Returning};
use ttl_core::{Entry, ErrorKind, Expiry, Key, Outcome, TtlStore, Version};

use super::under_faults::{Answer, PAUSE, Write, old};
use crate::test::{LONG, applied, key};
use crate::{Check, Failure, State, Test, ensure, ensure_eq};

/// The longest time that a write may be under way after the slowest call.
const STRAGGLERS: Duration = Duration::from_millis(500);

/// A write and its entries.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) write: Write,
    keys: Vec<Key>,
    until: SystemTime,
    /// The entries before the write; `None` is a miss.
    before: Vec<Option<State>>,
    /// The state of an entry after one such write.
    after: Option<State>,
}

/// An entry after its write, with the states that are valid from then on.
#[derive(Debug)]
pub(super) struct Watched {
    about: String,
    key: Key,
    before: Option<State>,
    /// Set only if the write may be applied.
    after: Option<Option<State>>,
}

/// Reads the entry with the handle that bypasses the proxy; `None` is a miss.
async fn seen(t: &Test, key: &Key) -> Check<Option<State>> {
    match t
        .second
        .get(key, GetOptions::new().with_returning(Returning::DEADLINE | Returning::VERSION))
        .await?
    {
        None => Ok(None),
        Some(Entry { value: Some(value), deadline: Some(deadline), version: Some(version), .. }) => {
            Ok(Some(State { value, deadline, version }))
        }
        Some(entry) => Err(Failure::new("the requested value, deadline and version", format!("{entry:?}"))),
    }
}

/// Returns whether both states are equal apart from the version.
fn are_alike(one: Option<&State>, other: Option<&State>) -> bool {
    let of = |state: Option<&State>| state.map(|state| (state.value.clone(), state.deadline));
    of(one) == of(other)
}

impl Trial {
    /// Prepares entries whose keys begin with `name`. Makes the same write to a twin of them, with the
    /// handle that bypasses the proxy.
    pub(super) async fn new(t: &Test, write: Write, name: &str) -> Check<Self> {
        let (until, twin) = (t.instant(LONG), key(&format!("{name}-twin")));
        let keys: Vec<Key> = (0..write.count()).map(|number| key(&format!("{name}-{number}"))).collect();
        if !write.creates() {
            for key in keys.iter().chain([&twin]) {
                applied(t.second.put(key, old(), PutOptions::new(Expiry::At(until))).await?)?;
            }
        }
        let mut before = Vec::new();
        for key in &keys {
            before.push(seen(t, key).await?);
        }
        let version = seen(t, &twin).await?.map_or_else(Version::random, |state| state.version);
        for answer in write.call(&*t.second, std::slice::from_ref(&twin), version, until).await {
            applied(answer?)?;
        }
        let after = seen(t, &twin).await?;
        Ok(Self { write, keys, until, before, after })
    }

    /// Creates one trial for each write that the store offers.
    pub(super) async fn all(t: &Test) -> Check<Vec<Self>> {
        let offered = Write::ALL.into_iter().filter(|write| write.is_offered(&t.capabilities()));
        let trials = offered.map(|write| async move { Self::new(t, write, &format!("{write:?}")).await });
        join_all(trials).await.into_iter().collect()
    }

    /// Makes the write.
    pub(super) async fn call(&self, store: &dyn TtlStore) -> Check<Vec<Answer>> {
        let version = self.before.first().and_then(Option::as_ref).map(|state| state.version);
        let version = version.unwrap_or_else(Version::random);
        let answers = self.write.call(store, &self.keys, version, self.until).await;
        ensure_eq!(answers.len(), self.keys.len(), "the number of results of {:?}", self.write);
        Ok(answers)
    }

    /// Fails unless each result matches the stored entry. Returns the entries whose write was not
    /// acknowledged, to be watched.
    pub(super) async fn check(&self, t: &Test, answers: Vec<Answer>) -> Check<Vec<Watched>> {
        let mut watched = Vec::new();
        for ((answer, key), before) in answers.into_iter().zip(&self.keys).zip(&self.before) {
            let about = format!("{:?} with the result {answer:?}", self.write);
            let unknown = match answer {
                Ok(Outcome::Applied(taken)) => {
                    let there = before.as_ref().map(|state| &state.value);
                    ensure!(
                        self.write != Write::Take || taken.as_ref() == there,
                        format!("{about}: the stored value {there:?}"),
                        "{taken:?}"
                    );
                    let seen = seen(t, key).await?;
                    ensure!(
                        are_alike(seen.as_ref(), self.after.as_ref()),
                        format!("{about}: one application, {:?}", self.after),
                        "{seen:?}"
                    );
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::OutcomeUnknown => true,
                Err(error) if error.is_retryable() => false,
                other => {
                    let expected = "Applied, OutcomeUnknown or a retryable error";
                    return Err(Failure::new(format!("{:?}: {expected}", self.write), format!("{other:?}")));
                }
            };
            let after = unknown.then(|| self.after.clone());
            let watched_entry = Watched { about, key: key.clone(), before: before.clone(), after };
            watched_entry.look(t).await?;
            watched.push(watched_entry);
        }
        Ok(watched)
    }
}

impl Watched {
    async fn look(&self, t: &Test) -> Check {
        let seen = seen(t, &self.key).await?;
        let applied = |after: &Option<State>| are_alike(seen.as_ref(), after.as_ref());
        if seen == self.before || self.after.as_ref().is_some_and(applied) {
            return Ok(());
        }
        let expected = match &self.after {
            None => format!("{}: never applied: {:?}", self.about, self.before),
            Some(after) => format!("{}: applied at most once: {:?} or {after:?}", self.about, self.before),
        };
        Err(Failure::new(expected, format!("{seen:?}")))
    }
}

/// Checks the entries for as long as a write may be under way, given the duration of the slowest call.
pub(super) async fn watch_over(t: &Test, watched: &[Watched], slowest: Duration) -> Check {
    let since = Instant::now();
    while since.elapsed() < slowest + STRAGGLERS {
        join_all(watched.iter().map(|entry| entry.look(t))).await.into_iter().collect::<Check>()?;
        tokio::time::sleep(PAUSE).await;
    }
    join_all(watched.iter().map(|entry| entry.look(t))).await.into_iter().collect()
}
