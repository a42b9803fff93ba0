//! The text of the page.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value as Json;
use ttl_conformance::clauses::SECTIONS;

use crate::run::{Run, Verdict};

const HEAD: &str = "\
# Compatibility

This page shows the results of the conformance suite on every driver. `scripts/matrix` runs the suite and writes the
page. `.ci/run` fails if the page differs from a run. Only the servers in the columns were tested. Compatible servers
may fulfil the contract too, but this page does not cover them.

[contract.md](contract.md) explains the clauses, and the reasons for skipped cases.
";

const LATE: &str = "
## How late a request may be applied

A refresh or an expire may be in flight when its entry expires. Another reader may then have reported the entry as gone
before the request is applied (R3). The drivers document these limits:

| driver | clock | how long a request may still be applied after a reader has reported the entry as gone |
| --- | --- | --- |
| `ttl-memory` | this process | never: the time is read under the lock |
| `ttl-redis` | the server | never: the server reads its time when it applies the request |
| `ttl-dynamo` | this process | the duration of one attempt (`attempt_timeout`); for a write with an unknown outcome five minutes, until its signature expires |
| `ttl-scylla`, strict | this process | never after a get, put, patch, expire or delete has found the entry expired; after a scan, or if the program has no write permission, the clock skew and two seconds |
| `ttl-scylla`, lww | this process | the clock skew and two seconds after the cells expire |
";

/// Returns the whole page, with the section about layers.
pub(crate) fn page(runs: &[Run], layers: &str) -> Result<String, String> {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Runs\n\n");
    let crates = runs.iter().map(Run::crates).collect::<Result<Vec<_>, _>>()?;
    head(&mut page, "", runs);
    row(&mut page, "driver", crates.iter().map(|(driver, _)| format!("`{driver}`")));
    row(&mut page, "client library", crates.iter().map(|(_, client)| client.clone()));
    row(&mut page, "server", runs.iter().map(Run::server));
    for what in ["passed", "failed", "skipped"] {
        row(&mut page, what, runs.iter().map(|run| run.count(what).to_string()));
    }
    capabilities(&mut page, runs);
    page.push_str(layers);
    page.push_str(LATE);
    clauses(&mut page, runs);
    skips(&mut page, runs);
    Ok(page)
}

fn head(page: &mut String, corner: &str, runs: &[Run]) {
    row(page, corner, runs.iter().map(|run| run.name.clone()));
    row(page, "---", runs.iter().map(|_| "---".to_owned()));
}

fn row(page: &mut String, first: &str, cells: impl IntoIterator<Item = String>) {
    let cells: Vec<String> = cells.into_iter().collect();
    // Writing to a string cannot fail.
    let _ = writeln!(page, "| {first} | {} |", cells.join(" | "));
}

fn capabilities(page: &mut String, runs: &[Run]) {
    page.push_str("\n## Declared capabilities\n\nThe stores of the suite declare these capabilities. The suite sets a limit on the size of values where it is configurable.\n\n");
    head(page, "", runs);
    let mut line = |first: &str, name: &str, show: fn(&Json) -> String| {
        row(page, first, runs.iter().map(|run| show(run.capability(name))));
    };
    line("resolution", "resolution_millis", |value| format!("{value} ms"));
    line("space reclaimed within", "reclaims_within_millis", reclaims);
    line("largest value", "max_value_bytes", bytes);
    for name in ["conditions", "patch", "caps", "scan", "created_at", "unique_versions", "reads_cost_writes"]
    {
        line(&format!("`{name}`"), name, yes_or_no);
    }
}

fn yes_or_no(value: &Json) -> String {
    if value == &Json::Bool(true) { "yes" } else { "no" }.to_owned()
}

fn reclaims(value: &Json) -> String {
    match value.as_u64() {
        None => "no promise".to_owned(),
        Some(millis) if millis >= 3_600_000 => format!("{} h", millis.div_ceil(3_600_000)),
        Some(millis) if millis >= 1_000 => format!("{} s", millis.div_ceil(1_000)),
        Some(millis) => format!("{millis} ms"),
    }
}

fn bytes(value: &Json) -> String {
    match value.as_u64() {
        None | Some(u64::MAX) => "no limit".to_owned(),
        Some(bytes) if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        Some(bytes) if bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        Some(bytes) => format!("{bytes} B"),
    }
}

fn clauses(page: &mut String, runs: &[Run]) {
    page.push_str(
        "\n## Clauses\n\nThe number of cases of each clause that passed. A case may check several clauses.\n",
    );
    for section in SECTIONS {
        let _ = write!(page, "\n### {}\n\n", section.title);
        head(page, "clause", runs);
        for clause in section.clauses {
            let first = format!("[{0}](contract.md#{1})", clause.id, clause.id.to_lowercase());
            row(page, &first, runs.iter().map(|run| cell(run, clause.id, clause.elsewhere.is_some())));
        }
    }
}

fn cell(run: &Run, clause: &str, elsewhere: bool) -> String {
    let verdicts = run.verdicts(Some(clause));
    let count =
        |wanted: fn(&Verdict<'_>) -> bool| verdicts.values().filter(|verdict| wanted(verdict)).count();
    let passed = count(|verdict| *verdict == Verdict::Passed);
    let failed = count(|verdict| *verdict == Verdict::Failed);
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
    let mut parts = Vec::new();
    if failed > 0 {
        parts.push(format!("**{failed} failed**"));
    }
    if passed > 0 {
        parts.push(passed.to_string());
    }
    if skipped > 0 {
        parts.push(format!("{skipped} skipped"));
    }
    if elsewhere {
        parts.push("the driver's own tests".to_owned());
    }
    parts.join(", ")
}

fn skips(page: &mut String, runs: &[Run]) {
    page.push_str("\n## Skipped cases\n\nEach list begins with the missing capability.\n");
    for run in runs {
        let _ = write!(page, "\n### {}\n\n", run.name);
        let mut by_need: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (case, verdict) in run.verdicts(None) {
            if let Verdict::Skipped(need) = verdict {
                by_need.entry(need).or_default().push(case);
            }
        }
        if by_need.is_empty() {
            page.push_str("None.\n");
        }
        for (need, cases) in by_need {
            let cases: Vec<String> = cases.iter().map(|case| format!("`{case}`")).collect();
            let _ = writeln!(page, "* {need}: {}", cases.join(", "));
        }
    }
}
