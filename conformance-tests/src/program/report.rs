//! The output of a run, during it and at its end, and its report as JSON.

use std::time::Duration;

use crate::{Ran, Verdict};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value as Json, json};
use ttl_core::Capabilities;

/// The results of the cases so far.
#[derive(Debug)]
pub(crate) struct Report {
    capabilities: Capabilities,
    server: Option<String>,
    /// The progress bar on a terminal. Otherwise each case is printed as a line.
    bar: Option<ProgressBar>,
    ran: Vec<Ran>,
}

impl Report {
    pub(crate) fn new(
        capabilities: Capabilities,
        server: Option<String>,
        cases: usize,
        terminal: bool,
    ) -> Self {
        let bar = terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(cases as u64), ProgressDrawTarget::stderr());
            // The template is constant; if it were invalid, the default applies.
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { capabilities, server, bar, ran: Vec::with_capacity(cases) }
    }

    /// Adds the result of a case.
    pub(crate) fn add(&mut self, ran: Ran) {
        match &self.bar {
            Some(bar) => {
                bar.inc(1);
                bar.set_message(format!("{:?}", ran.case));
            }
            // Skipped cases are listed at the end, with the missing capability.
            None if word(&ran.verdict) == "skipped" => {}
            None => match ran.troubles() {
                Some(troubles) => println!("{} {:?} ({troubles})", word(&ran.verdict), ran.case),
                None => println!("{} {:?}", word(&ran.verdict), ran.case),
            },
        }
        self.ran.push(ran);
    }

    /// Returns whether a case failed or was inconclusive.
    pub(crate) fn has_failed(&self) -> bool {
        self.count("failed") + self.count("inconclusive") > 0
    }

    fn count(&self, verdict: &str) -> usize {
        self.ran.iter().filter(|ran| word(&ran.verdict) == verdict).count()
    }

    /// Prints skips, failures and, as the last line, the totals.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.ran.sort_by_key(|ran| (ran.case.group, ran.case.name));
        for ran in &self.ran {
            if let Verdict::Skipped(need) = &ran.verdict {
                println!("skipped {:?}: it needs {need}", ran.case);
            }
        }
        for ran in &self.ran {
            if let Verdict::Failed(failure) = &ran.verdict {
                println!("\nFAILED {:?}", ran.case);
                println!("  clause   {}: {}", ran.case.clauses().join(", "), ran.case.demand());
                println!("  expected {}", failure.expected);
                println!("  seen     {}", failure.seen);
            }
        }
        for ran in &self.ran {
            if let Verdict::Inconclusive(why) = &ran.verdict {
                println!("\nINCONCLUSIVE {:?}: {why}", ran.case);
            }
        }
        let retried: u64 = self.ran.iter().map(|ran| ran.retried.total()).sum();
        if retried > 0 {
            let cases = self.ran.iter().filter(|ran| ran.retried.total() > 0).count();
            println!("{retried} calls of {cases} cases were repeated after a retryable error");
        }
        let again = self.ran.iter().filter(|ran| ran.runs > 1).count();
        if again > 0 {
            println!("{again} cases were run again because the outcome of a write was unknown");
        }
        let inconclusive = match self.count("inconclusive") {
            0 => String::new(),
            count => format!(", {count} inconclusive"),
        };
        println!(
            "{} passed, {} failed, {} skipped{inconclusive}",
            self.count("passed"),
            self.count("failed"),
            self.count("skipped")
        );
    }

    /// Returns the whole run as JSON, with one object per case. It contains no URL, because URLs contain
    /// passwords.
    pub(crate) fn json(&self) -> String {
        let cases: Vec<Json> = self.ran.iter().map(case_json).collect();
        let run = json!({
            "backend": self.capabilities.backend,
            "server": self.server,
            "capabilities": capabilities_json(&self.capabilities),
            "passed": self.count("passed"),
            "failed": self.count("failed"),
            "skipped": self.count("skipped"),
            "inconclusive": self.count("inconclusive"),
            "cases": cases,
        });
        format!("{run:#}\n")
    }
}

fn capabilities_json(capabilities: &Capabilities) -> Json {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({
        "resolution_millis": millis(capabilities.resolution),
        "reclaims_within_millis": capabilities.reclaims_within.map(millis),
        "max_value_bytes": capabilities.max_value_bytes,
        "conditions": capabilities.conditions,
        "patch": capabilities.patch,
        "caps": capabilities.caps,
        "scan": capabilities.scan,
        "created_at": capabilities.created_at,
        "unique_versions": capabilities.unique_versions,
        "reads_cost_writes": capabilities.reads_cost_writes,
    })
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Skipped(_) => "skipped",
        Verdict::Inconclusive(_) => "inconclusive",
        _ => "failed",
    }
}

fn case_json(ran: &Ran) -> Json {
    let mut case = json!({
        "name": format!("{:?}", ran.case),
        "clauses": ran.case.clauses(),
        "demand": ran.case.demand(),
        "verdict": word(&ran.verdict),
        "millis": u64::try_from(ran.took.as_millis()).unwrap_or(u64::MAX),
    });
    if ran.retried.total() > 0 {
        case["retried"] = json!({
            "calls": ran.retried.calls,
            "contention": ran.retried.contention,
            "timeout": ran.retried.timeout,
            "unavailable": ran.retried.unavailable,
        });
    }
    if ran.runs > 1 {
        case["runs"] = json!(ran.runs);
    }
    match &ran.verdict {
        Verdict::Inconclusive(why) => case["why"] = json!(why),
        Verdict::Failed(failure) => {
            case["expected"] = json!(failure.expected);
            case["seen"] = json!(failure.seen);
        }
        Verdict::Skipped(need) => case["missing"] = json!(need.to_string()),
        _ => {}
    }
    case
}
