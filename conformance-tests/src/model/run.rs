//! Runs a sequence on a store and on the model, and reports where they differ.
//!
//! The model needs an exact time, but a call is decided at an unknown instant between its start and its end.
//! So the run evaluates the model at every possible instant, and keeps the resulting states that agree with
//! the store's answer. On a manual clock there is one instant and one state. In real time, an answer near a
//! deadline never fails a store that was merely slow.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ttl_core::options::{GetOptions, Returning};
use ttl_core::{Key, TtlStore, Value, Version};

use super::reference::{Answer, Call, Instant, Model, Reply};
use super::seen::{self, Seen, describe, instant};
use super::steps::{KEYS, NAMES, Step};
use super::translate::Translator;
use crate::{Failure, Test};

/// The maximum error of this process's estimate of the clock that decides.
const SKEW: Duration = Duration::from_millis(5);

/// The maximum duration of a call. The instant of a longer call is too uncertain, so the sequence is run
/// again.
pub(super) const SLOW: Duration = Duration::from_millis(150);

/// The reason why a sequence ended early.
pub(super) enum Stop {
    /// The store and the model differ.
    Failed(Failure),
    /// The store was too slow to be judged.
    Slow,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// One sequence on its own keys.
pub(super) struct Run<'a> {
    test: &'a Test,
    prefix: String,
    keys: Vec<Key>,
    /// Every state that agrees with all answers so far.
    states: Vec<Model>,
    /// Every reported version with its value.
    told: Vec<(Key, Version, Value)>,
}

