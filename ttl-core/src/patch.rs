//! `Patch`: an ordered list of field operations, built without `?` and checked as a whole.

use std::fmt;

use serde::Serialize;
use serde_json::{Number, Value as Json};

use crate::field_name::check_field_name;
use crate::finite::MAX_DEPTH;
use crate::json::{number_from_f64, to_json};
use crate::options::Fields;
use crate::{Actions, Bounds, Error, ErrorKind, Result};

/// One change of one field.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FieldOperation {
    /// The validated name of the field.
    pub field: Box<str>,
    /// The change of the field.
    pub change: Change,
}

/// The change of a field. Values are in normal form. `Debug` does not print them, because they may be secret
/// or long.
#[derive(Clone, PartialEq)]
pub enum Change {
    /// Sets the field, whatever its present value. UPDATE.
    Set(Json),
    /// Adds an element at the end of the list; a missing field starts as an empty list. APPEND.
    Append(Json),
    /// Adds an element at the start of the list; a missing field starts as an empty list. APPEND.
    Prepend(Json),
    /// Removes and returns the first element of the list. ERASE.
    PopFront,
    /// Removes and returns the last element of the list. ERASE.
    PopBack,
    /// Removes every element of the list that equals this value. ERASE.
    RemoveValue(Json),
    /// Empties the list; a missing field stays missing. ERASE.
    Clear,
    /// Removes the field, whatever its present value. ERASE.
    Unset,
    /// Adds to the number; a missing field starts as 0. Integers of `i64` add exactly, all other numbers as
    /// `f64`. ARITHMETIC.
    Increment(Number),
    /// Adds as `Increment` does, if the sum is within the bounds. Otherwise the whole patch is refused (P7).
    /// ARITHMETIC.
    IncrementWithin {
        /// The amount to add.
        by: Number,
        /// The validated bounds of the sum.
        bounds: Bounds,
    },
}

impl Change {
    /// Returns the action of this change.
    #[must_use]
    pub const fn action(&self) -> Actions {
        match self {
            Self::Set(_) => Actions::UPDATE,
            Self::Append(_) | Self::Prepend(_) => Actions::APPEND,
            Self::PopFront | Self::PopBack | Self::RemoveValue(_) | Self::Clear | Self::Unset => {
                Actions::ERASE
            }
            Self::Increment(_) | Self::IncrementWithin { .. } => Actions::ARITHMETIC,
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set(_) => "Set(..)",
            Self::Append(_) => "Append(..)",
            Self::Prepend(_) => "Prepend(..)",
            Self::PopFront => "PopFront",
            Self::PopBack => "PopBack",
            Self::RemoveValue(_) => "RemoveValue(..)",
            Self::Clear => "Clear",
            Self::Unset => "Unset",
            Self::Increment(_) => "Increment(..)",
            Self::IncrementWithin { .. } => "IncrementWithin(..)",
        })
    }
}

/// An amount to add to a number: an `i64`, or an `f64`.
///
/// An integral `f64` within `i64` is treated as that integer, so it adds exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Adds exactly; a sum of integers outside `i64` is [`ErrorKind::Overflow`].
    Integer(i64),
    /// Adds as `f64`; NaN and infinity are [`ErrorKind::InvalidField`].
    Fraction(f64),
}

macro_rules! amounts {
    ($($from:ty => $variant:ident)*) => { $(
        impl From<$from> for Amount {
            fn from(amount: $from) -> Self {
                Self::$variant(amount.into())
            }
        }
    )* };
}

impl Amount {
    fn number(self) -> Result<Number> {
        let number = match self {
            Self::Integer(by) => Some(Number::from(by)),
            // An integral amount beyond i64 is treated as a fraction: it adds as f64.
            Self::Fraction(by) => number_from_f64(by),
        };
        number.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidField,
                "invalid increment: expected a finite number, found NaN or infinity",
            )
        })
    }
}

amounts! {
    i8 => Integer i16 => Integer i32 => Integer i64 => Integer u8 => Integer u16 => Integer u32 => Integer
    f32 => Fraction f64 => Fraction
}

