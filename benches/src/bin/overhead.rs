//! The live heap of an entry, and the allocations of an operation, of the memory driver and of other stores.

use allocation_counter::{AllocationInfo, measure};
use ttl_benches::arguments::Scale;
use ttl_benches::peers::{self, Operation, Peer};
use ttl_benches::report::{Measured, Report};
use ttl_benches::rounds::Compared;
use ttl_benches::workload::{Workload, power};
use ttl_core::Key;

const PURPOSE: &str = "the heap of an entry beside its key and value, and the allocations of an operation";

/// The contestants one by one, so that only one of them is in memory. The counter counts the allocations of this thread.
fn contestants(entries: usize) -> usize {
    peers::plain(entries).len()
}

fn one(entries: usize, at: usize) -> Box<dyn Peer> {
    peers::plain(entries).swap_remove(at)
}

struct Figures {
    name: &'static str,
    unread: f64,
    read: f64,
    allocations: [f64; 4],
}

const OPERATIONS: [&str; 4] = ["get, repeated", "get, first of an entry", "put, overwrite", "put, fresh"];

fn figures(workload: &Workload, at: usize) -> Figures {
    let Workload { entries, key_bytes, value_bytes } = *workload;
    let (value, keys) = (workload.value(), workload.all().collect::<Vec<Key>>());
    let (fresh, some) = (workload.absent(1, 1_000), workload.distinct(1, 1_000));
    let mut kept = None;
    let filled = measure(|| {
        let peer = one(entries, at);
        peer.run(Operation::Put, &keys, &value);
        peer.settle();
        kept = Some(peer);
    });
    let peer = kept.expect("the contestant is kept");
    let run = |operation, keys: &[Key]| -> AllocationInfo {
        measure(|| {
            peer.run(operation, keys, &value);
        })
    };
    let each = |info: &AllocationInfo, count: usize| info.count_total as f64 / count as f64;
    let first = run(Operation::Get, &keys);
    let settled = measure(|| peer.settle());
    let again = run(Operation::Get, &some);
    let overwrite = run(Operation::Put, &some);
    let put = run(Operation::Put, &fresh);
    let beside = |bytes: i64| bytes as f64 / entries as f64 - (key_bytes + value_bytes) as f64;
    Figures {
        name: peer.name(),
        unread: beside(filled.bytes_current),
        read: beside(filled.bytes_current + first.bytes_current + settled.bytes_current),
        // The value that a put is given is an allocation of the caller.
        allocations: [
            each(&again, some.len()),
            each(&first, entries),
            each(&overwrite, some.len()) - 1.0,
            each(&put, fresh.len()) - 1.0,
        ],
    }
}

fn main() {
    let scale = Scale::from_arguments(PURPOSE);
    let mut report = Report::begin("overhead", PURPOSE, scale);
    // A table that doubles when seven eighths are full holds the most just after that, at about 115 and 918 thousand. Those
    // of a store do so one after the other, as each has a few more or fewer entries.
    let sizes: &[usize] = if scale.quick {
        &[100_000, 120_000, 125_000]
    } else {
        &[100_000, 120_000, 125_000, 500_000, 960_000, 1_000_000]
    };
    for &entries in sizes {
        let workload = Workload::new(entries);
        report.say(format_args!("{} entries, one contestant after the other", power(entries)));
        let all: Vec<Figures> = (0..contestants(16)).map(|at| figures(&workload, at)).collect();
        let names: Vec<&str> = all.iter().map(|figures| figures.name).collect();
        let conditions = format!("{} entries, keys 32 B, values 100 B", power(entries));
        let mut compare = |operation: &str, metric, unit, value: &dyn Fn(&Figures) -> f64| {
            let ours = value(&all[0]);
            let results: Vec<Compared> =
                all.iter().map(|figures| Compared::exact(value(figures), ours)).collect();
            report.compared(Measured { operation, workload: &conditions, metric, unit }, &names, &results);
        };
        compare("an entry, unread", "heap", "B", &|figures| figures.unread);
        compare("an entry, read", "heap", "B", &|figures| figures.read);
        for (at, operation) in OPERATIONS.into_iter().enumerate() {
            compare(operation, "allocations", "each", &move |figures| figures.allocations[at]);
        }
    }
    report.finish();
}
