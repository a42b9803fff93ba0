//! The cases, one file a subject.

mod basics;
mod corruption;
mod keys;
mod kinds;
mod records;
mod refresh;
mod refresh_matrix;
mod refresh_slack;
mod sizes;
mod support;
mod values;

use crate::Case;

/// Every case of the suite, in the order of its files.
#[must_use]
pub fn all() -> Vec<Case> {
    [
        basics::CASES,
        keys::CASES,
        values::CASES,
        records::CASES,
        kinds::CASES,
        sizes::CASES,
        corruption::CASES,
        refresh_matrix::CASES,
        refresh::CASES,
        refresh_slack::CASES,
        crate::model::CASES,
    ]
    .concat()
}