/// Ordered changes of a record's fields, applied all or none (P1). At most [`Patch::MAX_OPERATIONS`].
///
/// Invalid input (a reserved name, a value that cannot be JSON) does not interrupt the chain. The error is
/// kept and returned when the patch is used, before any I/O.
///
/// | operation | missing field | other type | action |
/// |---|---|---|---|
/// | [`set`](Patch::set) | sets it | sets it | UPDATE |
/// | [`append`](Patch::append), [`prepend`](Patch::prepend) | starts as empty list | `WrongFieldType` | APPEND |
/// | [`pop_front`](Patch::pop_front), [`pop_back`](Patch::pop_back), [`remove_value`](Patch::remove_value), [`clear`](Patch::clear) | nothing | `WrongFieldType` | ERASE |
/// | [`unset`](Patch::unset) | nothing | removes it | ERASE |
/// | [`increment`](Patch::increment), [`increment_within`](Patch::increment_within) | starts as 0 | `WrongFieldType` | ARITHMETIC |
///
/// A field that holds `null` is not missing.
///
/// ```
/// use ttl_core::{Actions, Patch};
///
/// let patch = Patch::new().set("page", "/cart").append("items", "book").increment("hits", 1);
/// assert_eq!(patch.actions(), Actions::UPDATE | Actions::APPEND | Actions::ARITHMETIC);
/// assert_eq!(patch.operations()?.len(), 3);
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a patch does nothing until a store applies it"]
pub struct Patch {
    operations: Vec<FieldOperation>,
    error: Option<Error>,
}

impl Patch {
    /// The maximum number of operations of one patch.
    pub const MAX_OPERATIONS: usize = 1000;

    /// Creates a patch without operations. Applied, it changes nothing and reports whether there is a live
    /// record.
    pub const fn new() -> Self {
        Self { operations: Vec::new(), error: None }
    }

    /// Sets a field to the value.
    pub fn set(self, field: impl Into<Box<str>>, value: impl Serialize) -> Self {
        self.push_value(field.into(), &value, MAX_DEPTH, Change::Set)
    }

    /// Adds an element at the end of a list.
    pub fn append(self, field: impl Into<Box<str>>, element: impl Serialize) -> Self {
        self.push_value(field.into(), &element, MAX_DEPTH - 1, Change::Append)
    }

    /// Adds an element at the start of a list.
    pub fn prepend(self, field: impl Into<Box<str>>, element: impl Serialize) -> Self {
        self.push_value(field.into(), &element, MAX_DEPTH - 1, Change::Prepend)
    }

    /// Removes the first element of a list and returns it in the outcome.
    pub fn pop_front(self, field: impl Into<Box<str>>) -> Self {
        self.push(field.into(), Ok(Change::PopFront))
    }

    /// Removes the last element of a list and returns it in the outcome.
    pub fn pop_back(self, field: impl Into<Box<str>>) -> Self {
        self.push(field.into(), Ok(Change::PopBack))
    }

    /// Removes every element of a list that equals `element`. The outcome reports their number.
    pub fn remove_value(self, field: impl Into<Box<str>>, element: impl Serialize) -> Self {
        self.push_value(field.into(), &element, MAX_DEPTH - 1, Change::RemoveValue)
    }

    /// Empties a list.
    pub fn clear(self, field: impl Into<Box<str>>) -> Self {
        self.push(field.into(), Ok(Change::Clear))
    }

    /// Removes a field.
    pub fn unset(self, field: impl Into<Box<str>>) -> Self {
        self.push(field.into(), Ok(Change::Unset))
    }

    /// Adds to a number; a negative amount subtracts.
    pub fn increment(self, field: impl Into<Box<str>>, by: impl Into<Amount>) -> Self {
        let change = by.into().number().map(Change::Increment);
        self.push(field.into(), change)
    }

    /// Adds to a number if the sum stays within the inclusive bounds, such as `0..=100`, `..=100` or `0..`.
    ///
    /// If the sum is outside the bounds, the whole patch is refused (P7). Nothing changes and no deadline
    /// moves. The outcome is [`Outcome::Refused`](crate::Outcome::Refused) with the present values of the
    /// fields that the patch names.
    ///
    /// ```
    /// use ttl_core::Patch;
    ///
    /// // At most five attempts, and one item from the remaining stock.
    /// let _ = Patch::new().increment_within("attempts", 1, ..=5);
    /// let _ = Patch::new().increment_within("stock", -1, 0..).append("buyers", "ada");
    /// ```
    pub fn increment_within(
        self,
        field: impl Into<Box<str>>,
        by: impl Into<Amount>,
        bounds: impl Into<Bounds>,
    ) -> Self {
        let change = by.into().number().and_then(|by| {
            let bounds = bounds.into().check()?;
            Ok(Change::IncrementWithin { by, bounds })
        });
        self.push(field.into(), change)
    }

