//! The cases, one file for each subject.

mod basics;
mod batch;
mod caps;
mod changes;
mod churn;
mod concurrency;
mod conditions;
mod corruption;
mod created;
mod deadlines;
mod declared;
mod deletes;
mod elapsed;
mod exact;
mod expiry;
mod extend;
mod far;
mod fates;
mod gaps;
mod ghosts;
mod guards;
mod honesty;
mod keys;
mod kinds;
mod limits;
mod no_storage;
mod outages;
mod pairs;
mod patch_bounds;
mod patch_create;
mod patch_fields;
mod patch_lists;
mod patch_numbers;
mod patch_texts;
mod previous;
mod races;
mod records;
mod refresh;
mod refresh_matrix;
mod refresh_nothing;
mod refresh_slack;
mod reported_caps;
mod reports;
mod scan;
mod scenarios;
mod sizes;
mod support;
mod together;
mod trial;
mod under_faults;
mod values;
mod versions;

use crate::Case;

/// Returns every case of the suite, in the order of the files.
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
        expiry::CASES,
        deadlines::CASES,
        exact::CASES,
        far::CASES,
        elapsed::CASES,
        ghosts::CASES,
        caps::CASES,
        extend::CASES,
        guards::CASES,
        conditions::CASES,
        versions::CASES,
        no_storage::CASES,
        previous::CASES,
        created::CASES,
        deletes::CASES,
        honesty::CASES,
        refresh_matrix::CASES,
        refresh::CASES,
        refresh_slack::CASES,
        patch_lists::CASES,
        patch_texts::CASES,
        patch_numbers::CASES,
        patch_bounds::CASES,
        patch_fields::CASES,
        patch_create::CASES,
        refresh_nothing::CASES,
        reported_caps::CASES,
        batch::CASES,
        scan::CASES,
        limits::CASES,
        scenarios::CASES,
        declared::CASES,
        concurrency::CASES,
        races::CASES,
        pairs::CASES,
        churn::CASES,
        changes::CASES,
        gaps::CASES,
        outages::CASES,
        fates::CASES,
        crate::model::CASES,
        crate::histories::CASES,
    ]
    .concat()
}
