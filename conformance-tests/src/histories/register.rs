//! What one key does under operations that stand one after the other, without a word about time.

use serde_json::Value as Json;
use ttl_core::{Record, Value, Version};

use super::checker::Meaning;

/// An operation and what was answered to it.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) asked: Asked,
    pub(super) answer: Answer,
}

#[derive(Clone, Debug)]
pub(super) enum Asked {
    Get,
    Put(Text),
    PutIfAbsent(Text),
    PutIfVersion(Text, Version),
    /// Adds one to `n`; creates if told to.
    Increment {
        create: bool,
    },
    /// Appends to `l`.
    Append(u64),
    Expire,
    Delete,
    Take,
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Miss,
    Hit(Text, Version),
    Applied,
    Put {
        created: bool,
        version: Version,
    },
    Patched {
        created: bool,
        version: Version,
        field: Json,
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

/// What is stored; the version is not known where its write was not answered.
pub(super) type State = Option<(Text, Option<Version>)>;

impl Meaning for Done {
    type State = State;

    fn after(&self, state: &State) -> Option<State> {
        match (&self.asked, &self.answer) {
            (Asked::Get, Answer::Miss) => state.is_none().then_some(None),
            (Asked::Get, Answer::Hit(seen, version)) => {
                let (text, known) = state.as_ref()?;
                let fits = text == seen && known.is_none_or(|known| known == *version);
                fits.then(|| Some((text.clone(), Some(*version))))
            }
            (Asked::Put(text), answer) => self.written(state, true, text, answer),
            (Asked::PutIfAbsent(text), answer) => self.written(state, state.is_none(), text, answer),
            (Asked::PutIfVersion(text, wanted), answer) => match state {
                None => matches!(answer, Answer::Absent | Answer::Unknown).then_some(None),
                // Either answer is right while the version is not known.
                Some((_, None)) => {
                    let holds = !matches!(answer, Answer::Refused);
                    self.written(state, holds, text, answer)
                }
                Some((_, Some(known))) => self.written(state, known == wanted, text, answer),
            },
            (Asked::Increment { create }, answer) => self.patched(state, *create, answer, |record| {
                let sum = record.get("n").and_then(Json::as_i64).unwrap_or(0) + 1;
                ("n", Json::from(sum))
            }),
            (Asked::Append(element), answer) => self.patched(state, false, answer, |record| {
                let mut list = record.get("l").and_then(Json::as_array).cloned().unwrap_or_default();
                list.push(Json::from(*element));
                ("l", Json::Array(list))
            }),
            (Asked::Expire, Answer::Applied) => state.is_some().then(|| state.clone()),
            (Asked::Expire | Asked::Delete | Asked::Take, Answer::Absent) => state.is_none().then_some(None),
            (Asked::Expire, Answer::Unknown) => Some(state.clone()),
            (Asked::Delete, Answer::Applied) => state.is_some().then_some(None),
            (Asked::Take, Answer::Taken(taken)) => (state.as_ref()?.0 == *taken).then_some(None),
            (Asked::Delete | Asked::Take, Answer::Unknown) => Some(None),
            _ => None,
        }
    }
}

impl Done {
    fn written(&self, state: &State, holds: bool, text: &Text, answer: &Answer) -> Option<State> {
        match answer {
            Answer::Put { created, version } if holds && *created == state.is_none() => {
                Some(Some((text.clone(), Some(*version))))
            }
            Answer::Refused if !holds => Some(state.clone()),
            Answer::Unknown if holds => Some(Some((text.clone(), None))),
            Answer::Unknown => Some(state.clone()),
            _ => None,
        }
    }

    fn patched(
        &self,
        state: &State,
        create: bool,
        answer: &Answer,
        change: impl Fn(&Record) -> (&'static str, Json),
    ) -> Option<State> {
        let before = match state {
            Some((text, _)) => Record::from_serialize(&serde_json::from_str::<Json>(text).ok()?).ok()?,
            None if create => Record::new(),
            None => return matches!(answer, Answer::Absent | Answer::Unknown).then_some(None),
        };
        let (name, value) = change(&before);
        let after = before.with(name, &value).to_json_text();
        match answer {
            Answer::Patched { created, version, field } if *created == state.is_none() && *field == value => {
                Some(Some((after, Some(*version))))
            }
            Answer::Unknown => Some(Some((after, None))),
            _ => None,
        }
    }
}
