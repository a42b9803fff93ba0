//! The memory driver beside other stores in memory: the time of each operation.

use ttl_benches::arguments::Scale;
use ttl_benches::peers::{self, Operation, Peer};
use ttl_benches::report::{Measured, Report};
use ttl_benches::rounds::Rounds;
use ttl_benches::threads::measure;
use ttl_benches::workload::{Distribution, Workload, power};
use ttl_core::Key;

const PURPOSE: &str = "the time of operations in memory, of ttl-store and of other libraries";

/// The change that a round makes to the contestants, and undoes untimed.
#[derive(Clone, Copy, PartialEq)]
enum Case {
    Hit(Distribution),
    Miss,
    Overwrite,
    Fresh,
    Delete,
    GetRefresh,
    Increment,
}

const PLAIN: [Case; 6] = [
    Case::Hit(Distribution::Uniform),
    Case::Hit(Distribution::Zipf(1.0)),
    Case::Miss,
    Case::Overwrite,
    Case::Fresh,
    Case::Delete,
];

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::Hit(Distribution::Uniform) => "get hit, uniform",
            Self::Hit(Distribution::Zipf(_)) => "get hit, zipf 1.0",
            Self::Miss => "get miss",
            Self::Overwrite => "put, overwrite",
            Self::Fresh => "put, fresh",
            Self::Delete => "delete",
            Self::GetRefresh => "get + refresh",
            Self::Increment => "increment",
        }
    }

    fn operation(self) -> Operation {
        match self {
            Self::Hit(_) | Self::Miss => Operation::Get,
            Self::Overwrite | Self::Fresh => Operation::Put,
            Self::Delete => Operation::Delete,
            Self::GetRefresh => Operation::GetRefresh,
            Self::Increment => Operation::Increment,
        }
    }

    fn keys(self, workload: &Workload, seed: u64, count: usize) -> Vec<Key> {
        match self {
            Self::Hit(distribution) => workload.stored(distribution, seed, count),
            Self::Miss | Self::Fresh => workload.absent(seed, count),
            Self::Delete => workload.distinct(seed, count),
            Self::Overwrite | Self::GetRefresh | Self::Increment => {
                workload.stored(Distribution::Uniform, seed, count)
            }
        }
    }
}

/// Settings of a comparison.
#[derive(Clone, Copy)]
struct Bench {
    workload: Workload,
    operations: usize,
    rounds: usize,
}

impl Bench {
    fn new(scale: Scale, workload: Workload) -> Self {
        let operations = scale.pick(10_000, 200_000).min(workload.entries / 2);
        Self { workload, operations, rounds: scale.rounds() }
    }

    fn fill(&self, report: &Report, contestants: &[Box<dyn Peer>], first: Operation) {
        let names: Vec<&str> = contestants.iter().map(|peer| peer.name()).collect();
        report.say(format_args!(
            "filling {} with {} entries",
            names.join(", "),
            power(self.workload.entries)
        ));
        let value = self.workload.value();
        let all: Vec<Key> = self.workload.all().collect();
        for peer in contestants {
            peer.run(first, &all, &value);
            // The first reader of a value makes `Bytes` count its users, which later reads do not pay for.
            peer.run(Operation::Get, &all, &value);
            peer.settle();
        }
    }

    fn compare(&self, report: &mut Report, contestants: &[Box<dyn Peer>], case: Case, threads: usize) {
        let value = self.workload.value();
        let mut rounds = Rounds::new(contestants.len());
        for round in 0..self.rounds {
            // A contestant's threads use different keys, and all contestants use the same.
            let each = self.operations / threads;
            let keys = case.keys(&self.workload, round as u64, each * threads);
            let keys: Vec<Vec<Key>> = keys.chunks(each).map(<[Key]>::to_vec).collect();
            for at in rounds.order() {
                let peer = &*contestants[at];
                rounds.record(at, measure(peer, case.operation(), &keys, &value, case != Case::Miss));
                let restore = match case {
                    Case::Fresh => Some(Operation::Delete),
                    Case::Delete => Some(Operation::Put),
                    _ => None,
                };
                if let Some(operation) = restore {
                    for keys in &keys {
                        peer.run(operation, keys, &value);
                    }
                }
                peer.settle();
            }
        }
        let names: Vec<&str> = contestants.iter().map(|peer| peer.name()).collect();
        let Workload { entries, key_bytes, value_bytes } = self.workload;
        let s = if threads == 1 { "" } else { "s" };
        let conditions = format!(
            "{} entries, {threads} thread{s}, keys {key_bytes} B, values {value_bytes} B",
            power(entries)
        );
        for metric in ["cpu", "wall"] {
            // A single thread never waits.
            if metric == "wall" && threads == 1 {
                continue;
            }
            let measured = Measured { operation: case.name(), workload: &conditions, metric, unit: "ns" };
            let of =
                |sample: &ttl_benches::rounds::Sample| if metric == "cpu" { sample.cpu } else { sample.wall };
            report.compared(measured, &names, &rounds.compared(of));
        }
    }

    fn all(&self, report: &mut Report, threads: &[usize]) {
        let contestants = peers::plain(self.workload.entries);
        self.fill(report, &contestants, Operation::Put);
        for case in PLAIN {
            threads.iter().for_each(|threads| self.compare(report, &contestants, case, *threads));
        }
        drop(contestants);
        let contestants = peers::refreshing();
        self.fill(report, &contestants, Operation::Put);
        threads.iter().for_each(|threads| self.compare(report, &contestants, Case::GetRefresh, *threads));
        drop(contestants);
        let contestants = peers::counting();
        self.fill(report, &contestants, Operation::StartCount);
        threads.iter().for_each(|threads| self.compare(report, &contestants, Case::Increment, *threads));
    }
}

fn main() {
    let scale = Scale::from_arguments(PURPOSE);
    let mut report = Report::begin("memory", PURPOSE, scale);
    for entries in [10_000, 100_000, 1_000_000] {
        let threads: &[usize] = if scale.quick && entries < 1_000_000 { &[1] } else { &[1, 2] };
        Bench::new(scale, Workload::new(entries)).all(&mut report, threads);
    }
    report.say("other sizes of keys and values");
    let sizes = [(8, 100), (100, 100), (32, 16), (32, 1_024), (32, 65_536)];
    for (key_bytes, value_bytes) in sizes {
        let entries = if value_bytes > 10_000 { 1_000 } else { 10_000 };
        let bench = Bench::new(scale, Workload { entries, key_bytes, value_bytes });
        let contestants = peers::plain(entries);
        bench.fill(&report, &contestants, Operation::Put);
        for case in [Case::Hit(Distribution::Uniform), Case::Overwrite] {
            bench.compare(&mut report, &contestants, case, 1);
        }
    }
    if !scale.quick {
        report.say("ten million entries, which need about 15 GB");
        let bench = Bench::new(scale, Workload::new(10_000_000));
        let contestants = peers::plain(bench.workload.entries);
        bench.fill(&report, &contestants, Operation::Put);
        PLAIN.into_iter().for_each(|case| bench.compare(&mut report, &contestants, case, 1));
    }
    report.finish();
}
