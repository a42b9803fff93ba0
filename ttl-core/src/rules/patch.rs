//! The rules of patch: the entry that it applies to, and the effect of its operations on a record.

use serde_json::{Number, Value as Json};

use super::{Header, live, refreshed};
use crate::driver::{Change, Now};
use crate::json::number_from_f64;
use crate::options::PatchOptions;
use crate::{Deadline, Effect, Error, ErrorKind, Kind, Patch, Record, Result};

/// The action of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchStep {
    /// There is no live entry, and none is to be created.
    Absent,
    /// The version differs.
    Refused,
    /// Apply the operations to the stored record and store it with this deadline. Cap and creation time are
    /// unchanged.
    Change {
        /// The deadline of the entry.
        deadline: Deadline,
    },
    /// Apply the operations to the initial record and store it. Replace any stored entry, ghosts included.
    /// The creation time is now (V7).
    Create {
        /// The deadline of the entry.
        deadline: Deadline,
        /// The cap of the entry.
        cap: Deadline,
    },
    /// Apply the operations to the initial record, report the outcome, and leave no entry, because the new
    /// deadline has already passed (E6).
    CreateElapsed {
        /// The deadline to report.
        deadline: Deadline,
    },
}

/// Evaluates a patch as far as expiry is concerned; see [`apply`] for the effect of its operations.
///
/// # Errors
/// * [`ErrorKind::WrongKind`] if the entry is a blob (V3)
/// * [`ErrorKind::InvalidExpiry`] if the deadline or the cap of `create` is too far away (E8)
pub fn patch(now: impl Into<Now>, stored: Option<&Header>, options: &PatchOptions) -> Result<PatchStep> {
    let now = now.into();
    let asked = match &options.create {
        Some(create) => Some(create.lifespan.resolve(now)?),
        None => None,
    };
    let Some(entry) = live(now, stored) else {
        return Ok(match asked {
            Some((asked, cap)) if options.if_version.is_none() => {
                let deadline = asked.min(cap);
                if deadline.is_expired(now) {
                    PatchStep::CreateElapsed { deadline }
                } else {
                    PatchStep::Create { deadline, cap }
                }
            }
            _ => PatchStep::Absent,
        });
    };
    if options.if_version.is_some_and(|version| version != entry.version) {
        return Ok(PatchStep::Refused);
    }
    if entry.kind == Kind::Blob {
        return Err(Kind::Record.wrong());
    }
    let deadline = options.refresh.as_ref().map_or(entry.ends(), |refresh| refreshed(now, entry, refresh));
    Ok(PatchStep::Change { deadline })
}

/// Applies the operations of a patch in order: all, or on an error none (P1).
///
/// Returns the effects in the order of the operations. Returns `None` if the sum of an increment would leave
/// its bounds, and the whole patch is refused (P7). The first failure in the order of the patch, bounds or
/// error, decides.
///
/// # Errors
/// * the error of the patch if it was built from invalid input
/// * [`ErrorKind::WrongFieldType`] for a list operation on a field that is not a list, or an increment of a
///   field that is not a number
/// * [`ErrorKind::Overflow`] for a sum outside `i64` or finite `f64` (P3)
pub fn apply(record: &mut Record, patch: &Patch) -> Result<Option<Vec<Effect>>> {
    let operations = patch.operations()?;
    if let [operation] = operations {
        // A single operation changes nothing if it fails. A record that is not shared is then changed in place.
        return Ok(change(record, &operation.field, &operation.change)?.map(|effect| vec![effect]));
    }
    // Cloning shares the fields; the first change copies them.
    let mut changed = record.clone();
    let mut effects = Vec::with_capacity(operations.len());
    for operation in operations {
        match change(&mut changed, &operation.field, &operation.change)? {
            Some(effect) => effects.push(effect),
            None => return Ok(None),
        }
    }
    *record = changed;
    Ok(Some(effects))
}

