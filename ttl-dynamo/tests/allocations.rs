//! What the driver allocates beyond what the SDK allocates for the same requests.

mod canned;

use allocation_counter::measure;
use canned::Pair;

/// So many at most.
const MORE: u64 = 20;

const TIMES: usize = 100;

/// Allocations of one operation.
fn each(run: impl FnOnce(usize)) -> u64 {
    measure(|| run(TIMES)).count_total.div_ceil(TIMES as u64)
}

#[test]
fn the_driver_adds_few_allocations_to_those_of_the_sdk() {
    let pair = Pair::new();
    for (operation, ours, raw) in [
        ("get", each(|times| pair.get(times)), each(|times| pair.raw_get(times))),
        ("overwrite", each(|times| pair.overwrite(times)), each(|times| pair.raw_overwrite(times))),
    ] {
        assert!(raw > 100, "{operation}: {raw} allocations by the SDK");
        assert!(ours <= raw + MORE, "{operation}: {ours} allocations, and {raw} by the SDK");
        println!("{operation}: {ours} allocations, and {raw} by the SDK");
    }
}
