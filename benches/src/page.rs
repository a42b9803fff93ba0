//! The page `docs/performance.md`: the goals beside the results, and all results as tables.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::goals::{Demand, GOALS, Goal, Verdict};
use crate::report::{Results, Row, number};

/// Returns the text of the page.
#[must_use]
pub fn text(all: &[Results], missing: &[&str]) -> String {
    let mut page = String::from(INTRODUCTION);
    conditions(&mut page, all, missing);
    goals(&mut page, all);
    page.push_str(LIMITS);
    for results in all {
        tables(&mut page, results);
    }
    page
}

const INTRODUCTION: &str = "# Performance

`scripts/bench` measures and writes this page. `scripts/bench NAMES…` runs some of the programs, and the page keeps the
last results of the others.

The contestants of a comparison run side by side in one process, with the same keys and values, in a new order in each
round. A figure is the median of the rounds. A ratio is the median of the ratios within a round: the figure of a contestant
divided by that of ttl-store. `cpu` is the processor time of the measured thread, or of the whole process for network
clients; other processes do not add to it, but they do take cache and memory bandwidth. `wall` is elapsed time. Times of
other machines differ; compare ratios.

In memory, ttl-store is called through `Arc<dyn TtlStore>` and its `as_sync`, as collections do; `futures` are the async
methods of the trait. All contestants are given `Bytes` under the same keys. ttl-store copies blobs of at most 128 bytes
into its entry, and keeps larger ones as they are, as the others keep all of them. `dashmap` is the map that a program
would write: values with their deadlines, checked at each read, and never removed. It has the default hash function of
Rust, SipHash; `dashmap (foldhash)` is the same map with the hash function that ttl-store uses. `quick_cache` and `foyer`
have no TTL, and check nothing. No contestant has to evict, except in the comparison of hit ratios.

The times in memory are those of the threads that call. Work that a contestant puts off is not in them: the maintenance that
moka and mini-moka have not done within the calls is done between the rounds, and ttl-store reclaims in a thread of its own.
";

/// The reasons for the goals that are not reached.
const LIMITS: &str = "
## What limits the rest

The figures in this section were measured once, on an AMD EPYC with 2 cores, at the first release of this page. They are
not from the runs above.

* **Reads of a million entries in memory** wait for memory. A miss looks at the table alone. A hit also reads the bucket
  and the entry, which are in no cache: two waits of 150 to 280 ns. quick_cache keeps its entries in one
  array, and checks no deadline. With huge pages (`GLIBC_TUNABLES=glibc.malloc.hugetlb=1`), all contestants need a fifth
  less time.
* **Puts in memory** allocate an entry, register it in the wheel of deadlines, and count its bytes. A map of deadlines does
  none of that, and removes nothing that has expired.
* **Instructions in memory**: `scripts/instructions` counts them. A get needs 705 (goal 450): 200 to make and drop the
  handle that is returned, most of them in malloc and free; 60 to hash and compare the key; 100 in the caller; and 340 in
  the driver, for the lock, the table, the state, the clock and the answer. A put needs 1,300 over an entry and 1,800
  otherwise (goal 900). Of these, malloc and free take 350, and the growth of the table takes 100.
* **Records** are maps of JSON values, so that fields can be patched. A put checks and converts every field, and
  `serde_json` only writes text. A get of a struct copies no field.
* **The server's time for refreshes in Redis**: a script that only returns takes twice the time of GETEX, and with one GET
  inside 3.7 times. No single command refreshes without shortening a life or passing a cap. A put under the default policy
  must know whether it replaces an entry, and keeps its cap.
* **Increments in Redis** draw a random version for each request, and return the new number as a record.
* **Batches in Redis** keep the order of the caller and an error for each key, and build an entry for each value.
";

fn conditions(page: &mut String, all: &[Results], missing: &[&str]) {
    page.push_str(
        "\n## Runs\n\n| command | date | commit | machine | load average before |\n|---|---|---|---|---|\n",
    );
    for Results { head, .. } in all {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {:.1} |",
            head.command, head.date, head.commit, head.machine, head.load
        );
    }
    page.push_str("\nA `+` after the commit marks changed source code.");
    page.push_str(
        " The load average is that of the last minute before `scripts/bench` started, or before a program that was run \
         without it.",
    );
    if all.iter().any(|results| results.head.load > 0.5) {
        page.push_str(" Where it is above 0.5, other processes shared the machine.");
    }
    if all.iter().any(|results| results.head.quick) {
        page.push_str(" Runs with `--quick` have fewer operations, and are less precise.");
    }
    if !missing.is_empty() {
        let _ = write!(page, " There are no results of: {}.", missing.join(", "));
    }
    page.push('\n');
}

