//! The result of a case: the expected and the actual behaviour.

use std::fmt;

use crate::Need;

/// The result of a case or of one of its checks.
pub type Check<T = ()> = Result<T, Failure>;

/// Why a case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The behaviour that the contract requires.
    pub expected: String,
    /// The actual behaviour of the store.
    pub seen: String,
    missing: Option<Need>,
    inconclusive: bool,
}

impl Failure {
    /// Returns a value that reports a missing capability of the harness. A case that lists it in its needs is
    /// skipped, not failed.
    #[must_use]
    pub fn missing(need: Need) -> Self {
        Self { missing: Some(need), ..Self::new(format!("{need}"), "none") }
    }

    /// Returns a value that reports that the case could not be judged, with the reason.
    #[must_use]
    pub fn inconclusive(why: impl Into<String>) -> Self {
        Self { inconclusive: true, ..Self::new("a verdict", why) }
    }

    pub(crate) fn is_inconclusive(&self) -> bool {
        self.inconclusive
    }

    pub(crate) fn is_missing(&self, need: Need) -> bool {
        self.missing == Some(need)
    }

    /// Creates a failure from the expected and the actual behaviour.
    #[must_use]
    pub fn new(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { expected: expected.into(), seen: seen.into(), missing: None, inconclusive: false }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, seen {}", self.expected, self.seen)
    }
}

impl std::error::Error for Failure {}

impl From<ttl_core::Error> for Failure {
    fn from(error: ttl_core::Error) -> Self {
        Self::new("no error", format!("{error:?}"))
    }
}

/// Fails unless the condition holds: `ensure!(condition, "what was expected", "what was seen {x:?}")`.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $expected:expr, $($seen:tt)+) => {
        if !$condition {
            return Err($crate::Failure::new($expected, format!($($seen)+)));
        }
    };
}

/// Fails unless both are equal: `ensure_eq!(seen, expected, "what this is about")`.
#[macro_export]
macro_rules! ensure_eq {
    ($seen:expr, $expected:expr, $($about:tt)+) => {
        match (&$seen, &$expected) {
            (seen, expected) => {
                if *seen != *expected {
                    return Err($crate::Failure::new(
                        format!("{}: {expected:?}", format!($($about)+)),
                        format!("{seen:?}"),
                    ));
                }
            }
        }
    };
}

/// Fails unless the result is an error of this kind: `ensure_kind!(result, WrongKind, "what this is about")`.
#[macro_export]
macro_rules! ensure_kind {
    ($result:expr, $kind:ident, $($about:tt)+) => {
        match $result {
            Err(error) if error.kind() == ::ttl_core::ErrorKind::$kind => {}
            other => {
                return Err($crate::Failure::new(
                    format!("{}: the error {}", format!($($about)+), stringify!($kind)),
                    format!("{other:?}"),
                ));
            }
        }
    };
}
