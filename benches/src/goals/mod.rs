//! Goals for performance, and their comparison with results.

mod list;

pub use self::list::GOALS;
use crate::report::{Results, Row, number};

/// The demand of a goal on a result.
#[derive(Clone, Copy, Debug)]
pub enum Demand {
    /// The peer takes at least this many times our time.
    Faster(f64),
    /// We take at most this many times the peer's time.
    Within(f64),
    /// Our value is at most this.
    AtMost(f64),
    /// Our value is at least the peer's, less this.
    NotBelowBy(f64),
}

/// A goal.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// The text of the goal.
    pub text: &'static str,
    /// The program that measures it.
    pub program: &'static str,
    /// The operations that it concerns.
    pub operations: &'static [&'static str],
    /// The beginnings of the workloads that it concerns.
    pub workloads: &'static [&'static str],
    /// The metric of the results.
    pub metric: &'static str,
    /// The contestant whose result is judged.
    pub contestant: &'static str,
    /// The contestant that it is compared with.
    pub peer: &'static str,
    /// The demand on the result.
    pub demand: Demand,
}

/// A goal beside one result.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    /// The result of the contestant that is judged.
    pub ours: &'a Row,
    /// The result of its peer.
    pub peer: &'a Row,
    /// The figure that the goal demands, and its limit.
    pub figure: String,
    /// Whether the goal is reached.
    pub reached: bool,
}

impl Goal {
    /// Compares the goal with the results of its program.
    #[must_use]
    pub fn verdicts<'a>(&self, results: &'a Results) -> Vec<Verdict<'a>> {
        let concerns = |row: &&Row| {
            row.contestant == self.contestant
                && row.metric == self.metric
                && self.operations.contains(&row.operation.as_str())
                && self.workloads.iter().any(|start| row.workload.starts_with(start))
        };
        let verdict = |ours: &'a Row| {
            let same = |row: &&Row| {
                row.contestant == self.peer
                    && row.metric == ours.metric
                    && row.operation == ours.operation
                    && row.workload == ours.workload
            };
            results.rows.iter().find(same).map(|peer| self.judge(ours, peer))
        };
        results.rows.iter().filter(concerns).filter_map(verdict).collect()
    }

    fn judge<'a>(&self, ours: &'a Row, peer: &'a Row) -> Verdict<'a> {
        // Ratios of a row are those to the first contestant, which is ours.
        let times = peer.ratio.zip(ours.ratio).map(|(peer, ours)| peer.median / ours.median);
        let (figure, reached) = match (self.demand, times) {
            (Demand::Faster(least), Some(times)) => {
                (format!("{times:.2} times as fast, goal at least {least:.2}"), times >= least)
            }
            (Demand::Within(most), Some(times)) => {
                let figure = format!("{} times the peer's, goal at most {most:.2}", number(1.0 / times));
                (figure, 1.0 / times <= most)
            }
            (Demand::Faster(_) | Demand::Within(_), None) => ("no ratio to 0".to_owned(), false),
            (Demand::AtMost(most), _) => {
                (format!("goal at most {most:.0} {}", ours.unit), ours.value.median <= most)
            }
            (Demand::NotBelowBy(less), _) => {
                let above = ours.value.median - peer.value.median;
                (format!("{above:+.2} points, goal at least -{less:.0}"), above >= -less)
            }
        };
        Verdict { ours, peer, figure, reached }
    }
}

#[cfg(test)]
mod tests {
    use super::list::{OURS, of};
    use super::*;
    use crate::rounds::Spread;

    fn row(contestant: &str, value: f64, ratio: f64) -> Row {
        Row {
            operation: "get".to_owned(),
            workload: "10 entries".to_owned(),
            contestant: contestant.to_owned(),
            metric: "cpu".to_owned(),
            unit: "ns".to_owned(),
            value: Spread::exact(value),
            ratio: Some(Spread::exact(ratio)),
        }
    }

    #[test]
    fn a_goal_is_reached_at_its_limit_and_missed_below() {
        let goal = |demand| of("memory", "", &["get"], "cpu", "peer", demand);
        let reached = |demand, ours: f64, peer: f64| {
            let (ours, peer) = (row(OURS, ours, 1.0), row("peer", peer, peer / ours));
            goal(demand).judge(&ours, &peer).reached
        };
        assert!(reached(Demand::Faster(2.0), 10.0, 20.0) && !reached(Demand::Faster(2.0), 10.0, 19.0));
        assert!(reached(Demand::Within(2.0), 20.0, 10.0) && !reached(Demand::Within(2.0), 21.0, 10.0));
        assert!(reached(Demand::AtMost(2.0), 2.0, 1.0) && !reached(Demand::AtMost(2.0), 2.1, 3.0));
        assert!(reached(Demand::NotBelowBy(1.0), 9.0, 10.0) && !reached(Demand::NotBelowBy(1.0), 8.0, 10.0));
    }
}
