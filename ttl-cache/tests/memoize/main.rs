//! The attribute `memoize`.

mod forms;
mod results;
mod world;
