//! The cache over memory: requests, lifetimes, near copies, outages, batches.

mod batches;
mod corners;
mod follow;
mod near;
mod outages;
mod requests;
mod settings;
mod support;
mod this_process;
mod torn;
mod values;
