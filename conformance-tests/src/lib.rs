//! The ttl-store contract as a library of named cases, and a program that runs them.
//!
//! A driver implements [`Harness`] and gets every case of the suite as a test of its own. Cases are chosen by what
//! a store declares, never by its name; what is skipped is printed with the capability that is missing.
//!
//! * [`Harness`] says how to make a fresh store, how time passes and what can be done beneath it.
//! * [`conformance_tests!`] makes one `#[tokio::test]` for each case; [`run`] and [`run_all`] are for other runners.
//! * The program runs the suite on a store that is there: `cargo run -p ttl-conformance -- redis://localhost`.
//!
//! # Random cases
//!
//! The cases of the groups `model` (random sequences against a reference model) and `histories` (concurrent calls,
//! checked for linearizability) choose alike in every run. Two variables change that:
//!
//! | variable | what it sets | default |
//! |---|---|---|
//! | `TTL_CONFORMANCE_SEED` | what random choices are made from, a number | 1 |
//! | `TTL_CONFORMANCE_STEPS` | about how many steps each case of `model` takes | 4,000 on a manual clock, else 1,600 |
//!
//! A case that takes longer than five minutes fails: on a server, where steps wait, more seeds reach further than more
//! steps.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `cli` (default) | what the program `ttl-conformance` needs |
//! | `memory` (default), `redis` (default) | the drivers that the program knows, see [`drivers`] |
//! | `servers` | servers for a driver's own tests: named by URL, or started in containers |

mod case;
mod cases;
mod check;
pub mod clauses;
pub mod drivers;
mod harness;
mod histories;
mod model;
mod runner;
mod state;

#[cfg(feature = "servers")]
pub mod servers;
pub mod test;
mod tests_macro;
mod timing;

#[doc(hidden)]
pub use self::case::CaseFuture;
pub use self::case::{Case, Need};
pub use self::cases::all;
pub use self::check::{Check, Failure};
pub use self::harness::{Beneath, Fixture, Harness, Time};
pub use self::runner::{Ran, Verdict, run, run_all};
pub use self::state::State;
pub use self::test::Test;
#[doc(hidden)]
pub use self::tests_macro::check_case;
pub use self::timing::Span;
