//! The plan of a patch: the client sends each field name once, and merges runs of the same operation.

use std::collections::HashMap;

use redis::{Cmd, Value as Reply};
use serde_json::Value as Json;
use ttl_core::driver::{Change, FieldOperation, field_text, parse_field_text};
use ttl_core::{Effect, Patch, Record, Result};

use crate::error::Decoded;
use crate::layout::{decode_named, name_cost};
use crate::wire::ScriptAnswer;
use crate::wire::reply::{array, bulk, int, texts};

/// The operations of a patch as the script expects them.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The fields, each once.
    fields: Vec<&'a str>,
    runs: Vec<Run>,
    /// For each operation of the patch, the source of its effect.
    effects: Vec<EffectSource>,
}

/// An operation, or several of the same kind on the same field without another operation on that field in
/// between.
#[derive(Debug)]
struct Run {
    operation: Operation,
    /// One-based, as Lua counts.
    field: usize,
    argument: Argument,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Set,
    Append,
    Prepend,
    PopFront,
    PopBack,
    RemoveValue,
    Clear,
    Unset,
    Increment,
    IncrementWithin,
}

#[derive(Debug)]
enum Argument {
    Text(String),
    Count(usize),
    None,
}

#[derive(Clone, Copy, Debug)]
enum EffectSource {
    None,
    /// The popped elements of the run with this number.
    Popped(usize),
    Removed(usize),
}

/// A patch that only adds a whole number to one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Increment<'a> {
    pub(crate) field: &'a str,
    pub(crate) by: i64,
    pub(crate) bounds: [Option<i64>; 2],
}

impl<'a> Increment<'a> {
    /// The amounts whose sum with a number of 15 digits is exact as a double.
    const EXACT: std::ops::RangeInclusive<i64> = -(1 << 52)..=1 << 52;

    /// Returns the patch in this form, if it has it.
    pub(crate) fn of(patch: &'a Patch) -> Result<Option<Self>> {
        let [FieldOperation { field, change, .. }] = patch.operations()? else { return Ok(None) };
        let (by, bounds) = match change {
            Change::Increment(by) => (by, [None, None]),
            Change::IncrementWithin { by, bounds } => (by, [bounds.min(), bounds.max()]),
            _ => return Ok(None),
        };
        let by = by.as_i64().filter(|by| Self::EXACT.contains(by));
        Ok(by.map(|by| Self { field, by, bounds }))
    }
}

impl<'a> Plan<'a> {
    pub(crate) fn new(patch: &'a Patch) -> Result<Self> {
        let mut plan = Self { fields: Vec::new(), runs: Vec::new(), effects: Vec::new() };
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        // The last run on each field.
        let mut last: Vec<Option<usize>> = Vec::new();
        for FieldOperation { field, change, .. } in patch.operations()? {
            let number = *numbers.entry(field).or_insert_with(|| {
                plan.fields.push(field);
                last.push(None);
                plan.fields.len()
            });
            let (operation, argument) = encode(change);
            let same = last[number - 1].filter(|run| plan.runs[*run].operation == operation);
            let run = match same {
                Some(run) if plan.runs[run].extend(&argument) => run,
                _ => {
                    plan.runs.push(Run { operation, field: number, argument });
                    plan.runs.len() - 1
                }
            };
            last[number - 1] = Some(run);
            plan.effects.push(match operation {
                Operation::PopFront | Operation::PopBack => EffectSource::Popped(run),
                Operation::RemoveValue => EffectSource::Removed(run),
                _ => EffectSource::None,
            });
        }
        Ok(plan)
    }

    /// Returns the number of fields.
    pub(crate) fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// Returns the field with this number, as the script counts.
    pub(crate) fn field(&self, number: i64) -> Option<&'a str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.fields.get(index).copied()
    }

    /// Returns the number of arguments for fields and operations.
    pub(crate) fn argument_count(&self) -> usize {
        2 * self.fields.len() + 3 * self.runs.len()
    }

    /// Adds each field with its share of the record's size.
    pub(crate) fn add_fields(&self, cmd: &mut Cmd) {
        for field in &self.fields {
            cmd.arg(field).arg(name_cost(field));
        }
    }

    /// Adds the operations: word, field and argument.
    pub(crate) fn add_operations(&self, cmd: &mut Cmd) {
        for run in &self.runs {
            cmd.arg(run.operation.word()).arg(run.field);
            match &run.argument {
                Argument::Text(text) => cmd.arg(text),
                Argument::Count(count) => cmd.arg(*count),
                Argument::None => cmd.arg(""),
            };
        }
    }

    /// Decodes the effects of the operations from those of the runs.
    pub(crate) fn decode_effects(&self, replies: Vec<Reply>) -> Decoded<Vec<Effect>> {
        let mut replies = replies.into_iter();
        let mut next = || replies.next().ok_or(ScriptAnswer::UNKNOWN);
        let mut popped: HashMap<usize, std::vec::IntoIter<Reply>> = HashMap::new();
        let mut removed: HashMap<usize, i64> = HashMap::new();
        for (number, run) in self.runs.iter().enumerate() {
            match run.operation {
                Operation::PopFront | Operation::PopBack => {
                    popped.insert(number, array(next()?)?.into_iter());
                }
                Operation::RemoveValue => {
                    removed.insert(number, int(next()?)?);
                }
                _ => {}
            }
        }
        let effect = |source: &EffectSource| match source {
            EffectSource::None => Ok(Effect::Done),
            EffectSource::Removed(run) => {
                let count = removed.get(run).and_then(|count| usize::try_from(*count).ok());
                count.map(Effect::Removed).ok_or(ScriptAnswer::UNKNOWN)
            }
            EffectSource::Popped(run) => {
                let element = popped.get_mut(run).and_then(Iterator::next);
                let text = bulk(element.ok_or(ScriptAnswer::UNKNOWN)?)?;
                let field = self.fields[self.runs[*run].field - 1];
                Ok(Effect::Popped(text.map(|text| parse_field_text(field, &text)).transpose()?))
            }
        };
        self.effects.iter().map(effect).collect()
    }

    /// Decodes the texts of the fields.
    pub(crate) fn decode_fields(&self, replies: Vec<Reply>) -> Decoded<Record> {
        let texts = texts(replies, self.fields.len())?;
        Ok(decode_named(self.fields.iter().copied(), texts)?)
    }
}

