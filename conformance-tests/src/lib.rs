//! The ttl-store contract as a library of named test cases, and a program that runs them.
//!
//! A driver implements [`Harness`] and gets every case of the suite as a separate test. The suite selects
//! cases by the declared capabilities of a store, never by its name. It prints each skipped case with the
//! missing capability.
//!
//! * [`Harness`] creates fresh stores, defines how time passes, and gives access to the backend and to the
//!   connection between a store and its server.
//! * [`trials`] creates one test for each case, and [`run_trials`] is the `main` of a test target that runs
//!   them. [`run`] and [`run_all`] are for other runners.
//! * The program runs the suite on an existing store: `cargo run -p ttl-conformance -- redis://localhost`.
//!   With [`program::main`] a driver provides the same program for its own URLs.
//!
//! # Random cases
//!
//! The cases of the groups `model` (random sequences against a reference model) and `histories` (concurrent
//! calls, checked for linearizability) make the same choices in every run. Two environment variables change
//! that:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `TTL_CONFORMANCE_SEED` | the seed of the random choices, a number | 1 |
//! | `TTL_CONFORMANCE_STEPS` | the approximate number of steps of each case of `model` | 4,000 on a manual clock, else 1,600 |
//!
//! On a server, where steps wait, more seeds find more than more steps.
//!
//! # Verdicts
//!
//! * The suite repeats a call that returns a retryable error (`Timeout`, `Unavailable`, and `Contention`
//!   where tasks race), within a limit. The verdict reports how often. A case fails if more than one call in
//!   ten did.
//! * A case that fails after one of its writes returned `OutcomeUnknown` is run again on a fresh store, up to
//!   three times. The verdict reports how often.
//! * A call that does not return is reported after 10 s, and fails its case after [`Harness::call_limit`]. A
//!   case fails after [`Harness::time_limit`].
//! * A case that cannot be judged because of a slow store or an unknown outcome of a write is
//!   [`Verdict::Inconclusive`], which does not count as passed.
//!
//! # Outages
//!
//! With [`Harness::upstream`] and [`Harness::fresh_through`], the cases of the groups `outages` and `fates`
//! place a [`FaultProxy`] between the store and its server. The proxy refuses and cuts connections, drops
//! answers, and delays requests and answers. The cases compare the results of the store with the entries on
//! the server. They read these through the second handle, at once and for a while afterwards. A case whose
//! fault affected no request is inconclusive. A harness without a network skips these cases.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `cli` (default) | the dependencies of the program `ttl-conformance` |
//! | `memory`, `redis`, `dynamodb`, `scylla` (all default) | the drivers that the program supports, see [`drivers`] |
//! | `servers` | servers for a driver's own tests: given by URL, or started in containers |
//! | `programs` | internal: tests of this workspace |

mod calls;
mod case;
mod cases;
mod check;
pub mod clauses;
pub mod drivers;
mod harness;
mod histories;
mod model;
mod need;
pub mod operations;
#[cfg(feature = "cli")]
pub mod program;
mod proxy;
mod retrying;
mod runner;
#[cfg(feature = "servers")]
pub mod servers;
mod state;
pub mod test;
mod timing;
mod trials;
mod watch;

pub use self::calls::Retried;
pub use self::case::Case;
pub(crate) use self::case::case_table;
pub use self::cases::all;
pub use self::check::{Check, Failure};
pub use self::harness::{Beneath, Fixture, Harness, Time};
pub use self::need::Need;
pub use self::proxy::{Fault, FaultProxy};
pub use self::runner::{Ran, Verdict, run, run_all};
pub use self::state::State;
pub use self::test::Test;
pub use self::timing::Span;
pub use self::trials::{run_trials, trials};
#[doc(no_inline)]
pub use libtest_mimic::Trial;
