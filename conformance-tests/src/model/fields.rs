//! The effect of a patch on a record in the model: one field operation after the other on a plain map.

use std::collections::BTreeMap;

use serde_json::{Number, Value as Json};
use ttl_core::driver::Change;
use ttl_core::{Effect, ErrorKind, Patch, Record};

/// The reason why a patch is not applied.
#[derive(Debug)]
pub(super) enum Unfit {
    /// The sum of an increment would be outside its bounds.
    Outside,
    Failed(ErrorKind),
}

impl From<ErrorKind> for Unfit {
    fn from(kind: ErrorKind) -> Self {
        Self::Failed(kind)
    }
}

/// Returns the record after the patch and one effect for each operation. If any operation fails, none is
/// applied.
pub(super) fn patched(before: &Record, patch: &Patch) -> Result<(Record, Vec<Effect>), Unfit> {
    let mut fields: BTreeMap<String, Json> =
        before.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let mut effects = Vec::new();
    for operation in patch.operations().map_err(|error| error.kind())? {
        effects.push(apply(&mut fields, &operation.field, &operation.change)?);
    }
    let after = Record::from_fields(fields).map_err(|error| error.kind())?;
    Ok((after, effects))
}

fn apply(fields: &mut BTreeMap<String, Json>, name: &str, change: &Change) -> Result<Effect, Unfit> {
    let old = fields.get(name).cloned();
    let starts_list = matches!(change, Change::Append(_) | Change::Prepend(_));
    let mut list = match (change, old.clone()) {
        (Change::Set(_) | Change::Unset | Change::Increment(_) | Change::IncrementWithin { .. }, _) => {
            Vec::new()
        }
        (_, Some(Json::Array(list))) => list,
        (_, Some(_)) => return Err(ErrorKind::WrongFieldType.into()),
        (_, None) if starts_list => Vec::new(),
        (Change::PopFront | Change::PopBack, None) => return Ok(Effect::Popped(None)),
        (Change::RemoveValue(_), None) => return Ok(Effect::Removed(0)),
        (_, None) => return Ok(Effect::Done),
    };
    let mut effect = Effect::Done;
    let new = match change {
        Change::Set(value) => Some(value.clone()),
        Change::Unset => None,
        Change::Increment(by) => Some(Json::Number(sum(old.as_ref(), by)?)),
        Change::IncrementWithin { by, bounds } => {
            let sum = sum(old.as_ref(), by)?;
            let float = sum.as_f64().unwrap_or(f64::NAN);
            let low = bounds
                .min()
                .is_some_and(|min| sum.as_i128().map_or(float < min as f64, |sum| sum < min.into()));
            let high = bounds
                .max()
                .is_some_and(|max| sum.as_i128().map_or(float > max as f64, |sum| sum > max.into()));
            if low || high {
                return Err(Unfit::Outside);
            }
            Some(Json::Number(sum))
        }
        other => {
            match other {
                Change::Append(element) => list.push(element.clone()),
                Change::Prepend(element) => list.insert(0, element.clone()),
                Change::PopFront if list.is_empty() => effect = Effect::Popped(None),
                Change::PopFront => effect = Effect::Popped(Some(list.remove(0))),
                Change::PopBack => effect = Effect::Popped(list.pop()),
                Change::RemoveValue(element) => {
                    let before = list.len();
                    list.retain(|item| item != element);
                    effect = Effect::Removed(before - list.len());
                }
                _ => list.clear(),
            }
            Some(Json::Array(list))
        }
    };
    match new {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
    Ok(effect)
}

fn sum(old: Option<&Json>, by: &Number) -> Result<Number, ErrorKind> {
    let old = match old {
        None => Number::from(0),
        Some(Json::Number(number)) => number.clone(),
        Some(_) => return Err(ErrorKind::WrongFieldType),
    };
    if let (Some(old), Some(by)) = (old.as_i128(), by.as_i64()) {
        return i64::try_from(old + i128::from(by)).map(Number::from).map_err(|_| ErrorKind::Overflow);
    }
    let float = old.as_f64().unwrap_or(f64::NAN) + by.as_f64().unwrap_or(f64::NAN);
    // The normal form of ttl-core, which refuses numbers that are not finite.
    match Record::new().try_with("sum", float).ok().and_then(|record| record.get("sum").cloned()) {
        Some(Json::Number(sum)) => Ok(sum),
        _ => Err(ErrorKind::Overflow),
    }
}
