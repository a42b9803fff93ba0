//! The sequential behaviour of one key.
//!
//! Deadlines are about a day ahead, so no answer depends on the time. At first a key has no entry, or a
//! ghost, which is equivalent.

use serde_json::Value as Json;
use ttl_core::options::Guard;
use ttl_core::{Deadline, Record, Ttl, Value, Version};

use super::checker::Meaning;

/// An operation and its answer.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) asked: Asked,
    pub(super) answer: Answer,
}

#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// Reads. With a refresh, the reported deadline is the new one.
    Get {
        refresh: Option<Moves>,
    },
    Put {
        text: Text,
        when: When,
        deadline: Deadline,
        /// Whether an existing deadline is kept.
        keep: bool,
    },
    /// Adds one to `n`, unless the sum would be above the limit. Creates a missing entry with this deadline,
    /// if any.
    Increment {
        create: Option<Deadline>,
        most: Option<i64>,
    },
    /// Appends to `l`.
    Append(u64),
    Expire {
        to: To,
        guard: Guard,
        version: Option<Version>,
    },
    Delete {
        version: Option<Version>,
    },
    Take {
        version: Option<Version>,
    },
}

/// How a refresh moves a deadline.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moves {
    /// To any instant.
    Anywhere,
    /// To a later one, or not at all.
    Later,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Always,
    IfAbsent,
    IfPresent,
    IfVersion(Version),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    At(Deadline),
    Extend(Ttl),
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Miss,
    Hit(Text, Version, Deadline),
    Applied,
    Put {
        created: bool,
        version: Version,
        deadline: Deadline,
    },
    Patched {
        created: bool,
        version: Version,
        field: Json,
    },
    /// The limit refused the patch. This is the present state.
    Beyond {
        version: Version,
        deadline: Deadline,
        field: Json,
    },
    Expired {
        deadline: Deadline,
        changed: bool,
    },
    Taken(Text),
    Absent,
    Refused,
    /// It may have been applied.
    Unknown,
}

/// A value as text: a blob's, or a record's canonical JSON.
pub(super) type Text = String;

pub(super) fn text(value: &Value) -> Text {
    match value {
        Value::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Record(record) => record.to_json_text(),
    }
}

/// An entry. Its version and deadline are unknown if the write that set them was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Live {
    text: Text,
    version: Option<Version>,
    deadline: Option<Deadline>,
}

/// The stored entry, if any.
pub(super) type State = Option<Live>;

impl Meaning for Done {
    type State = State;

    fn after(&self, state: &State) -> Option<State> {
        match (&self.asked, &self.answer) {
            (Asked::Get { .. }, Answer::Miss) => state.is_none().then_some(None),
            (Asked::Get { refresh }, Answer::Hit(text, version, deadline)) => {
                let live = state.as_ref()?;
                let same = live.text == *text && live.version.is_none_or(|known| known == *version);
                let moved = live.deadline.is_none_or(|known| match refresh {
                    None => *deadline == known,
                    Some(Moves::Later) => *deadline >= known,
                    Some(Moves::Anywhere) => true,
                });
                let seen = Live { text: text.clone(), version: Some(*version), deadline: Some(*deadline) };
                (same && moved).then_some(Some(seen))
            }
            (Asked::Put { text, when, deadline, keep }, answer) => {
                let stays = state.as_ref().filter(|_| *keep);
                let ends = stays.map_or(Some(*deadline), |live| live.deadline);
                match holds(state, *when) {
                    Some(holds) => self.written(state, holds, text, ends),
                    // Either answer is correct while the version is unknown.
                    None => self.written(state, !matches!(answer, Answer::Refused), text, ends),
                }
            }
            (Asked::Increment { create, most }, answer) => {
                if let (Some(live), Some(most)) = (state, most)
                    && live.number()? >= *most
                {
                    return beyond(live, answer);
                }
                self.patched(state, *create, answer, |record| ("n", Json::from(number(record) + 1)))
            }
            (Asked::Append(element), answer) => self.patched(state, None, answer, |record| {
                let mut list = record.get("l").and_then(Json::as_array).cloned().unwrap_or_default();
                list.push(Json::from(*element));
                ("l", Json::Array(list))
            }),
            (Asked::Expire { .. } | Asked::Delete { .. } | Asked::Take { .. }, Answer::Absent) => {
                state.is_none().then_some(None)
            }
            (
                Asked::Expire { version, .. } | Asked::Delete { version } | Asked::Take { version },
                Answer::Refused,
            ) => {
                let refused = is_version(state.as_ref()?, *version) != Some(true);
                refused.then(|| state.clone())
            }
            (Asked::Expire { to, guard, version }, answer) => expired(state, *to, *guard, *version, answer),
            (Asked::Delete { version }, Answer::Applied) => {
                (is_version(state.as_ref()?, *version) != Some(false)).then_some(None)
            }
            (Asked::Take { version }, Answer::Taken(taken)) => {
                let live = state.as_ref()?;
                (live.text == *taken && is_version(live, *version) != Some(false)).then_some(None)
            }
            (Asked::Delete { version } | Asked::Take { version }, Answer::Unknown) => {
                let stays = state.as_ref().is_some_and(|live| is_version(live, *version) == Some(false));
                Some(state.clone().filter(|_| stays))
            }
            _ => None,
        }
    }
}

