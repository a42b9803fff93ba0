//! The layer `Observe`.

mod call;
mod config;
mod names;
mod store;
mod tally;

pub use self::config::{KeysInSpans, MeasuredValues, Observe};
