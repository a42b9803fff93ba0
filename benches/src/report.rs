//! The results of a program: printed as a table, and stored as lines of JSON under `target/bench`.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
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
    /// The load average of the last minute, before `scripts/bench` started, or before the program without it.
    pub load: f64,
}

/// A result of one contestant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The measured operation.
    pub operation: String,
    /// The conditions of the measurement.
    pub workload: String,
    /// The name of the contestant.
    pub contestant: String,
    /// The kind of the value, such as `cpu`.
    pub metric: String,
    /// The unit of the value.
    pub unit: String,
    /// The value.
    pub value: Spread,
    /// The value divided by that of the first contestant of the same comparison, within a round. There is none if that is
    /// 0 and this is not.
    pub ratio: Option<Spread>,
}

/// All results of a program.
#[derive(Clone, Debug)]
pub struct Results {
    /// How they were measured.
    pub head: Head,
    /// The results.
    pub rows: Vec<Row>,
}

/// The subject of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The measured operation.
    pub operation: &'a str,
    /// The conditions of the measurement.
    pub workload: &'a str,
    /// The kind of the values.
    pub metric: &'a str,
    /// The unit of the values.
    pub unit: &'a str,
}

/// Writes the results of a program as they come, to a file that replaces the results of its last run at the end.
pub struct Report {
    file: File,
    /// The file that is written.
    part: PathBuf,
    /// Its name at the end.
    path: PathBuf,
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Report {
    /// Starts the results of a program. Those of its last run remain until `finish`.
    ///
    /// # Panics
    /// If the file cannot be written.
    #[must_use]
    pub fn begin(program: &str, purpose: &str, scale: Scale) -> Self {
        let path = folder().join(format!("{program}.jsonl"));
        std::fs::create_dir_all(folder()).expect("the folder of the results can be created");
        let part = path.with_extension("jsonl.part");
        let file = File::create(&part).expect("the results can be written");
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
        let mut report = Self { file, part, path };
        report.line(&head);
        report
    }

    /// Replaces the results of the last run.
    ///
    /// # Panics
    /// If the file cannot be renamed.
    pub fn finish(self) {
        drop(self.file);
        std::fs::rename(&self.part, &self.path).expect("the results can be renamed");
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
            let ratios = ratio.map_or_else(String::new, |ratio| {
                format!(" {:>8.2} x ({:.2} to {:.2})", ratio.median, ratio.low, ratio.high)
            });
            println!(
                "     {contestant:<28} {:>11} {unit:<10} ({} to {}){ratios}",
                number(value.median),
                number(value.low),
                number(value.high)
            );
            self.line(&Row {
                operation: operation.to_owned(),
                workload: workload.to_owned(),
                contestant: (*contestant).to_owned(),
                metric: metric.to_owned(),
                unit: unit.to_owned(),
                value: *value,
                ratio: *ratio,
            });
        }
    }

    fn line(&mut self, line: &impl Serialize) {
        let text = serde_json::to_string(line).expect("results are JSON");
        writeln!(self.file, "{text}").expect("the results can be written");
    }
}

/// Reads the results of a program, if it has stored any.
///
/// # Errors
/// Returns an error if the file or one of its lines cannot be read.
pub fn read(program: &str) -> Result<Option<Results>, String> {
    let path = folder().join(format!("{program}.jsonl"));
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text)
            .map(Some)
            .map_err(|error| format!("{}: {error}; run {program} again", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn parse(text: &str) -> Result<Results, String> {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let head = serde_json::from_str(first).map_err(|error| format!("line 1: {error}"))?;
    let row = |(at, line)| serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 2));
    Ok(Results { head, rows: lines.enumerate().map(row).collect::<Result<_, _>>()? })
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

/// The load of other processes. `scripts/bench` reads it before the build and the first program, which are a load
/// themselves.
fn load() -> f64 {
    let before = std::env::var("BENCH_LOAD").ok();
    let text = before.unwrap_or_else(|| std::fs::read_to_string("/proc/loadavg").unwrap_or_default());
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        r#"{"program":"p","command":"c","quick":true,"date":"d","commit":"c","machine":"m","load":0.1}"#;

    fn row(value: &str, ratio: &str) -> String {
        format!(
            r#"{{"operation":"o","workload":"w","contestant":"c","metric":"m","unit":"u","value":{value},"ratio":{ratio}}}"#
        )
    }

    #[test]
    fn a_row_without_a_ratio_is_read() {
        let value = r#"{"median":0.0,"low":0.0,"high":0.0}"#;
        let results = parse(&format!("{HEAD}\n{}\n", row(value, "null"))).expect("it is read");
        assert_eq!((results.rows.len(), results.rows[0].ratio), (1, None));
    }

    #[test]
    fn an_unreadable_line_is_an_error() {
        let value = r#"{"median":null,"low":0.0,"high":0.0}"#;
        let error = parse(&format!("{HEAD}\n{}\n", row(value, "null"))).expect_err("null is not a number");
        assert!(error.starts_with("line 2: "), "{error}");
        assert!(parse("").is_err() && parse(HEAD).is_ok());
    }
}