impl Live {
    fn record(&self) -> Option<Record> {
        Record::from_serialize(&serde_json::from_str::<Json>(&self.text).ok()?).ok()
    }

    fn number(&self) -> Option<i64> {
        self.record().map(|record| number(&record))
    }
}

fn number(record: &Record) -> i64 {
    record.get("n").and_then(Json::as_i64).unwrap_or(0)
}

/// Returns the state after a patch that its limit must refuse.
fn beyond(live: &Live, answer: &Answer) -> Option<State> {
    match answer {
        Answer::Beyond { version, deadline, field } => {
            let same = field.as_i64() == live.number()
                && live.version.is_none_or(|known| known == *version)
                && live.deadline.is_none_or(|known| known == *deadline);
            let seen = Live { text: live.text.clone(), version: Some(*version), deadline: Some(*deadline) };
            same.then_some(Some(seen))
        }
        Answer::Unknown => Some(Some(live.clone())),
        _ => None,
    }
}

/// Returns whether the entry has this version: true without a version, `None` if that of the entry is
/// unknown.
fn is_version(live: &Live, version: Option<Version>) -> Option<bool> {
    let Some(version) = version else { return Some(true) };
    live.version.map(|known| known == version)
}

/// Returns whether the condition of a put holds; `None` if that is unknown.
fn holds(state: &State, when: When) -> Option<bool> {
    match (when, state) {
        (When::Always, _) => Some(true),
        (When::IfAbsent, state) => Some(state.is_none()),
        (When::IfPresent, state) => Some(state.is_some()),
        (When::IfVersion(_), None) => Some(false),
        (When::IfVersion(version), Some(live)) => is_version(live, Some(version)),
    }
}

fn expired(state: &State, to: To, guard: Guard, version: Option<Version>, answer: &Answer) -> Option<State> {
    let Some(live) = state else { return matches!(answer, Answer::Unknown).then_some(None) };
    if is_version(live, version) == Some(false) {
        return matches!(answer, Answer::Unknown).then(|| state.clone());
    }
    let at = |deadline| Some(Some(Live { deadline, ..live.clone() }));
    let Answer::Expired { deadline, changed } = answer else {
        return if matches!(answer, Answer::Unknown) { at(None) } else { None };
    };
    // If the previous deadline is unknown, the reported one is accepted.
    let Some(before) = live.deadline else { return at(Some(*deadline)) };
    let new = match to {
        To::At(deadline) => deadline,
        To::Extend(by) => before.plus(by),
    };
    let lets = match guard {
        Guard::IfLater => new > before,
        Guard::IfSooner => new < before,
        Guard::IfPersistent => before.is_never(),
        Guard::IfExpiring => !before.is_never(),
        Guard::Always => true,
    };
    let after = if lets { new } else { before };
    (*deadline == after && *changed == (after != before)).then(|| at(Some(after)))?
}

impl Done {
    fn written(&self, state: &State, holds: bool, text: &Text, ends: Option<Deadline>) -> Option<State> {
        match &self.answer {
            Answer::Put { created, version, deadline } if holds && *created == state.is_none() => {
                let right = ends.is_none_or(|ends| ends == *deadline);
                let live = Live { text: text.clone(), version: Some(*version), deadline: Some(*deadline) };
                right.then_some(Some(live))
            }
            Answer::Refused if !holds && state.is_some() => Some(state.clone()),
            Answer::Absent if !holds && state.is_none() => Some(None),
            Answer::Unknown if holds => {
                Some(Some(Live { text: text.clone(), version: None, deadline: ends }))
            }
            Answer::Unknown => Some(state.clone()),
            _ => None,
        }
    }

    fn patched(
        &self,
        state: &State,
        create: Option<Deadline>,
        answer: &Answer,
        change: impl Fn(&Record) -> (&'static str, Json),
    ) -> Option<State> {
        let (before, deadline) = match (state, create) {
            (Some(live), _) => (live.record()?, live.deadline),
            (None, Some(deadline)) => (Record::new(), Some(deadline)),
            (None, None) => return matches!(answer, Answer::Absent | Answer::Unknown).then_some(None),
        };
        let (name, value) = change(&before);
        let text = before.with(name, &value).to_json_text();
        match answer {
            Answer::Patched { created, version, field } if *created == state.is_none() && *field == value => {
                Some(Some(Live { text, version: Some(*version), deadline }))
            }
            Answer::Unknown => Some(Some(Live { text, version: None, deadline })),
            _ => None,
        }
    }
}
