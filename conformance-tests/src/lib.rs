//! The ttl-store contract as a library of named cases, and a program that runs them.
//!
//! A driver implements [`Harness`] and gets every case of the suite as a test of its own. Cases are chosen by what
//! a store declares, never by its name; what is skipped is printed with the capability that is missing.
//!
//! * [`Harness`] says how to make a fresh store, how time passes, and what can be done beneath it and between it and its
//!   server.
//! * [`conformance_tests!`] makes one `#[tokio::test]` for each case; [`run`] and [`run_all`] are for other runners.
//! * The program runs the suite on a store that is there: `cargo run -p ttl-conformance -- redis://localhost`. With
//!   [`program::main`] a driver has the same program for its own URLs.
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
//! On a server, where steps wait, more seeds reach further than more steps.
//!
//! # Verdicts
//!
//! * A call that answers a retryable error (`Timeout`, `Unavailable`, and `Contention` where tasks race) is made again,
//!   within a bound. The verdict tells how often; a case fails if more than one call in ten did.
//! * A case that fails after a write of its own answered `OutcomeUnknown` is run again on a fresh store, up to three
//!   times. The verdict tells how often.
//! * A call that does not return is named after 10 s, and fails its case after [`Harness::call_limit`]. A case fails
//!   after [`Harness::time_limit`].
//! * A case that a slow store, or a write of unknown fate, did not let judge is [`Verdict::Inconclusive`], which is not passed.
//!
//! # Outages
//!
//! With [`Harness::upstream`] and [`Harness::fresh_through`] the cases of the groups `outages` and `fates` put a
//! [`FaultProxy`] between the store and its server. It refuses and cuts connections, loses answers, and holds requests and
//! answers back. The cases compare what the store answered with what the server holds, which they read by the second
//! handle, then and for a while afterwards. A case whose fault met no request is inconclusive. A harness without a network
//! skips them.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `cli` (default) | what the program `ttl-conformance` needs |
//! | `memory` (default), `redis` (default) | the drivers that the program knows, see [`drivers`] |
//! | `servers` | servers for a driver's own tests: named by URL, or started in containers |

mod calls;
mod case;
mod cases;
mod check;
pub mod clauses;
pub mod drivers;
mod harness;
mod histories;
mod model;
#[cfg(feature = "cli")]
pub mod program;
mod proxy;
mod retrying;
mod runner;
mod state;

#[cfg(feature = "servers")]
pub mod servers;
pub mod test;
mod tests_macro;
mod timing;
mod watch;

pub use self::calls::Retried;
#[doc(hidden)]
pub use self::case::CaseFuture;
pub use self::case::{Case, Need};
pub use self::cases::all;
pub use self::check::{Check, Failure};
pub use self::harness::{Beneath, Fixture, Harness, Time};
pub use self::proxy::{Fault, FaultProxy};
pub use self::runner::{Ran, Verdict, run, run_all};
pub use self::state::State;
pub use self::test::Test;
#[doc(hidden)]
pub use self::tests_macro::check_case;
pub use self::timing::Span;
