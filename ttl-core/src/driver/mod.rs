//! What the authors of drivers need, and programs do not.

mod query;

pub use self::query::{QueryOptions, percent_decode};
