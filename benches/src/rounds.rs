//! Runs contestants side by side: in a new order in each round, with the median, the spread and ratios within a round.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::clock;

/// The time of one contestant in one round, in nanoseconds for each operation.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Processor time.
    pub cpu: f64,
    /// Wall time.
    pub wall: f64,
}

impl Sample {
    /// Measures the work of this thread.
    pub fn of_thread(operations: usize, work: impl FnOnce()) -> Self {
        Self::with(clock::thread_cpu, operations, work)
    }

    /// Measures the work of the whole process.
    pub fn of_process(operations: usize, work: impl FnOnce()) -> Self {
        Self::with(clock::process_cpu, operations, work)
    }

    fn with(cpu: fn() -> Duration, operations: usize, work: impl FnOnce()) -> Self {
        let (wall, start) = (Instant::now(), cpu());
        work();
        let (wall, cpu) = (wall.elapsed(), cpu().saturating_sub(start));
        let each = |time: Duration| time.as_nanos() as f64 / operations as f64;
        Self { cpu: each(cpu), wall: each(wall) }
    }

    /// Returns the mean of several threads that did the same number of operations each.
    #[must_use]
    pub fn mean(samples: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| samples.iter().map(of).sum::<f64>() / samples.len() as f64;
        Self { cpu: mean(|sample| sample.cpu), wall: mean(|sample| sample.wall) }
    }
}

/// A median and the quartiles around it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The lower quartile.
    pub low: f64,
    /// The upper quartile.
    pub high: f64,
}

impl Spread {
    /// Computes it from the values of the rounds.
    ///
    /// # Panics
    /// If there are no values.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "a spread needs a value");
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        let at = |quarters: usize| {
            let place = last * quarters;
            let (below, part) = (place / 4, (place % 4) as f64 / 4.0);
            values[below] + (values[(below + 1).min(last)] - values[below]) * part
        };
        Self { median: at(2), low: at(1), high: at(3) }
    }

    /// Creates a spread of a value that does not vary.
    #[must_use]
    pub const fn exact(value: f64) -> Self {
        Self { median: value, low: value, high: value }
    }
}

/// A contestant's result.
#[derive(Clone, Copy, Debug)]
pub struct Compared {
    /// The measured value.
    pub value: Spread,
    /// The value divided by that of the first contestant in the same round. There is none if that is 0 and this is not.
    pub ratio: Option<Spread>,
}

impl Compared {
    /// Compares values that do not vary.
    #[must_use]
    pub fn exact(value: f64, first: f64) -> Self {
        Self { value: Spread::exact(value), ratio: ratio(value, first).map(Spread::exact) }
    }
}

/// Returns the ratio of a value to that of the first contestant: 1 if both are 0, and none if only the latter is.
fn ratio(value: f64, first: f64) -> Option<f64> {
    if value == first { Some(1.0) } else { Some(value / first).filter(|ratio| ratio.is_finite()) }
}

/// The samples of all contestants in all rounds. The first contestant is the one that the others are compared with.
#[derive(Debug)]
pub struct Rounds<S = Sample> {
    samples: Vec<Vec<S>>,
    rng: StdRng,
}

impl<S> Rounds<S> {
    /// Creates rounds for a number of contestants.
    #[must_use]
    pub fn new(contestants: usize) -> Self {
        Self { samples: (0..contestants).map(|_| Vec::new()).collect(), rng: StdRng::seed_from_u64(7) }
    }

    /// Returns the contestants in the order of the next round.
    pub fn order(&mut self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.samples.len()).collect();
        order.shuffle(&mut self.rng);
        order
    }

    /// Stores the sample of a contestant in the current round.
    pub fn record(&mut self, contestant: usize, sample: S) {
        self.samples[contestant].push(sample);
    }

    /// Returns the result of each contestant, for one value of the samples.
    #[must_use]
    pub fn compared(&self, value: impl Fn(&S) -> f64) -> Vec<Compared> {
        let of = |samples: &[S]| samples.iter().map(&value).collect::<Vec<f64>>();
        let first = of(&self.samples[0]);
        let compare = |samples: &Vec<S>| {
            let values = of(samples);
            let ratios: Option<Vec<f64>> =
                values.iter().zip(&first).map(|(value, first)| ratio(*value, *first)).collect();
            Compared { value: Spread::of(values), ratio: ratios.map(Spread::of) }
        };
        self.samples.iter().map(compare).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_and_the_quartiles() {
        let spread = Spread::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(spread, Spread { median: 3.0, low: 2.0, high: 4.0 });
        assert_eq!(Spread::of(vec![1.0, 2.0]), Spread { median: 1.5, low: 1.25, high: 1.75 });
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        let mut rounds = Rounds::new(2);
        for noise in [1.0, 10.0, 100.0] {
            for contestant in rounds.order() {
                rounds.record(contestant, if contestant == 0 { noise } else { 2.0 * noise });
            }
        }
        let peer = rounds.compared(|sample| *sample)[1];
        assert_eq!(peer.ratio, Some(Spread::exact(2.0)));
        assert_eq!(peer.value.median, 20.0);
    }

    #[test]
    fn nothing_has_a_ratio_to_zero_but_zero() {
        assert_eq!(Compared::exact(0.0, 0.0).ratio, Some(Spread::exact(1.0)));
        assert_eq!(Compared::exact(0.0, 2.0).ratio, Some(Spread::exact(0.0)));
        assert_eq!(Compared::exact(2.0, 0.0).ratio, None);
    }
}
