//! A write that is tried under a fault: its entries before it, what it makes of them, and whether its answer was true.

use std::time::{Duration, Instant, SystemTime};

use futures_util::future::join_all;
use ttl_core::{
    Entry, ErrorKind, Expiry, GetOptions, Key, Outcome, PutOptions, Returning, TtlStore, Version,
};

use super::under_faults::{Answer, PAUSE, Write, old};
use crate::test::{LONG, applied, key};
use crate::{Check, Failure, State, Test, ensure, ensure_eq};

/// By how much longer than the slowest call a write may be on its way.
const STRAGGLERS: Duration = Duration::from_millis(500);

/// A write and its entries.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) write: Write,
    keys: Vec<Key>,
    until: SystemTime,
    /// The entries before the write; `None` is a miss.
    before: Vec<Option<State>>,
    /// What one such write makes of an entry.
    after: Option<State>,
}

/// An entry whose write is over, and what may be seen of it from then on.
#[derive(Debug)]
pub(super) struct Watched {
    about: String,
    key: Key,
    before: Option<State>,
    /// Only if the write may be applied.
    after: Option<Option<State>>,
}

/// The entry as the handle sees it that goes straight to the server; `None` is a miss.
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
        Some(entry) => Err(Failure::new("value, deadline and version, as wanted", format!("{entry:?}"))),
    }
}

/// Whether both are the same but for the version.
fn are_alike(one: Option<&State>, other: Option<&State>) -> bool {
    let of = |state: Option<&State>| state.map(|state| (state.value.clone(), state.deadline));
    of(one) == of(other)
}

impl Trial {
    /// Prepares entries whose names begin with this, and makes the write to a twin of them by the handle that goes
    /// straight to the server.
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

    /// One for each write that the store offers.
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
        ensure_eq!(answers.len(), self.keys.len(), "the answers to {:?}", self.write);
        Ok(answers)
    }

    /// Fails unless each answer is true of what is stored. Returns what may be seen later of those entries whose write was
    /// not acknowledged.
    pub(super) async fn check(&self, t: &Test, answers: Vec<Answer>) -> Check<Vec<Watched>> {
        let mut watched = Vec::new();
        for ((answer, key), before) in answers.into_iter().zip(&self.keys).zip(&self.before) {
            let about = format!("{:?} that answered {answer:?}", self.write);
            let unknown = match answer {
                Ok(Outcome::Applied(taken)) => {
                    let there = before.as_ref().map(|state| &state.value);
                    ensure!(
                        self.write != Write::Take || taken.as_ref() == there,
                        format!("{about}: the value that was there, {there:?}"),
                        "{taken:?}"
                    );
                    let seen = seen(t, key).await?;
                    ensure!(
                        are_alike(seen.as_ref(), self.after.as_ref()),
                        format!("{about}: applied exactly once, {:?}", self.after),
                        "{seen:?}"
                    );
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::OutcomeUnknown => true,
                Err(error) if error.is_retryable() => false,
                other => {
                    let expected = "Applied, OutcomeUnknown, or an error to be tried again";
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
            None => format!("{}: not applied, not later either: {:?}", self.about, self.before),
            Some(after) => format!("{}: applied once at most: {:?} or {after:?}", self.about, self.before),
        };
        Err(Failure::new(expected, format!("{seen:?}")))
    }
}

/// Looks at the entries as long as something may still be on its way, if the slowest of their calls took so long.
pub(super) async fn watch_over(t: &Test, watched: &[Watched], slowest: Duration) -> Check {
    let since = Instant::now();
    while since.elapsed() < slowest + STRAGGLERS {
        join_all(watched.iter().map(|entry| entry.look(t))).await.into_iter().collect::<Check>()?;
        tokio::time::sleep(PAUSE).await;
    }
    join_all(watched.iter().map(|entry| entry.look(t))).await.into_iter().collect()
}
