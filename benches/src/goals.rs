//! The goals of the project for its performance, and which results they are compared with.

use crate::report::{Results, Row};

/// What a goal demands of a result.
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
    /// What is to be reached.
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
    /// What is demanded.
    pub demand: Demand,
}

const OURS: &str = "ttl-store";
const GETS: &[&str] = &["get hit, uniform", "get hit, zipf 1.0"];
const MILLION: &[&str] = &["10^6 entries, 1 thread,", "10^6 entries, 2 threads,"];
const MILLION_ONCE: &[&str] = &["10^6 entries, 1 thread,"];

const fn memory(
    text: &'static str,
    operations: &'static [&'static str],
    workloads: &'static [&'static str],
    peer: &'static str,
    demand: Demand,
) -> Goal {
    Goal { text, program: "memory", operations, workloads, metric: "cpu", contestant: OURS, peer, demand }
}

const fn of(
    program: &'static str,
    text: &'static str,
    operations: &'static [&'static str],
    metric: &'static str,
    peer: &'static str,
    demand: Demand,
) -> Goal {
    Goal { text, program, operations, workloads: &[""], metric, contestant: OURS, peer, demand }
}

/// All goals that the programs measure. Goals in counts of requests and instructions are those of tests.
pub const GOALS: &[Goal] = &[
    memory("get hit: 3 times as fast as moka::future", GETS, MILLION, "moka::future", Demand::Faster(3.0)),
    memory("get hit: 1.3 times as fast as a map of deadlines", GETS, MILLION, "dashmap", Demand::Faster(1.3)),
    memory("get hit: 1.5 times as fast as quick_cache", GETS, MILLION, "quick_cache", Demand::Faster(1.5)),
    memory(
        "get + refresh: 3 times as fast as moka::future",
        &["get + refresh"],
        MILLION,
        "moka::future",
        Demand::Faster(3.0),
    ),
    memory(
        "put: 2.5 times as fast as moka::future",
        &["put, fresh", "put, overwrite"],
        MILLION_ONCE,
        "moka::future",
        Demand::Faster(2.5),
    ),
    memory(
        "put: 1.2 times as fast as a map of deadlines",
        &["put, fresh", "put, overwrite"],
        MILLION_ONCE,
        "dashmap",
        Demand::Faster(1.2),
    ),
    memory(
        "delete and miss: as fast as a map of deadlines",
        &["delete", "get miss"],
        MILLION_ONCE,
        "dashmap",
        Demand::Faster(1.0),
    ),
    memory(
        "increment: at most 3 times a bare number in a map",
        &["increment"],
        MILLION_ONCE,
        "dashmap",
        Demand::Within(3.0),
    ),
    of(
        "overhead",
        "an entry: at most 96 B beside key and value",
        &["an entry, unread", "an entry, read"],
        "heap",
        OURS,
        Demand::AtMost(96.0),
    ),
    of(
        "overhead",
        "get: at most 2 allocations",
        &["get, repeated", "get, first of an entry"],
        "allocations",
        OURS,
        Demand::AtMost(2.0),
    ),
    of(
        "overhead",
        "put: at most 3 allocations",
        &["put, overwrite", "put, fresh"],
        "allocations",
        OURS,
        Demand::AtMost(3.0),
    ),
    of(
        "expiry",
        "a million expiries at once: at most 400 ns an entry",
        &["reclaim"],
        "cpu",
        OURS,
        Demand::AtMost(400.0),
    ),
    of(
        "expiry",
        "longest pause of a reader: a hundredth of moka's",
        &["pause of a reader, longest"],
        "wall",
        "moka::future",
        Demand::Within(0.01),
    ),
    of(
        "hit_ratio",
        "hit ratio: at most 1 point below moka",
        &["hit ratio"],
        "hits",
        "moka::future",
        Demand::NotBelowBy(1.0),
    ),
    of(
        "facade",
        "records: at most 1.3 times the trait and serde_json",
        &["records, get", "records, put"],
        "cpu",
        "trait",
        Demand::Within(1.3),
    ),
    of(
        "facade",
        "blobs: at most 1.1 times the trait and serde_json",
        &["blobs, get", "blobs, put"],
        "cpu",
        "trait",
        Demand::Within(1.1),
    ),
    of(
        "facade",
        "counters: at most 1.15 times the trait",
        &["counters, increment"],
        "cpu",
        "trait",
        Demand::Within(1.15),
    ),
    Goal {
        text: "Redis: 0.95 of the throughput of redis-rs with the same commands",
        program: "redis",
        operations: &["get", "put", "get + refresh", "increment", "get of 100"],
        workloads: &["50 callers", "256 callers"],
        metric: "wall",
        contestant: OURS,
        peer: "redis-rs, same commands",
        demand: Demand::Within(1.0 / 0.95),
    },
    of(
        "redis",
        "Redis: server CPU of get + refresh at most 2.5 times GETEX",
        &["get + refresh"],
        "server cpu",
        "redis-rs",
        Demand::Within(2.5),
    ),
    of(
        "redis",
        "Redis: server CPU of put at most 2.5 times SET PX",
        &["put"],
        "server cpu",
        "redis-rs",
        Demand::Within(2.5),
    ),
    of(
        "redis",
        "Redis: server CPU of increment at most 2.5 times INCR and PEXPIRE in a script",
        &["increment"],
        "server cpu",
        "redis-rs",
        Demand::Within(2.5),
    ),
];

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
        let times = peer.ratio.median / ours.ratio.median;
        let (figure, reached) = match self.demand {
            Demand::Faster(least) => (format!("{times:.2} times as fast, goal {least:.2}"), times >= least),
            Demand::Within(most) => {
                (format!("{:.3} of the peer's, goal at most {most:.2}", 1.0 / times), 1.0 / times <= most)
            }
            Demand::AtMost(most) => {
                (format!("goal at most {most:.0} {}", ours.unit), ours.value.median <= most)
            }
            Demand::NotBelowBy(less) => {
                let above = ours.value.median - peer.value.median;
                (format!("{above:+.2} points, goal at least -{less:.0}"), above >= -less)
            }
        };
        Verdict { ours, peer, figure, reached }
    }
}

#[cfg(test)]
mod tests {
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
            ratio: Spread::exact(ratio),
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
