//! The goals of the project for its performance.

use super::{Demand, Goal};

pub(super) const OURS: &str = "ttl-store";
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

pub(super) const fn of(
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
        "an entry: at most 96 B beside key and value, at any number of entries",
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
    Goal {
        text: "a million expiries at once: at most 400 ns an entry",
        program: "expiry",
        operations: &["reclaim"],
        workloads: &["10^6 entries,"],
        metric: "cpu",
        contestant: OURS,
        peer: OURS,
        demand: Demand::AtMost(400.0),
    },
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
