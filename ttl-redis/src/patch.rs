//! Patch: one script. The client sends each field name once, and merges runs of the same operation.

use std::collections::HashMap;

use redis::Value as Reply;
use serde_json::Value as Json;
use ttl_core::{
    Change, Effect, Error, ErrorKind, FieldOperation, Kind, Outcome, Patch, PatchOptions, PatchResult,
    PutResult, Record, Result, Returning, field_text, parse_field_text,
};

use crate::codec::{self, Encoded, FullKey, bulk, int, name_cost};
use crate::error::{Decoded, Fault, RequestKind, server};
use crate::get::mode_argument;
use crate::put::{expiry_arguments, max_argument};
use crate::request::{Answer, Commands, OVERHEAD, Replies, Request, Step};
use crate::scripts::{Form, Script};

/// A patch of one key.
pub(crate) struct Patching<'a> {
    pub(crate) script: &'a Script,
    pub(crate) key: FullKey<'a>,
    pub(crate) plan: Plan<'a>,
    pub(crate) options: &'a PatchOptions,
    /// The initial record of `options.create`.
    pub(crate) initial: Option<Encoded>,
    pub(crate) token: String,
    pub(crate) max_value_bytes: u64,
}

/// The result of a patch by script.
pub(crate) enum Patched {
    Outcome(Outcome<PatchResult>),
    /// Too much work for a script, which would block the server. Nothing was changed.
    TooLong,
}

/// The operations of a patch as the script expects them.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The fields, each once.
    fields: Vec<&'a str>,
    runs: Vec<Run>,
    /// For each operation of the patch, the source of its effect.
    effects: Vec<Source>,
}

/// An operation, or several of the same kind on the same field without another operation on that field in
/// between.
#[derive(Debug)]
struct Run {
    code: &'static str,
    /// One-based, as Lua counts.
    field: usize,
    argument: Argument,
}

#[derive(Debug)]
enum Argument {
    Text(String),
    Count(usize),
    None,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Nothing,
    /// The popped elements of the run with this number.
    Popped(usize),
    Removed(usize),
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
            let (code, argument) = encode(change)?;
            let same = last[number - 1].filter(|run| plan.runs[*run].code == code);
            let run = match same {
                Some(run) if plan.runs[run].extend(&argument) => run,
                _ => {
                    plan.runs.push(Run { code, field: number, argument });
                    plan.runs.len() - 1
                }
            };
            last[number - 1] = Some(run);
            plan.effects.push(match change {
                Change::PopFront | Change::PopBack => Source::Popped(run),
                Change::RemoveValue(_) => Source::Removed(run),
                _ => Source::Nothing,
            });
        }
        Ok(plan)
    }

    /// Reads the effects of the operations from those of the runs.
    fn effects(&self, replies: Vec<Reply>) -> Decoded<Vec<Effect>> {
        let mut replies = replies.into_iter();
        let mut popped: HashMap<usize, std::vec::IntoIter<Reply>> = HashMap::new();
        let mut removed: HashMap<usize, i64> = HashMap::new();
        for (number, run) in self.runs.iter().enumerate() {
            match run.code {
                "f" | "b" => {
                    popped.insert(number, codec::array(codec::next(&mut replies)?)?.into_iter());
                }
                "r" => {
                    removed.insert(number, int(codec::next(&mut replies)?)?);
                }
                _ => {}
            }
        }
        let effect = |source: &Source| match source {
            Source::Nothing => Ok(Effect::Done),
            Source::Removed(run) => {
                let count = removed.get(run).and_then(|count| usize::try_from(*count).ok());
                count.map(Effect::Removed).ok_or(Fault::UnknownForm("a script"))
            }
            Source::Popped(run) => {
                let element = popped.get_mut(run).and_then(Iterator::next);
                let text = bulk(element.ok_or(Fault::UnknownForm("a script"))?)?;
                let field = self.fields[self.runs[*run].field - 1];
                Ok(Effect::Popped(text.map(|text| parse_field_text(field, &text)).transpose()?))
            }
        };
        self.effects.iter().map(effect).collect()
    }

    /// Reads the fields after the patch.
    fn fields(&self, texts: Vec<Reply>) -> Decoded<Record> {
        if texts.len() != self.fields.len() {
            return Err(Fault::UnknownForm("a script"));
        }
        let mut fields = Vec::with_capacity(texts.len());
        for (name, text) in self.fields.iter().zip(texts) {
            if let Some(text) = bulk(text)? {
                fields.push(((*name).to_owned(), parse_field_text(name, &text)?));
            }
        }
        Ok(Record::from_fields(fields)?)
    }
}

