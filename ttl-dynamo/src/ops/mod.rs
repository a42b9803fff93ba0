//! The operations.

mod batch;
mod delete;
mod expire;
mod get;
mod patch;
mod patch_request;
mod put;
mod put_request;
mod result;
mod scan;
