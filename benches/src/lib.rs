//! Benchmarks of ttl-store beside other libraries: rounds, workloads, contestants, results and charts.
//!
//! Each program in `src/bin` measures one area and stores its results under `target/bench`. The program `report` writes
//! `docs/performance.md` and the charts from them. `scripts/bench` runs all of them.

pub mod arguments;
pub mod callers;
pub mod chart;
pub mod clock;
pub mod goals;
pub mod page;
pub mod pauses;
pub mod peers;
pub mod redis_clients;
pub mod report;
pub mod rounds;
pub mod switches;
pub mod threads;
pub mod wait;
pub mod workload;
