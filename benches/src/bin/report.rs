//! Writes `docs/performance.md` and the charts from the results under `target/bench`.

use std::process::ExitCode;

use ttl_benches::chart::{Bars, draw};
use ttl_benches::page;
use ttl_benches::report::{Results, Row, read, root};

/// The programs, in the order of the page.
const PROGRAMS: [&str; 8] =
    ["memory", "overhead", "expiry", "hit_ratio", "facade", "redis", "dynamodb", "cql"];

/// Collects the values of the contestants in the given operations.
fn bars<'a>(
    results: &'a Results,
    keep: impl Fn(&Row) -> bool,
    contestants: &[&str],
    group: impl Fn(&'a Row) -> &'a str,
) -> Bars {
    let rows: Vec<&Row> = results.rows.iter().filter(|row| keep(row)).collect();
    let mut categories: Vec<String> = Vec::new();
    for row in &rows {
        if !categories.iter().any(|name| name == group(row)) {
            categories.push(group(row).to_owned());
        }
    }
    let value = |contestant: &str, category: &str| {
        rows.iter()
            .find(|row| row.contestant == contestant && group(row) == category)
            .map(|row| row.value.median)
    };
    let series = contestants.iter().map(|contestant| {
        let values = categories.iter().map(|category| value(contestant, category)).collect();
        ((*contestant).to_owned(), values)
    });
    let series = series.collect();
    Bars { title: String::new(), axis: String::new(), log: false, categories, series }
}

fn memory(results: &Results) -> Vec<Bars> {
    let contestants = ["ttl-store", "moka::future", "mini-moka", "quick_cache", "foyer", "dashmap"];
    let keep =
        |row: &Row| row.metric == "cpu" && row.workload == "10^6 entries, 1 thread, keys 32 B, values 100 B";
    let bars = bars(results, keep, &contestants, |row| &row.operation);
    vec![Bars {
        title: "A million entries in memory".to_owned(),
        axis: "ns of CPU for an operation".to_owned(),
        ..bars
    }]
}

fn expiry(results: &Results) -> Vec<Bars> {
    let contestants = ["ttl-store", "moka::future", "moka::future, own thread", "dashmap, retain"];
    let reclaim = bars(results, |row| row.operation == "reclaim", &contestants, |row| &row.operation);
    let pauses = bars(results, |row| row.operation.starts_with("pause"), &contestants, |row| &row.operation);
    let short = |name: &String| name.rsplit(", ").next().unwrap_or(name).to_owned();
    let categories = pauses.categories.iter().map(short).collect();
    vec![
        Bars {
            title: "Reclaiming expired entries".to_owned(),
            axis: "ns of CPU for an entry".to_owned(),
            ..reclaim
        },
        Bars {
            title: "Pause of a reader meanwhile".to_owned(),
            axis: "microseconds".to_owned(),
            log: true,
            categories,
            ..pauses
        },
    ]
}

fn redis(results: &Results) -> Vec<Bars> {
    let contestants = ["ttl-store", "redis-rs", "redis-rs, same commands", "fred"];
    let keep = |row: &Row| {
        row.metric == "wall" && row.workload.starts_with("50 callers") && row.operation != "get of 100"
    };
    let mut bars = bars(results, keep, &contestants, |row| &row.operation);
    for value in bars.series.iter_mut().flat_map(|(_, values)| values.iter_mut().flatten()) {
        *value = 1e3 / *value;
    }
    vec![Bars {
        title: "Redis, 50 callers on one thread".to_owned(),
        axis: "thousand requests a second".to_owned(),
        ..bars
    }]
}

fn main() -> ExitCode {
    let (mut all, mut missing) = (Vec::new(), Vec::new());
    for program in PROGRAMS {
        match read(program) {
            Ok(Some(results)) => all.push(results),
            Ok(None) => missing.push(program),
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    let page = root().join("docs/performance.md");
    println!("== report: writing {} from the results of {} programs", page.display(), all.len());
    if let Err(error) = std::fs::write(&page, page::text(&all, &missing)) {
        eprintln!("error: {}: {error}", page.display());
        return ExitCode::FAILURE;
    }
    type Draw = fn(&Results) -> Vec<Bars>;
    let charts: [(&str, &str, Draw); 3] =
        [("memory", "memory", memory), ("expiry", "mass-expiry", expiry), ("redis", "redis", redis)];
    for (program, name, panels) in charts {
        let Some(results) = all.iter().find(|results| results.head.program == program) else { continue };
        let chart = root().join("docs/charts").join(format!("{name}.svg"));
        println!("-- {}", chart.display());
        if let Err(error) = draw(&chart, &panels(results)) {
            eprintln!("error: {}: {error}", chart.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
