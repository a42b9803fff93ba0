//! Items for the authors of drivers, which applications do not need.

mod query;

pub use self::query::{QueryOptions, percent_decode};
