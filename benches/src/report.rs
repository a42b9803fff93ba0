//! The results of a program: printed as a table, and stored as lines of JSON under `target/bench`.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::arguments::Scale;
use crate::rounds::{Compared, Spread};

/// The first line of a file of results: how they were measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    /// The program that measured.
    pub program: String,
    /// The command that repeats the run.
    pub command: String,
    /// Whether the run was a short one.
    pub quick: bool,
    /// The date and time of the start, in UTC.
    pub date: String,
    /// The commit of the source code, with a `+` if it was changed.
    pub commit: String,
    /// Processor and number of cores.
    pub machine: String,
    /// The load average of the last minute, before the run.
    pub load: f64,
}

/// A result of one contestant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub operation: String,
    /// Under which conditions.
    pub workload: String,
    /// By whom.
    pub contestant: String,
    /// What the value is, such as `cpu`.
    pub metric: String,
    /// The unit of the value.
    pub unit: String,
    /// The value.
    pub value: Spread,
    /// The value divided by that of the first contestant of the same comparison, within a round.
    pub ratio: Spread,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Head(Head),
    Row(Row),
}

/// All results of a program.
#[derive(Clone, Debug)]
pub struct Results {
    /// How they were measured.
    pub head: Head,
    /// The results.
    pub rows: Vec<Row>,
}

/// What a comparison measures.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// What was measured.
    pub operation: &'a str,
    /// Under which conditions.
    pub workload: &'a str,
    /// What the values are.
    pub metric: &'a str,
    /// The unit of the values.
    pub unit: &'a str,
}

/// Writes the results of a program as they come.
pub struct Report {
    file: File,
    path: PathBuf,
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Report {
    /// Starts the results of a program. They replace those of its last run.
    ///
    /// # Panics
    /// If the file cannot be written.
    #[must_use]
    pub fn begin(program: &str, purpose: &str, scale: Scale) -> Self {
        let path = folder().join(format!("{program}.jsonl"));
        std::fs::create_dir_all(folder()).expect("the folder of the results can be created");
        let file = File::create(&path).expect("the results can be written");
        let head = Head {
            program: program.to_owned(),
            command: format!("scripts/bench {}{program}", if scale.quick { "--quick " } else { "" }),
            quick: scale.quick,
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            commit: commit(),
            machine: machine(),
            load: load(),
        };
        println!("== {program}: {purpose}");
        println!(
            "   commit {}, {}, load {:.1}; results in {}",
            head.commit,
            head.machine,
            head.load,
            path.display()
        );
        let mut report = Self { file, path };
        report.line(&Line::Head(head));
        report
    }

    /// Prints what happens next.
    pub fn say(&self, text: impl fmt::Display) {
        println!("-- {text}");
    }

    /// Stores the results of a comparison, and prints them. Ratios are those to the first contestant.
    pub fn compared(&mut self, measured: Measured<'_>, contestants: &[&str], results: &[Compared]) {
        let Measured { operation, workload, metric, unit } = measured;
        println!("   {operation}, {workload} [{metric}]");
        for (contestant, Compared { value, ratio }) in contestants.iter().zip(results) {
            println!(
                "     {contestant:<28} {:>11} {unit:<10} ({} to {}) {:>8.2} x ({:.2} to {:.2})",
                number(value.median),
                number(value.low),
                number(value.high),
                ratio.median,
                ratio.low,
                ratio.high
            );
            self.line(&Line::Row(Row {
                operation: operation.to_owned(),
                workload: workload.to_owned(),
                contestant: (*contestant).to_owned(),
                metric: metric.to_owned(),
                unit: unit.to_owned(),
                value: *value,
                ratio: *ratio,
            }));
        }
    }

    fn line(&mut self, line: &Line) {
        let text = serde_json::to_string(line).expect("results are JSON");
        writeln!(self.file, "{text}").expect("the results can be written");
    }
}

/// Reads the results of a program, if it has stored any.
#[must_use]
pub fn read(program: &str) -> Option<Results> {
    let file = File::open(folder().join(format!("{program}.jsonl"))).ok()?;
    let mut lines = BufReader::new(file).lines().map_while(Result::ok);
    let Ok(Line::Head(head)) = serde_json::from_str(&lines.next()?) else { return None };
    let rows = lines.filter_map(|line| match serde_json::from_str(&line) {
        Ok(Line::Row(row)) => Some(row),
        _ => None,
    });
    Some(Results { head, rows: rows.collect() })
}

/// Returns the folder of the project.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the project has a folder")
}

fn folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from).join("bench")
}

/// Returns a number with three to four significant digits.
#[must_use]
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.995 => format!("{value:.3}"),
        size if size < 9.95 => format!("{value:.2}"),
        size if size < 99.5 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root()).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let id = git(&["rev-parse", "--short", "HEAD"]).filter(|id| !id.is_empty());
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no", "--", "*.rs", "*.toml", "*.lock", "*.lua"]);
    let mark = if changed.is_some_and(|files| !files.is_empty()) { "+" } else { "" };
    id.map_or_else(|| "unknown".to_owned(), |id| format!("{id}{mark}"))
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    format!("{}, {cores} cores", model.map_or("unknown processor", |(_, model)| model))
}

fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}
