//! Random sequences of operations, compared step by step with a plain reference model.
//!
//! The sequences are the same in every run. `TTL_CONFORMANCE_SEED` (a number, 1 by default) selects others,
//! and `TTL_CONFORMANCE_STEPS` sets the approximate number of steps of each case, for longer runs. A failure
//! shows the seed and the shortest failing sequence that was found.

mod fields;
mod reference;
mod run;
mod seen;
mod steps;
mod translate;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tokio::runtime::Handle;

use self::run::{Run, Stop};
use self::steps::{Pace, Step};
use crate::{Check, Failure, Test, case_table};

/// The variable with the seed.
const SEED: &str = "TTL_CONFORMANCE_SEED";

/// The variable with the number of steps of a case.
const STEPS: &str = "TTL_CONFORMANCE_STEPS";

/// The maximum number of attempts at a sequence that a slow store prevents from being judged.
const ATTEMPTS: u32 = 5;

/// The maximum length of a sequence.
const LENGTH: usize = 30;

case_table! {
    /// E1, E3, E5, E6, E8, E9, R2, R3, R4, R5, X1, X2, X4, X7, P1, P2, P3, C3, V3, B1, S1: A store
    /// returns the results of the reference model for every random sequence of operations.
    random_sequences_agree_with_the_model: needs(exact_deadlines),
    /// E3, E9, R3, X4, P2, S1: Random sequences that start with ghosts have the results of sequences that
    /// start empty.
    random_sequences_over_ghosts_agree_with_the_model: needs(exact_deadlines),
}

async fn random_sequences_agree_with_the_model(t: Test) -> Check {
    agree(t, "model", Start::Empty).await
}

async fn random_sequences_over_ghosts_agree_with_the_model(t: Test) -> Check {
    agree(t, "ghosts", Start::Ghosts).await
}

/// The state of the keys when a sequence starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Empty,
    Ghosts,
}

async fn agree(test: Test, name: &'static str, start: Start) -> Check {
    let seed = seed()?;
    // In real time, most of the time is spent waiting, so several searches run concurrently.
    let (lanes, steps) = if test.is_manual() { (1, 4_000) } else { (4, 1_600) };
    let steps = variable(STEPS)?.unwrap_or(steps) / lanes;
    let test = Arc::new(test);
    let searches: Vec<_> = (0..lanes)
        .map(|lane| {
            let (runtime, test) = (Handle::current(), Arc::clone(&test));
            let name = format!("{name}{lane}-");
            // Proptest is synchronous, so each search has its own thread.
            tokio::task::spawn_blocking(move || {
                search(&runtime, &test, &name, start, seed.wrapping_add(lane), steps)
            })
        })
        .collect();
    let mut judged = Judged::default();
    for searched in searches {
        let of_one = searched.await.map_err(|error| Failure::new("no panic", error.to_string()))??;
        judged.sequences += of_one.sequences;
        judged.too_slow += of_one.too_slow;
    }
    judged.check()
}

/// The number of sequences of a search, and of those that could not be judged because the store was slow.
#[derive(Clone, Copy, Debug, Default)]
struct Judged {
    sequences: u32,
    too_slow: u32,
}

impl Judged {
    /// Checks that at least half of the sequences could be judged.
    fn check(self) -> Check {
        if self.too_slow * 2 <= self.sequences {
            return Ok(());
        }
        Err(Failure::inconclusive(format!(
            "{} of {} sequences had a call of more than {:?} in each of {ATTEMPTS} attempts, so it is unknown \
             before which deadlines it was decided",
            self.too_slow,
            self.sequences,
            run::SLOW,
        )))
    }
}

/// Searches for a failing sequence, and for the shortest one.
fn search(runtime: &Handle, test: &Test, name: &str, start: Start, seed: u64, steps: u64) -> Check<Judged> {
    let length = LENGTH.min(usize::try_from(steps).unwrap_or(LENGTH)).max(1);
    let config = Config {
        // On average, sequences have half of the maximum length.
        cases: u32::try_from(steps * 2 / length as u64).unwrap_or(u32::MAX),
        failure_persistence: None,
        max_shrink_iters: 600,
        max_shrink_time: 10_000,
        ..Config::default()
    };
    let pace = if test.is_manual() { Pace::MANUAL } else { Pace::REAL };
    let (round, latest) = (Cell::new(0), RefCell::new(None));
    let judged = Cell::new(Judged::default());
    let outcome = TestRunner::new_with_rng(config, rng(seed)).run(&steps::sequences(pace, length), |steps| {
        round.set(round.get() + 1);
        let name = format!("{name}{}", round.get());
        let done = runtime.block_on(attempt(test, &name, start, &steps)).map_err(|failure| {
            let reason = failure.to_string();
            *latest.borrow_mut() = Some(failure);
            TestCaseError::fail(reason)
        })?;
        let Judged { sequences, too_slow } = judged.get();
        judged.set(Judged { sequences: sequences + 1, too_slow: too_slow + u32::from(!done) });
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(judged.get()),
        Err(TestError::Fail(reason, steps)) => {
            // The latest failure belongs to the shortest sequence.
            let failure = latest.take().unwrap_or_else(|| Failure::new("no failure", reason.to_string()));
            let steps: String = steps.iter().map(|step| format!("\n    {step:?}")).collect();
            let seen = format!("{}, with {SEED}={seed}, handles in turns:{steps}", failure.seen);
            Err(Failure::new(failure.expected, seen))
        }
        Err(TestError::Abort(reason)) => Err(Failure::new("sequences", format!("none: {reason}"))),
    }
}

/// Runs one sequence on its own keys, and again if the store was too slow. Returns whether it was judged.
async fn attempt(test: &Test, name: &str, start: Start, steps: &[Step]) -> Check<bool> {
    for again in 0..ATTEMPTS {
        let mut run = Run::new(test, &format!("{name}/{again}"));
        if start == Start::Ghosts {
            for key in run.keys() {
                test.ghost(key, ttl_core::Record::new().with("i", 40).with("l", ["ghost"])).await?;
            }
        }
        match run.sequence(steps).await {
            Ok(()) => return Ok(true),
            Err(Stop::Failed(failure)) => return Err(failure),
            Err(Stop::Slow) => {}
        }
    }
    Ok(false)
}

fn rng(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// Returns the seed of the random choices of a run.
pub(crate) fn seed() -> Check<u64> {
    Ok(variable(SEED)?.unwrap_or(1))
}

fn variable(name: &str) -> Check<Option<u64>> {
    let Ok(text) = std::env::var(name) else { return Ok(None) };
    let number = text.trim().parse();
    number.map(Some).map_err(|_| Failure::new(format!("a whole number in {name}"), format!("{text:?}")))
}
