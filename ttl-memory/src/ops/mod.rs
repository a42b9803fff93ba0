//! The operations, one file each.

mod delete;
mod expire;
mod get;
mod patch;
mod put;
mod scan;
mod write;