fn goals(page: &mut String, all: &[Results]) {
    let of = |goal: &Goal| all.iter().find(|results| results.head.program == goal.program);
    let judged: Vec<(&Goal, Vec<Verdict<'_>>)> = GOALS
        .iter()
        .map(|goal| (goal, of(goal).map_or_else(Vec::new, |results| goal.verdicts(results))))
        .collect();
    let verdicts = || judged.iter().flat_map(|(_, verdicts)| verdicts);
    let _ = writeln!(
        page,
        "\n## Goals\n\n{} of {} comparisons reach their goal. Those that do not are in bold. Other goals are counts, which \
         tests check. Goals beside a map are judged by `dashmap` with the default hash function, SipHash; `dashmap \
         (foldhash)` is in the tables only. Goals for two threads are judged by processor time; the tables also have the \
         elapsed time.\n",
        verdicts().filter(|verdict| verdict.reached).count(),
        verdicts().count()
    );
    page.push_str("| goal | operation, workload | ttl-store | peer | result | reached | program |\n|---|---|---|---|---|---|---|\n");
    for (goal, verdicts) in judged {
        if verdicts.is_empty() {
            let _ = writeln!(page, "| {} |  |  |  | not measured |  | `{}` |", goal.text, goal.program);
        }
        for Verdict { ours, peer, figure, reached } in verdicts {
            let against = match goal.demand {
                Demand::AtMost(_) => String::new(),
                _ => format!("{} {} ({})", number(peer.value.median), peer.unit, goal.peer),
            };
            let _ = writeln!(
                page,
                "| {} | {}, {} | {} {} | {against} | {figure} | {} | `{}` |",
                goal.text,
                ours.operation,
                brief(&ours.workload),
                number(ours.value.median),
                ours.unit,
                if reached { "yes" } else { "**no**" },
                goal.program
            );
        }
    }
}

/// Leaves out the sizes of keys and values if they are the usual ones.
fn brief(workload: &str) -> &str {
    workload.strip_suffix(", keys 32 B, values 100 B").unwrap_or(workload)
}

fn unique<'a>(rows: impl Iterator<Item = &'a Row>, of: impl Fn(&'a Row) -> &'a str) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    rows.map(of).filter(|name| seen.insert(*name)).collect()
}

fn tables(page: &mut String, results: &Results) {
    let _ = writeln!(page, "\n## {}\n", results.head.program.replace('_', " "));
    let _ = writeln!(
        page,
        "{}Each cell shows the median, and its ratio to the first column.",
        note(&results.head.program)
    );
    for metric in unique(results.rows.iter(), |row| row.metric.as_str()) {
        let of_metric = || results.rows.iter().filter(move |row| row.metric == metric && !is_noise(row));
        for workload in unique(of_metric(), |row| row.workload.as_str()) {
            let rows: Vec<&Row> = of_metric().filter(|row| row.workload == workload).collect();
            table(page, metric, workload, &rows);
        }
    }
}

/// Returns whether the row is the elapsed time of a single thread in memory, which never waits: it shows the same as
/// the processor time, with the noise of the machine. Threads that wait for a lock use no processor.
fn is_noise(row: &Row) -> bool {
    row.metric == "wall" && row.workload.contains(" 1 thread,")
}

/// Returns what a reader must know about the contestants of a program.
fn note(program: &str) -> &'static str {
    match program {
        "memory" => {
            "All entries are read once before the measurements. A put includes the copy of the value's bytes, and of the key \
             where a contestant owns it. `increment` changes a field of a record in ttl-store, and a number elsewhere. With \
             two threads, the time is that of one operation of one thread; `wall` includes the waits for locks, and for a \
             core if other processes run.\n\n"
        }
        "overhead" => {
            "The figures come from a counting allocator. The heap of an entry is without the bytes of its key and value. \
             The entries of quick_cache and foyer have no deadline.\n\n"
        }
        "expiry" => {
            "`reclaim` is the time to remove all entries after they have expired: a sweep in ttl-store, the maintenance of a \
             cache, `retain` of a map. For the pauses, one thread reads entries that live, and each call is timed. ttl-store \
             reclaims in its own thread. moka reclaims in the calls of its users, or in a thread of the program that calls \
             `run_pending_tasks`. If the system preempts the reader during a call, and the call never waits itself, only its processor time \
             counts. Quick runs compare the reclaiming of a million entries for ttl-store and the map only.\n\n"
        }
        "hit_ratio" => {
            "A read that misses is followed by a put. The hits are those of the second half of the reads.\n\n"
        }
        "facade" => {
            "`trait` calls `as_sync` of the trait itself, as collections do, with the text that `serde_json` makes of the struct \
             as a blob. `trait, futures` calls its async methods.\n\n"
        }
        "redis" => {
            "`redis-rs` sends what a program would write: GET, SET with PX, GETEX, MGET, HINCRBY, and a script of INCR and \
             PEXPIRE. `same commands` is redis-rs with the commands that ttl-store sends, which MONITOR recorded. `server \
             cpu` is the server's time for the commands of a request, from INFO commandstats; its column GET is a plain GET \
             in the same rounds.\n\n"
        }
        "dynamodb" => {
            "The server is DynamoDB Local. The SDK sends what a program would write, without conditions on the deadline: \
             GetItem, PutItem and UpdateItem.\n\n"
        }
        "cql" => {
            "`scylla` sends what a program would write. `conditional` has the guarantees of the strict mode of ttl-store, \
             except that it decides nothing by the old entry, for which ttl-store reads it first: a put over an entry is two \
             requests. `plain` is compared with the lww mode. All send a statement again that the server has forgotten.\n\n"
        }
        _ => "",
    }
}

fn table(page: &mut String, metric: &str, workload: &str, rows: &[&Row]) {
    let contestants = unique(rows.iter().copied(), |row| row.contestant.as_str());
    let units = unique(rows.iter().copied(), |row| row.unit.as_str()).join(", ");
    let _ = writeln!(page, "\n| {workload}: {metric}, {units} | {} |", contestants.join(" | "));
    let _ = writeln!(page, "|---|{}", "---|".repeat(contestants.len()));
    for operation in unique(rows.iter().copied(), |row| row.operation.as_str()) {
        let cell = |contestant: &&str| {
            let row = rows.iter().find(|row| row.operation == operation && row.contestant == **contestant);
            row.map_or_else(String::new, |row| {
                let ratio = row.ratio.map_or_else(String::new, |ratio| format!(" ({:.2})", ratio.median));
                format!("{}{ratio}", number(row.value.median))
            })
        };
        let cells: Vec<String> = contestants.iter().map(cell).collect();
        let _ = writeln!(page, "| {operation} | {} |", cells.join(" | "));
    }
}