/// Applies one operation and returns its effect; `None` if its bounds refuse the sum.
fn change(record: &mut Record, field: &str, change: &Change) -> Result<Option<Effect>> {
    match change {
        Change::Set(value) => record.insert_normal(field.to_owned(), value.clone()),
        Change::Append(element) => list_or_new(record, field)?.push(element.clone()),
        Change::Prepend(element) => list_or_new(record, field)?.insert(0, element.clone()),
        Change::PopFront => {
            let list = list(record, field)?.filter(|list| !list.is_empty());
            return Ok(Some(Effect::Popped(list.map(|list| list.remove(0)))));
        }
        Change::PopBack => {
            return Ok(Some(Effect::Popped(list(record, field)?.and_then(Vec::pop))));
        }
        Change::RemoveValue(element) => {
            let removed = list(record, field)?.map_or(0, |list| {
                let before = list.len();
                list.retain(|item| item != element);
                before - list.len()
            });
            return Ok(Some(Effect::Removed(removed)));
        }
        Change::Clear => {
            if let Some(list) = list(record, field)? {
                list.clear();
            }
        }
        Change::Unset => {
            record.remove(field);
        }
        Change::Increment(by) => {
            let sum = sum(record, field, by)?;
            record.insert_normal(field.to_owned(), Json::Number(sum));
        }
        Change::IncrementWithin { by, bounds } => {
            let sum = sum(record, field, by)?;
            if !bounds.contain(&sum) {
                return Ok(None);
            }
            record.insert_normal(field.to_owned(), Json::Number(sum));
        }
    }
    Ok(Some(Effect::Done))
}

fn list<'a>(record: &'a mut Record, field: &str) -> Result<Option<&'a mut Vec<Json>>> {
    match record.get_mut(field) {
        None => Ok(None),
        Some(Json::Array(list)) => Ok(Some(list)),
        Some(_) => Err(wrong_type(field, "a list", "a list operation")),
    }
}

fn list_or_new<'a>(record: &'a mut Record, field: &str) -> Result<&'a mut Vec<Json>> {
    if !record.contains(field) {
        record.insert_normal(field.to_owned(), Json::Array(Vec::new()));
    }
    list(record, field)?.ok_or_else(|| wrong_type(field, "a list", "a list operation"))
}

fn wrong_type(field: &str, wanted: &str, operation: &str) -> Error {
    Error::new(
        ErrorKind::WrongFieldType,
        format!("wrong type of field {field:?}: expected {wanted} for {operation}; nothing was changed"),
    )
}

/// Returns the sum of a field and an increment.
fn sum(record: &Record, field: &str, by: &Number) -> Result<Number> {
    match record.get(field) {
        None => add(field, &Number::from(0), by),
        Some(Json::Number(number)) => add(field, number, by),
        Some(_) => Err(wrong_type(field, "a number", "an increment")),
    }
}