impl<'a> Run<'a> {
    pub(super) fn new(test: &'a Test, name: &str) -> Self {
        let prefix = format!("{name}:");
        let keys = NAMES.iter().map(|name| crate::test::key(&format!("{prefix}{name}"))).collect();
        Self { test, prefix, keys, states: vec![Model::default()], told: Vec::new() }
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Runs the steps, every other one on the second handle, and finally checks all keys.
    pub(super) async fn sequence(&mut self, steps: &[Step]) -> Result<(), Stop> {
        for (at, step) in steps.iter().enumerate() {
            let store = if at % 2 == 0 { &self.test.store } else { &self.test.second };
            let done = self.step(&**store, step).await;
            done.map_err(|stop| named(stop, &format!("step {} ({step:?})", at + 1)))?;
        }
        for at in 0..KEYS {
            let whole = GetOptions::new().with_returning(self.offered() | Returning::VERSION);
            let done = self.one(&*self.test.store, Call::Get(self.keys[at].clone(), whole)).await;
            done.map_err(|stop| named(stop, &format!("the last look at key {at}")))?;
        }
        Ok(())
    }

    async fn step(&mut self, store: &dyn TtlStore, step: &Step) -> Result<(), Stop> {
        if let Step::Pass(duration) = step {
            self.test.pass(*duration).await;
            return Ok(());
        }
        if matches!(step, Step::Scan { .. }) && !self.test.capabilities().scan {
            return Ok(());
        }
        for key in step.versioned() {
            self.learn_version(store, key).await?;
        }
        let translator = Translator {
            keys: &self.keys,
            prefix: &self.prefix,
            now: self.now(),
            versions: self.versions(),
            offered: self.offered() | Returning::VERSION,
        };
        let request = translator.request(step);
        let from = self.now();
        let seen = seen::perform(store, request?).await?;
        let window = self.since(from)?;
        for (call, seen) in &seen {
            self.settle(window, call, seen)?;
        }
        // If several states are possible, the stored instants show which one is right.
        for at in 0..KEYS {
            if self.states.len() > 1 {
                let peek = GetOptions::nothing().with_returning(self.offered());
                self.one(store, Call::Get(self.keys[at].clone(), peek)).await?;
            }
        }
        Ok(())
    }

    /// Makes one call that is not a step of the sequence.
    async fn one(&mut self, store: &dyn TtlStore, call: Call) -> Result<(), Stop> {
        let Call::Get(key, options) = &call else { return Ok(()) };
        let from = self.now();
        let seen = seen::get(store, key, options).await?;
        let window = self.since(from)?;
        self.settle(window, &call, &seen)
    }

    /// Reads the version of a live entry if it is unknown.
    async fn learn_version(&mut self, store: &dyn TtlStore, key: usize) -> Result<(), Stop> {
        let key = self.keys[key].clone();
        let unknown = |state: &Model| state.rows.get(&key).is_some_and(|row| row.version.is_none());
        if self.states.iter().any(unknown) {
            self.one(store, Call::Get(key, GetOptions::nothing().with_returning(Returning::VERSION))).await?;
        }
        Ok(())
    }

    /// Returns the instants that the store can report of an entry.
    fn offered(&self) -> Returning {
        if self.test.capabilities().created_at {
            Returning::DEADLINE | Returning::CREATED_AT
        } else {
            Returning::DEADLINE
        }
    }

    /// Returns the current version of each key, and an earlier one.
    fn versions(&self) -> Vec<(Option<Version>, Option<Version>)> {
        let current = |key: &Key| self.states.iter().find_map(|state| state.rows.get(key)?.version);
        let earlier = |key: &Key| self.told.iter().find(|(of, ..)| of == key).map(|(_, version, _)| *version);
        self.keys.iter().map(|key| (current(key), earlier(key))).collect()
    }

    fn now(&self) -> SystemTime {
        if self.test.is_manual() { self.test.local_now() } else { self.test.store.now() }
    }

    /// Returns the interval in which a call was decided that began at this time and has just ended.
    fn since(&self, from: SystemTime) -> Result<(Instant, Instant), Stop> {
        let now = self.now();
        if self.test.is_manual() {
            return Ok((nanos(now), nanos(now)));
        }
        if now.duration_since(from).unwrap_or_default() > SLOW {
            return Err(Stop::Slow);
        }
        // An entry that is visible that late is allowed (E2).
        let late = SKEW + self.test.capabilities().resolution;
        Ok((nanos(from - late), nanos(now + SKEW)))
    }

    /// Keeps the states that agree with the store's answer.
    fn settle(&mut self, window: (Instant, Instant), call: &Call, seen: &Seen) -> Result<(), Stop> {
        let offers = self.test.capabilities();
        let mut possible: Vec<Model> = Vec::new();
        let mut differs = None;
        for state in &self.states {
            for now in instants(window) {
                let mut after = state.clone();
                let expected = after.call(now, &offers, call);
                match agree(&expected, seen).and_then(|()| self.name_version(&mut after, call, seen)) {
                    Ok(()) if possible.contains(&after) => {}
                    Ok(()) => possible.push(after),
                    Err(why) => differs = Some((why, expected, state.rows.get(call.key()).cloned())),
                }
            }
        }
        if let (true, Some((why, expected, row))) = (possible.is_empty(), differs) {
            let before = row.map_or("nothing".to_owned(), |row| {
                format!("{} until {}", seen::text(&row.value), instant(row.deadline))
            });
            let about = format!("{why}, where {before} was stored and it was {} ms", window.1 / 1_000_000);
            return Err(Failure::new(format!("{about}: {}", describe(&expected)), seen.describe()).into());
        }
        self.states = possible;
        if let (Some(version), Some(row)) = (seen.version, self.states[0].rows.get(call.key())) {
            let entry = (call.key().clone(), version, row.value.clone());
            if !self.told.contains(&entry) {
                self.told.push(entry);
            }
        }
        Ok(())
    }

    /// Sets the version of the row to the reported one, if that is possible.
    fn name_version(&self, after: &mut Model, call: &Call, seen: &Seen) -> Result<(), &'static str> {
        let (Some(version), Some(row)) = (seen.version, after.rows.get_mut(call.key())) else {
            return Ok(());
        };
        if row.version.is_some_and(|known| known != version) {
            return Err("the same version while the value stays");
        }
        let mut same = self.told.iter().filter(|(key, told, _)| key == call.key() && *told == version);
        if row.version.is_none()
            && matches!(call, Call::Put(_))
            && self.test.capabilities().unique_versions
            && same.clone().next().is_some()
        {
            return Err("a version that no write made before");
        }
        if same.any(|(_, _, value)| *value != row.value) {
            return Err("a version that no other value had");
        }
        row.version = Some(version);
        Ok(())
    }
}

fn agree(expected: &Reply, seen: &Seen) -> Result<(), &'static str> {
    let agrees = match (&expected.answer, &seen.reply.answer) {
        (Answer::Failed(allowed), Answer::Failed(kinds)) => kinds.iter().all(|kind| allowed.contains(kind)),
        _ => *expected == seen.reply,
    };
    if agrees { Ok(()) } else { Err("the model's answer") }
}

/// Returns every relevant instant of a window: whole milliseconds, instants between them, and the first and the
/// last nanosecond of each, which are before and after any instant requested within it.
fn instants((from, to): (Instant, Instant)) -> impl Iterator<Item = Instant> {
    const IN_EACH: [Instant; 4] = [0, 1, 500_000, 999_999];
    let alone = from == to;
    let first = from - from % 1_000_000;
    let all = (0..).map(move |n| first + n / 4 * 1_000_000 + IN_EACH[(n % 4) as usize]);
    let all = all.take_while(move |now| !alone && *now <= to);
    alone.then_some(from).into_iter().chain(all)
}

fn nanos(instant: SystemTime) -> Instant {
    instant.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

fn named(stop: Stop, what: &str) -> Stop {
    match stop {
        Stop::Failed(failure) => {
            Stop::Failed(Failure::new(format!("at {what} {}", failure.expected), failure.seen))
        }
        Stop::Slow => Stop::Slow,
    }
}
