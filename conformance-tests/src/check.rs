//! How a case says what it expected and what it saw.

use std::fmt;

use crate::Need;

/// What a case answers.
pub type Check<T = ()> = Result<T, Failure>;

/// Why a case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What the contract demands.
    pub expected: String,
    /// What the store did.
    pub seen: String,
    missing: Option<Need>,
    inconclusive: bool,
}

impl Failure {
    /// No failure, but something that the harness turned out not to offer: a case that names it in its needs is
    /// skipped.
    #[must_use]
    pub fn missing(need: Need) -> Self {
        Self { missing: Some(need), ..Self::new(format!("{need}"), "none") }
    }

    /// Returns no failure, but that the case could not be judged, and why.
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

    /// A failure.
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