/// Adds integers exactly, within `i64`, and all other numbers as `f64`.
fn add(field: &str, number: &Number, by: &Number) -> Result<Number> {
    let sum = match (number.as_i128(), by.as_i64()) {
        (Some(number), Some(by)) => i64::try_from(number + i128::from(by)).ok().map(Number::from),
        _ => number.as_f64().zip(by.as_f64()).and_then(|(number, by)| number_from_f64(number + by)),
    };
    sum.ok_or_else(|| {
        Error::new(
            ErrorKind::Overflow,
            format!("the sum in field {field:?} is out of range of i64 (of f64, for fractions); nothing was changed"),
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(fields: impl serde::Serialize, patch: &Patch) -> Result<(Json, Vec<Effect>)> {
        let mut record = Record::from_serialize(&fields)?;
        let before = record.clone();
        let effects = apply(&mut record, patch);
        if !matches!(effects, Ok(Some(_))) {
            assert_eq!(record, before, "a patch that was not applied changed something");
        }
        Ok((serde_json::to_value(&record).unwrap(), effects?.unwrap_or_default()))
    }

    #[test]
    fn a_sum_outside_its_bounds_refuses_the_whole_patch() {
        let refused = |fields: Json, patch: Patch| {
            let mut record = Record::from_serialize(&fields).unwrap();
            let before = record.clone();
            let effects = apply(&mut record, &patch);
            assert!(record == before || matches!(effects, Ok(Some(_))));
            effects.map(|effects| effects.is_none()).map_err(|error| error.kind())
        };
        let one = |bounds: crate::Bounds| Patch::new().set("x", 1).increment_within("n", 1, bounds);
        assert_eq!(refused(json!({ "n": 4 }), one((..=5).into())), Ok(false));
        assert_eq!(refused(json!({ "n": 5 }), one((..=5).into())), Ok(true));
        assert_eq!(refused(json!({}), one((2..).into())), Ok(true));
        assert_eq!(refused(json!({ "n": -1 }), one((0..=0).into())), Ok(false));
        assert_eq!(refused(json!({ "n": 0.5 }), one((..=1).into())), Ok(true));
        // What comes first decides.
        let full = json!({ "n": 5, "t": "x" });
        let type_first = Patch::new().increment("t", 1).increment_within("n", 1, ..=5);
        assert_eq!(refused(full.clone(), type_first), Err(ErrorKind::WrongFieldType));
        let bounds_first = Patch::new().increment_within("n", 1, ..=5).increment("t", 1);
        assert_eq!(refused(full, bounds_first), Ok(true));
        assert_eq!(refused(json!({ "n": i64::MAX }), one((..=5).into())), Err(ErrorKind::Overflow));
    }

    #[test]
    fn operations_apply_in_order() {
        let patch = Patch::new().append("l", 1).append("l", 2).prepend("l", 0).pop_front("l").pop_back("l");
        let (fields, effects) = applied(json!({}), &patch).unwrap();
        assert_eq!(fields, json!({ "l": [1] }));
        assert_eq!(effects[3..], [Effect::Popped(Some(json!(0))), Effect::Popped(Some(json!(2)))]);
    }

    #[test]
    fn missing_fields_stay_missing_where_nothing_is_added() {
        let patch = Patch::new().pop_front("l").pop_back("l").remove_value("l", 1).clear("l").unset("l");
        let (fields, effects) = applied(json!({}), &patch).unwrap();
        assert_eq!(fields, json!({}));
        assert_eq!(effects[..3], [Effect::Popped(None), Effect::Popped(None), Effect::Removed(0)]);
    }

    #[test]
    fn one_failure_undoes_all() {
        for patch in [
            Patch::new().set("a", 2).append("a", 1),
            Patch::new().set("a", 2).increment("t", 1),
            Patch::new().set("a", 2).clear("n"),
        ] {
            let error = applied(json!({ "a": 1, "t": "x", "n": null }), &patch).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WrongFieldType);
        }
    }

    #[test]
    fn integers_add_exactly_or_overflow() {
        let sum = |from: Json, by: i64| applied(json!({ "n": from }), &Patch::new().increment("n", by));
        assert_eq!(
            sum(json!(9_007_199_254_740_992_i64), 1).unwrap().0["n"],
            json!(9_007_199_254_740_993_i64)
        );
        assert_eq!(sum(json!(i64::MAX - 1), 1).unwrap().0["n"], json!(i64::MAX));
        assert_eq!(sum(json!(i64::MAX), 1).unwrap_err().kind(), ErrorKind::Overflow);
        assert_eq!(sum(json!(i64::MIN), -1).unwrap_err().kind(), ErrorKind::Overflow);
        assert_eq!(sum(json!(u64::MAX), -1).unwrap_err().kind(), ErrorKind::Overflow);
        assert_eq!(sum(json!(1_u64 << 63), -1).unwrap().0["n"], json!(i64::MAX));
    }

    #[test]
    fn fractions_add_as_floats_and_settle_as_integers() {
        let sum = |from: Json, by: f64| applied(json!({ "n": from }), &Patch::new().increment("n", by));
        assert_eq!(sum(json!(0.5), 0.5).unwrap().0["n"], json!(1));
        assert_eq!(sum(json!(0.1), 0.2).unwrap().0["n"], json!(0.1 + 0.2));
        assert_eq!(sum(json!(f64::MAX), f64::MAX).unwrap_err().kind(), ErrorKind::Overflow);
    }

    #[test]
    fn equal_elements_are_removed_and_counted() {
        let patch = Patch::new().remove_value("l", json!({ "b": 1.0, "a": [] }));
        let (fields, effects) =
            applied(json!({ "l": [{ "a": [], "b": 1 }, 2, { "b": 1, "a": [] }] }), &patch).unwrap();
        assert_eq!((fields, &effects[0]), (json!({ "l": [2] }), &Effect::Removed(2)));
    }
}
