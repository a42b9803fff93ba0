//! The operations: requests of one key, batches and scans, as functions over the foundation.

pub(crate) mod batch;
pub(crate) mod changes;
pub(crate) mod delete;
pub(crate) mod expire;
pub(crate) mod get;
pub(crate) mod patch;
mod patch_plan;
pub(crate) mod put;
pub(crate) mod scan;
mod scan_position;