impl Run {
    /// Merges another operation of the same kind into the run if the result is the same. Returns whether it
    /// did.
    fn extend(&mut self, more: &Argument) -> bool {
        match (self.operation, &mut self.argument, more) {
            (Operation::Append, Argument::Text(text), Argument::Text(more)) => {
                text.push(',');
                text.push_str(more);
            }
            (Operation::Prepend, Argument::Text(text), Argument::Text(more)) => {
                text.insert(0, ',');
                text.insert_str(0, more);
            }
            (Operation::PopFront | Operation::PopBack, Argument::Count(count), Argument::Count(more)) => {
                *count += more;
            }
            _ => return false,
        }
        true
    }
}

impl Operation {
    /// Returns the name of the operation in the script.
    const fn word(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Append => "append",
            Self::Prepend => "prepend",
            Self::PopFront => "pop_front",
            Self::PopBack => "pop_back",
            Self::RemoveValue => "remove_value",
            Self::Clear => "clear",
            Self::Unset => "unset",
            Self::Increment => "increment",
            Self::IncrementWithin => "increment_within",
        }
    }
}

fn encode(change: &Change) -> (Operation, Argument) {
    let text = |value: &Json| Argument::Text(field_text(value));
    match change {
        Change::Set(value) => (Operation::Set, text(value)),
        Change::Append(element) => (Operation::Append, text(element)),
        Change::Prepend(element) => (Operation::Prepend, text(element)),
        Change::PopFront => (Operation::PopFront, Argument::Count(1)),
        Change::PopBack => (Operation::PopBack, Argument::Count(1)),
        Change::RemoveValue(element) => (Operation::RemoveValue, text(element)),
        Change::Clear => (Operation::Clear, Argument::None),
        Change::Unset => (Operation::Unset, Argument::None),
        Change::Increment(by) => (Operation::Increment, text(&Json::Number(by.clone()))),
        Change::IncrementWithin { by, bounds } => {
            let [min, max] = [bounds.min(), bounds.max()]
                .map(|bound| bound.map_or_else(String::new, |bound| bound.to_string()));
            let by = field_text(&Json::Number(by.clone()));
            (Operation::IncrementWithin, Argument::Text(format!("{by} {min} {max}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_of_one_field_form_runs() {
        let patch = Patch::new()
            .append("l", 1)
            .set("x", 1)
            .append("l", 2)
            .pop_front("l")
            .pop_front("l")
            .prepend("m", 1)
            .prepend("m", 2)
            .pop_front("l")
            .append("l", 3)
            .increment("n", 1)
            .increment("n", 1)
            .increment_within("n", -1, 0..)
            .increment_within("n", 0.5, -7..=7);
        let plan = Plan::new(&patch).unwrap();
        assert_eq!(plan.fields, ["l", "x", "m", "n"]);
        let runs: Vec<_> = plan
            .runs
            .iter()
            .map(|run| match &run.argument {
                Argument::Text(text) => format!("{} {}: {text}", run.operation.word(), run.field),
                Argument::Count(count) => format!("{} {}: {count}", run.operation.word(), run.field),
                Argument::None => format!("{} {}", run.operation.word(), run.field),
            })
            .collect();
        assert_eq!(
            runs,
            [
                "append 1: 1,2",
                "set 2: 1",
                "pop_front 1: 3",
                "prepend 3: 2,1",
                "append 1: 3",
                "increment 4: 1",
                "increment 4: 1",
                "increment_within 4: -1 0 ",
                "increment_within 4: 0.5 -7 7",
            ]
        );
    }

    #[test]
    fn effects_have_the_order_of_the_patch() {
        let patch = Patch::new().pop_back("l").remove_value("m", 1).pop_back("l").set("x", 1);
        let plan = Plan::new(&patch).unwrap();
        let text = |text: &str| Reply::BulkString(text.into());
        let effects =
            plan.decode_effects(vec![Reply::Array(vec![text("7"), Reply::Nil]), Reply::Int(2)]).unwrap();
        assert_eq!(
            effects,
            [Effect::Popped(Some(Json::from(7))), Effect::Removed(2), Effect::Popped(None), Effect::Done]
        );
        assert!(plan.decode_effects(Vec::new()).is_err());
    }
}