    fn push_value(
        self,
        field: Box<str>,
        value: &impl Serialize,
        depth: usize,
        change: impl FnOnce(Json) -> Change,
    ) -> Self {
        let change = to_json(&field, value, depth).map(change);
        self.push(field, change)
    }

    fn push(mut self, field: Box<str>, change: Result<Change>) -> Self {
        if self.error.is_some() {
            return self;
        }
        match check_field_name(&field).and(change) {
            Ok(_) if self.operations.len() == Self::MAX_OPERATIONS => {
                self.error = Some(Error::new(
                    ErrorKind::TooLarge,
                    format!(
                        "too many operations in a patch: expected at most {}; split the patch",
                        Self::MAX_OPERATIONS
                    ),
                ));
            }
            Ok(change) => self.operations.push(FieldOperation { field, change }),
            Err(error) => self.error = Some(error),
        }
        self
    }

    /// Returns the operations, in order.
    ///
    /// # Errors
    /// The first error from building the patch: [`ErrorKind::InvalidField`] or [`ErrorKind::TooLarge`].
    pub fn operations(&self) -> Result<&[FieldOperation]> {
        match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(&self.operations),
        }
    }

    /// Returns the actions of the operations.
    #[must_use]
    pub fn actions(&self) -> Actions {
        self.operations.iter().fold(Actions::empty(), |all, operation| all | operation.change.action())
    }

    /// Returns whether an operation has bounds, so that the patch can be refused depending on the value of a
    /// field (P7).
    #[must_use]
    pub fn has_bounds(&self) -> bool {
        let bounded = |operation: &FieldOperation| matches!(operation.change, Change::IncrementWithin { .. });
        self.operations.iter().any(bounded)
    }

    /// Returns the names of the fields, each once, in the order of first appearance.
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        let mut seen = std::collections::HashSet::new();
        self.operations
            .iter()
            .map(|operation| &*operation.field)
            .filter(|field| seen.insert(*field))
            .collect()
    }

    /// Returns the names of the fields as a selection to read.
    ///
    /// # Errors
    /// Those of [`Patch::operations`].
    pub fn to_fields(&self) -> Result<Fields> {
        self.operations()?;
        Fields::new(self.fields())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(patch: &Patch) -> ErrorKind {
        patch.operations().unwrap_err().kind()
    }

    #[test]
    fn the_first_error_is_kept() {
        let patch = Patch::new().set("a", 1).set("ttl:x", 1).increment("b", f64::NAN);
        assert_eq!(kind(&patch), ErrorKind::InvalidField);
        assert!(patch.operations().unwrap_err().to_string().contains("ttl:x"));
        assert_eq!(kind(&Patch::new().increment("b", f64::INFINITY)), ErrorKind::InvalidField);
        assert_eq!(kind(&Patch::new().pop_back("")), ErrorKind::InvalidField);
        assert_eq!(kind(&Patch::new().increment_within("b", f64::NAN, ..=1)), ErrorKind::InvalidField);
        let beyond = Patch::new().increment_within("b", 1, ..=i64::MAX).increment("b", 1);
        assert_eq!(kind(&beyond), ErrorKind::InvalidField);
    }

    #[test]
    fn debug_prints_names_and_no_values() {
        let patch = Patch::new().set("page", "s3cret").append("l", "s3cret").increment("n", 73_519);
        let patch = patch.increment_within("n", 73_519, ..=735_190);
        assert!(patch.has_bounds());
        let text = format!("{patch:?}");
        assert!(text.contains("page") && text.contains("Append(..)"), "{text}");
        assert!(!text.contains("s3cret") && !text.contains("73519"), "{text}");
    }

    #[test]
    fn a_thousand_operations_fit() {
        let full = (0..1000).fold(Patch::new(), |patch, n| patch.set(format!("f{n}"), n));
        assert_eq!(full.operations().unwrap().len(), 1000);
        assert_eq!(kind(&full.unset("one")), ErrorKind::TooLarge);
    }

    #[test]
    fn elements_leave_room_for_their_list() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(Patch::new().set("f", nested(30)).append("f", nested(29)).operations().is_ok());
        assert_eq!(kind(&Patch::new().append("f", nested(30))), ErrorKind::InvalidField);
    }

    #[test]
    fn integral_amounts_are_integers() {
        let amount = |patch: &Patch| match &patch.operations().unwrap()[0].change {
            Change::Increment(by) => by.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(amount(&Patch::new().increment("f", 2.0)), Number::from(2));
        assert_eq!(amount(&Patch::new().increment("f", 0.5)), Number::from_f64(0.5).unwrap());
    }
}