impl Run {
    /// Merges another operation of the same kind into the run if the result is the same. Returns whether it
    /// did.
    fn extend(&mut self, more: &Argument) -> bool {
        match (self.code, &mut self.argument, more) {
            ("a", Argument::Text(text), Argument::Text(more)) => {
                text.push(',');
                text.push_str(more);
            }
            ("p", Argument::Text(text), Argument::Text(more)) => {
                text.insert(0, ',');
                text.insert_str(0, more);
            }
            ("f" | "b", Argument::Count(count), Argument::Count(more)) => *count += more,
            _ => return false,
        }
        true
    }
}

fn encode(change: &Change) -> Result<(&'static str, Argument)> {
    let text = |value: &Json| Argument::Text(field_text(value));
    Ok(match change {
        Change::Set(value) => ("s", text(value)),
        Change::Append(element) => ("a", text(element)),
        Change::Prepend(element) => ("p", text(element)),
        Change::PopFront => ("f", Argument::Count(1)),
        Change::PopBack => ("b", Argument::Count(1)),
        Change::RemoveValue(element) => ("r", text(element)),
        Change::Clear => ("c", Argument::None),
        Change::Unset => ("u", Argument::None),
        Change::Increment(by) => ("i", text(&Json::Number(by.clone()))),
        Change::IncrementWithin { by, bounds } => {
            let [min, max] = [bounds.min(), bounds.max()]
                .map(|bound| bound.map_or_else(String::new, |bound| bound.to_string()));
            ("w", Argument::Text(format!("{} {min} {max}", field_text(&Json::Number(by.clone())))))
        }
    })
}

impl Request for Patching<'_> {
    type Output = Patched;

    fn kind(&self) -> RequestKind {
        RequestKind::Write
    }

    fn bytes(&self) -> usize {
        OVERHEAD + self.key.len()
    }

    fn first(&self) -> Step {
        Step::Script(Form::Sha)
    }

    fn commands(&self, step: Step) -> Commands {
        let form = if let Step::Script(form) = step { form } else { Form::Sha };
        let plan = &self.plan;
        let (initial, initial_size): (&[_], _) = match &self.initial {
            Some(Encoded::Record { fields, size }) => (fields, *size),
            _ => (&[], 0),
        };
        let arguments = 11 + 2 * plan.fields.len() + 2 * initial.len() + 3 * plan.runs.len();
        let mut cmd = self.script.call(form, self.key, arguments, 96 + 16 * arguments + initial_size);
        let PatchOptions { create, refresh, if_version, .. } = self.options;
        match if_version {
            Some(version) => cmd.arg(codec::version_text(version)),
            None => cmd.arg(""),
        };
        match refresh {
            Some(refresh) => cmd.arg(mode_argument(refresh.mode)).arg(refresh.ttl.as_millis()),
            None => cmd.arg("").arg("0"),
        };
        match create {
            Some(create) => {
                expiry_arguments(&mut cmd, create.lifespan.expiry);
                max_argument(&mut cmd, create.lifespan.max_lifetime);
            }
            None => {
                cmd.arg("").arg("0").arg("");
            }
        }
        cmd.arg(&self.token).arg(self.max_value_bytes).arg(initial_size);
        cmd.arg(plan.fields.len()).arg(initial.len());
        for field in &plan.fields {
            cmd.arg(field).arg(name_cost(field));
        }
        for (name, text) in initial {
            cmd.arg(name).arg(text);
        }
        for run in &plan.runs {
            cmd.arg(run.code).arg(run.field);
            match &run.argument {
                Argument::Text(text) => cmd.arg(text),
                Argument::Count(count) => cmd.arg(*count),
                Argument::None => cmd.arg(""),
            };
        }
        Commands::One(cmd)
    }

    fn read(&self, _: Step, replies: Replies) -> Decoded<Answer<Self::Output>> {
        let reply = match replies {
            Replies::One(Reply::ServerError(error)) => return Err(server(&error)),
            Replies::One(reply) => reply,
            Replies::Two(..) | Replies::Three(..) => return Err(Fault::UnknownForm("a script")),
        };
        let (status, mut items) = codec::script_answer(reply)?;
        let done = |outcome| Ok(Answer::Done(Patched::Outcome(outcome)));
        match status.as_slice() {
            b"O" => {}
            b"A" => return done(Outcome::Absent),
            b"R" => return done(Outcome::Refused(None)),
            b"B" => {
                let there = items.next().map(|deadline| self.there(deadline, &mut items)).transpose()?;
                return done(Outcome::Refused(there));
            }
            b"S" => return Ok(Answer::Done(Patched::TooLong)),
            b"W" => return Err(Fault::Refused(Kind::Record.wrong())),
            b"T" | b"V" | b"L" => {
                return Err(Fault::Refused(self.failure(&status, int(codec::next(&mut items)?)?)));
            }
            other => return Err(codec::script_error(other)),
        }
        let created = codec::flag(codec::next(&mut items)?)?;
        let meta = self.meta(created, codec::next(&mut items)?, codec::next(&mut items)?)?;
        let fields = self.plan.fields(codec::array(codec::next(&mut items)?)?)?;
        let effects = self.plan.effects(codec::array(codec::next(&mut items)?)?)?;
        done(Outcome::Applied(PatchResult::new(&meta, fields, effects)))
    }
}

