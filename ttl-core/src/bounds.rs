//! `Bounds`: the limits of the sum of an increment.

use std::ops::{RangeFrom, RangeInclusive, RangeToInclusive};

use serde_json::Number;

use crate::{Error, ErrorKind, Result};

/// The inclusive limits of the sum of an increment, in whole numbers. Either limit can be absent.
///
/// Created from a range of `i64`: `0..=100`, `..=100` or `0..`. A bound is at most [`Bounds::LARGEST`] away
/// from zero. Every backend can then compare sums with it exactly, whether it counts in integers, in `f64` or
/// in decimals.
///
/// ```
/// use ttl_core::{Bounds, Patch};
///
/// assert_eq!(Bounds::from(..=100).max(), Some(100));
/// assert!(Patch::new().increment_within("stock", -1, 0..).operations().is_ok());
/// assert!(Patch::new().increment_within("stock", -1, ..=i64::MAX).operations().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    min: Option<i64>,
    max: Option<i64>,
}

impl Bounds {
    /// The largest distance of a bound from zero: 2^53 - 1, the last whole number that is not the `f64`
    /// rounding of another one.
    pub const LARGEST: i64 = (1 << 53) - 1;

    /// Returns the smallest allowed sum, if there is a lower bound.
    #[must_use]
    pub const fn min(self) -> Option<i64> {
        self.min
    }

    /// Returns the largest allowed sum, if there is an upper bound.
    #[must_use]
    pub const fn max(self) -> Option<i64> {
        self.max
    }

    /// Returns whether the number is within the bounds.
    #[must_use]
    pub fn contain(self, number: &Number) -> bool {
        match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => {
                self.min.is_none_or(|min| min <= integer) && self.max.is_none_or(|max| integer <= max)
            }
            // A bound is an `f64` too.
            (None, Some(float)) => {
                self.min.is_none_or(|min| min as f64 <= float)
                    && self.max.is_none_or(|max| float <= max as f64)
            }
            (None, None) => false,
        }
    }

    /// Checks that some number satisfies the bounds, and that every backend can compare with them exactly.
    pub(crate) fn check(self) -> Result<Self> {
        let near = |bound: Option<i64>| {
            bound.is_none_or(|bound| bound.unsigned_abs() <= Self::LARGEST.unsigned_abs())
        };
        let ordered = self.min.zip(self.max).is_none_or(|(min, max)| min <= max);
        if near(self.min) && near(self.max) && ordered {
            return Ok(self);
        }
        Err(Error::new(
            ErrorKind::InvalidField,
            "invalid bounds of an increment: expected whole numbers within 2^53 - 1 of zero, the lower one not above \
             the upper; omit a bound that does not apply (`..=5`, `0..`)",
        ))
    }
}

impl From<RangeInclusive<i64>> for Bounds {
    fn from(range: RangeInclusive<i64>) -> Self {
        let (min, max) = range.into_inner();
        Self { min: Some(min), max: Some(max) }
    }
}

impl From<RangeToInclusive<i64>> for Bounds {
    fn from(range: RangeToInclusive<i64>) -> Self {
        Self { min: None, max: Some(range.end) }
    }
}

impl From<RangeFrom<i64>> for Bounds {
    fn from(range: RangeFrom<i64>) -> Self {
        Self { min: Some(range.start), max: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contain(bounds: impl Into<Bounds>, number: f64) -> bool {
        bounds.into().contain(&Number::from_f64(number).unwrap())
    }

    #[test]
    fn bounds_are_inclusive_and_can_be_missing() {
        for (number, inside) in [(-1, false), (0, true), (5, true), (6, false), (i64::MAX, false)] {
            assert_eq!(Bounds::from(0..=5).contain(&number.into()), inside, "{number}");
        }
        assert!(Bounds::from(..=5).contain(&i64::MIN.into()) && Bounds::from(0..).contain(&i64::MAX.into()));
        assert!(contain(0..=5, 4.5) && contain(0..=5, 5.0) && contain(0.., 1e300) && contain(..=5, -1e300));
        assert!(!contain(0..=5, 5.000_000_001) && !contain(0..=5, -5e-324));
        assert!(!Bounds::from(..=Bounds::LARGEST).contain(&(Bounds::LARGEST + 1).into()));
        assert!(
            !Bounds::from(0..=5).contain(&u64::MAX.into()) && Bounds::from(0..).contain(&u64::MAX.into())
        );
    }

    #[test]
    fn what_no_sum_can_be_compared_with_is_refused() {
        let (most, beyond) = (Bounds::LARGEST, Bounds::LARGEST + 1);
        for right in [(-most..=most).into(), Bounds::from(3..=3), (most..).into(), (..=-most).into()] {
            assert!(right.check().is_ok_and(|checked| checked == right), "{right:?}");
        }
        let reversed = RangeInclusive::new(4, 3).into();
        for wrong in
            [reversed, (..=beyond).into(), (-beyond..).into(), (0..=i64::MAX).into(), (i64::MIN..).into()]
        {
            let error = Bounds::check(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidField, "{wrong:?}");
        }
    }
}
