//! The cases, one file a subject.

mod basics;
mod refresh;
mod refresh_matrix;
mod refresh_slack;
mod support;

use crate::Case;

/// Every case of the suite, in the order of its files.
#[must_use]
pub fn all() -> Vec<Case> {
    [basics::CASES, refresh_matrix::CASES, refresh::CASES, refresh_slack::CASES].concat()
}