impl Patching<'_> {
    fn meta(&self, created: bool, deadline: Reply, token: Reply) -> Decoded<PutResult> {
        let (deadline, token) = (codec::parse_deadline(int(deadline)?), bulk(token)?);
        let returning = self.options.returning;
        let token = token.filter(|_| returning.contains(Returning::VERSION));
        let version = token.map(|token| codec::token_version(&token)).transpose()?;
        Ok(PutResult::returning(returning, created, deadline, version))
    }

    /// Reads the metadata and the fields of the entry if bounds refused the patch.
    fn there(&self, deadline: Reply, rest: &mut std::vec::IntoIter<Reply>) -> Decoded<PatchResult> {
        let meta = self.meta(false, deadline, codec::next(rest)?)?;
        let fields = self.plan.fields(codec::array(codec::next(rest)?)?)?;
        Ok(PatchResult::new(&meta, fields, Vec::new()))
    }

    /// Returns the error of a patch that was not applied. The letter is the cause; the number is a field or a
    /// size.
    fn failure(&self, status: &[u8], number: i64) -> Error {
        if status == b"L" {
            return Error::new(
                ErrorKind::TooLarge,
                format!(
                    "the patched value would have {number} bytes: expected at most {}; nothing changed",
                    self.max_value_bytes
                ),
            );
        }
        let field =
            usize::try_from(number).ok().and_then(|number| self.plan.fields.get(number.wrapping_sub(1)));
        let field = field.copied().unwrap_or_default();
        if status == b"V" {
            return Error::new(
                ErrorKind::Overflow,
                format!(
                    "the sum in field {field:?} is out of range: expected an i64 (an f64 for fractions); nothing changed"
                ),
            );
        }
        Error::new(
            ErrorKind::WrongFieldType,
            format!(
                "field {field:?} does not have the type that an operation on it requires; nothing changed"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_join_what_nothing_parts() {
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
                Argument::Text(text) => format!("{}{}{text}", run.code, run.field),
                Argument::Count(count) => format!("{}{}x{count}", run.code, run.field),
                Argument::None => format!("{}{}", run.code, run.field),
            })
            .collect();
        assert_eq!(runs, ["a11,2", "s21", "f1x3", "p32,1", "a13", "i41", "i41", "w4-1 0 ", "w40.5 -7 7"]);
    }

    #[test]
    fn effects_are_dealt_out_in_the_patchs_order() {
        let patch = Patch::new().pop_back("l").remove_value("m", 1).pop_back("l").set("x", 1);
        let plan = Plan::new(&patch).unwrap();
        let text = |text: &str| Reply::BulkString(text.into());
        let effects = plan.effects(vec![Reply::Array(vec![text("7"), Reply::Nil]), Reply::Int(2)]).unwrap();
        assert_eq!(
            effects,
            [Effect::Popped(Some(Json::from(7))), Effect::Removed(2), Effect::Popped(None), Effect::Done]
        );
        assert!(plan.effects(Vec::new()).is_err());
    }
}
